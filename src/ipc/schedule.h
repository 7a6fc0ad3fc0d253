/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/* What the frames of schedules carry: the agent keeps the time, the master picks who runs what, a worker does it. Texts are
 * ended by NUL within their arrays where they are well-formed; the master believes that of nobody. */

#define SCHEDULES_MAX      64U /* of an application */
#define SCHEDULE_NAME_SIZE 64U
#define SCHEDULE_WHEN_SIZE 128U
#define SCHEDULE_TEXT_SIZE 256U

/* Agent: one of the application's schedules; the first has the index 0, each the next. Before it is ready. */
struct message_schedule {
        uint32_t index;
        uint32_t type;    /* enum muster_schedule_type */
        uint32_t overlap; /* enum muster_overlap */
        uint32_t disable;
        char name[SCHEDULE_NAME_SIZE];
        char when[SCHEDULE_WHEN_SIZE]; /* "every 10min", "0 3 * * *", for people and to be compared */
};

/* Master: since when a schedule waits, by its own clock, for an agent that goes on with it. */
struct message_since {
        uint64_t since;
        char name[SCHEDULE_NAME_SIZE];
};

/* Agent: a schedule is due. */
struct message_tick {
        uint32_t index;
        uint32_t missed;    /* how often it was due before that, since the last one */
        uint32_t immediate; /* not by its time, but since everything has started */
        uint32_t reserved;
        uint64_t due; /* by its own clock */
};

/* Agent: when it will be due next. */
struct message_next {
        uint32_t index;
        uint32_t reserved;
        uint64_t when;  /* realtime; 0: never */
        uint64_t since; /* when it was due last or began to wait, by its own clock */
};

/* Master: run it in this worker. */
struct message_run {
        uint64_t id;
        uint32_t attempt;
        uint32_t reserved;
        char name[SCHEDULE_NAME_SIZE];
};

/* How a run has ended. */
enum done_how {
        DONE_FINISHED, /* with a result */
        DONE_CRASHED,  /* the handler faulted */
        DONE_HUNG,     /* it was interrupted since it hung */
        DONE_REFUSED,  /* not begun: the worker is about to leave */
        DONE_UNKNOWN,  /* not begun: its application has no such schedule */
        DONE_LOST,     /* no worker says this: it ended before it said anything */
        _DONE_HOW_MAX,
};

/* Worker: a run has ended. */
struct message_done {
        uint64_t id;
        uint64_t took;
        int32_t result; /* 0 or a negative errno */
        uint32_t how;   /* enum done_how */
        char text[SCHEDULE_TEXT_SIZE];
};
