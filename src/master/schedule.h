/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/schedule.h"
#include "util/time.h"

/* What is to be run, what runs where, and what came of it. Pure decisions over given times; see schedule.c. */

#define SCHEDULE_ATTEMPTS  3U    /* so many workers may end while they run it */
#define SCHEDULE_TICKS_MAX 16U   /* of one schedule that go on at a time */
#define SCHEDULE_RUNS_MAX  4096U /* of all, on all workers */

/* As the agent has declared it. */
struct schedule_declared {
        char name[SCHEDULE_NAME_SIZE];
        char when[SCHEDULE_WHEN_SIZE];
        unsigned int type;    /* enum muster_schedule_type */
        unsigned int overlap; /* enum muster_overlap */
        bool disable;
};

struct schedule_list {
        struct schedule_declared items[SCHEDULES_MAX];
        unsigned int n;
};

struct schedule {
        struct schedule_declared declared;
        bool paused;
        uint64_t immediate; /* the generation with which it ran at once */
        uint64_t last_due;  /* by its own clock; 0: never */
        uint64_t since;     /* it waits, by its own clock; 0: not known */
        usec_t next;        /* realtime; 0: never, or not known */
        usec_t held_until;  /* monotonic; it has taken too many workers with it */
        uint64_t n_runs;    /* ticks that were begun, */
        uint64_t n_failures;
        uint64_t n_skipped; /* left out since one went on, or it was held, */
        uint64_t n_missed;  /* or since nobody was there at the time */
        bool skip_told;     /* since the last one began */
        usec_t began;       /* realtime, of the last */
        usec_t ended;       /* realtime; 0: none has */
        usec_t took;        /* of the last that ended, and so are these */
        int result;
        unsigned int how; /* enum done_how */
        char text[SCHEDULE_TEXT_SIZE];
};

/* One time that a schedule is run: a run in a worker, or one in each. */
struct schedule_tick {
        uint64_t serial;
        unsigned int schedule;
        bool queued; /* waits for the one that goes on */
        unsigned int n_left;
        unsigned int n_ok;
        unsigned int n_failed;
        usec_t began; /* monotonic */
        usec_t took;  /* the longest run */
        int result;   /* the first that was bad */
        unsigned int how;
        char text[SCHEDULE_TEXT_SIZE];
};

struct schedule_run {
        uint64_t id;
        uint64_t tick;
        unsigned int schedule;
        int worker; /* the number of the one that is to do it; -1: any */
        pid_t pid;  /* who does; 0: it waits for somebody */
        unsigned int attempt;
        unsigned int refusals;
};

struct schedules {
        struct schedule items[SCHEDULES_MAX];
        unsigned int n;
        struct schedule_tick *ticks;
        size_t n_ticks;
        struct schedule_run *runs;
        size_t n_runs;
        uint64_t last_number; /* of ticks and runs */
        usec_t hold; /* how long a schedule is held that has taken too many workers with it; 0: not */
};

enum schedule_verdict {
        SCHEDULE_BEGUN,
        SCHEDULE_QUEUED,
        SCHEDULE_SKIPPED,
        SCHEDULE_PAUSED,
        SCHEDULE_HELD,
        SCHEDULE_REPEATED, /* has been seen before */
        SCHEDULE_FULL,     /* too much goes on */
};

void schedules_deinit(struct schedules *schedules);

/* Takes over what an agent has declared. What is known of schedules of the same name stays. Ticks of those that are gone
 * end without a word. 0 or -ENOMEM. */
int schedules_update(struct schedules *schedules, const struct schedule_list *list);

/* -1 for none; any case. */
int schedules_find(const struct schedules *schedules, const char *name);

/* One is due. With SCHEDULE_BEGUN the caller adds its runs to the tick *ret_serial, or drops it. */
enum schedule_verdict schedules_tick(struct schedules *schedules, unsigned int index,
                                     const struct message_tick *tick, uint64_t generation, usec_t now,
                                     usec_t realtime, uint64_t *ret_serial);

/* Somebody wants it run now: that is neither paused nor held. */
enum schedule_verdict schedules_run(struct schedules *schedules, unsigned int index, usec_t now,
                                    usec_t realtime, uint64_t *ret_serial);

/* Adds a run. -ENOSPC, -ENOMEM. */
int schedules_add_run(struct schedules *schedules, uint64_t serial, int worker);

/* Ends a tick that has no runs, as skipped. */
void schedules_drop(struct schedules *schedules, uint64_t serial);

/* What became of a run. */
struct schedule_outcome {
        bool retried;     /* another worker gets it; otherwise it is over */
        bool given_up;    /* it has ended too many workers */
        bool vanished;    /* there was nothing to be done */
        bool tick_over;   /* it was the last one of its tick */
        uint64_t next;    /* a tick that was queued and begins; the caller adds its runs. 0: none */
        unsigned int how; /* enum done_how */
        int result;
        usec_t took;
        char text[SCHEDULE_TEXT_SIZE];
        struct schedule_run run;
        struct schedule_tick tick;
};

/* A worker says that a run has ended. Untrusted: returns false for one that it was not given. */
bool schedules_done(struct schedules *schedules, pid_t pid, const struct message_done *done, usec_t now,
                    usec_t realtime, struct schedule_outcome *ret);

/* A worker has gone: call it until it returns false. */
bool schedules_lost(struct schedules *schedules, pid_t pid, usec_t now, usec_t realtime,
                    struct schedule_outcome *ret);

/* The worker that a run waits for will not come. */
bool schedules_cancel(struct schedules *schedules, uint64_t id, usec_t now, usec_t realtime,
                      struct schedule_outcome *ret);

/* How many runs are with this worker; with anybody for 0. */
unsigned int schedules_running(const struct schedules *schedules, pid_t pid);

/* Whether a tick goes on, or is queued. */
bool schedules_has_tick(const struct schedules *schedules, uint64_t serial);

/* How many ticks of a schedule go on. */
unsigned int schedules_ticks(const struct schedules *schedules, unsigned int index);
