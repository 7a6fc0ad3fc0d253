/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/time.h"

/* The shared memory in which every process shows what it is doing: one slot each, written by its owner only.
 * See scoreboard.c. */

#define SCOREBOARD_VERSION    2U
#define SCOREBOARD_MASTER     0U /* the slot of the master */
#define SCOREBOARD_ROUTE_SIZE 64U
#define CRASH_FRAMES_MAX      64U
#define CRASH_REQUEST_SIZE    192U
#define SLOT_MAPS_MAX         64U

enum slot_state {
        SLOT_EMPTY,
        SLOT_STARTING,
        SLOT_READY,
        SLOT_DRAINING,
        SLOT_STOPPING,
        _SLOT_STATE_MAX,
};

/* What the crash handler leaves behind. `stage` is written last of each step, so that a reader sees how far
 * it came. Strings are cut to fit and always ended. */
enum crash_stage {
        CRASH_NONE,
        CRASH_RECORDED,  /* signal, code, address and what was served are valid */
        CRASH_UNWOUND,   /* so are the frames */
        CRASH_DRAINING,  /* the handler has jumped to the guard */
        CRASH_ABANDONED, /* the process will die by the default action now */
        _CRASH_STAGE_MAX,
};

struct crash_record {
        uint32_t stage;
        int32_t signal;
        int32_t code;
        uint32_t n_frames;
        uint64_t address;
        uint64_t when; /* monotonic */
        int32_t thread;
        uint32_t guarded;
        int32_t second_signal; /* of a fault while draining, else 0 */
        int32_t core_pid;      /* the child that dumps core, 0 for none */
        uint32_t count;        /* how many faults this process has had */
        char route[SCOREBOARD_ROUTE_SIZE];
        char target[256];
        uint64_t request_id;              /* for the quarantine; 0: no request was being served */
        uint64_t route_id;                /* likewise */
        char request[CRASH_REQUEST_SIZE]; /* its method and path, "GET /items/7" */
        uint64_t frames[CRASH_FRAMES_MAX];
};

/* Where a file is mapped executable, so that an address can be said as FILE+OFFSET after the process is
 * gone. */
struct slot_map {
        uint64_t start;
        uint64_t end;
        uint64_t base;
        char name[40];
};

enum slot_broker_state {
        SLOT_BROKER_NONE, /* is configured */
        SLOT_BROKER_CONNECTING,
        SLOT_BROKER_CONNECTED,
        SLOT_BROKER_RECONNECTING,
        _SLOT_BROKER_STATE_MAX,
};

/* The agent's connection to a message broker. */
struct slot_broker {
        uint32_t state;
        uint64_t since;       /* monotonic */
        uint64_t connections; /* made so far */
        uint64_t received;    /* messages that the application was given */
        uint64_t published;
        uint64_t dropped;
        char server[96];
        char reason[160]; /* why there is no connection */
};

struct slot {
        _Alignas(64) uint32_t version;
        uint32_t state;
        int32_t pid;
        int32_t number;         /* of the worker, -1 for the agent */
        uint32_t slots_end;     /* the master's: slots from here on are not in use */
        _Atomic uint32_t folds; /* the master's; this and the next two: see counters.c */
        _Atomic uint32_t folded;
        _Atomic uint32_t n_counters;
        uint64_t generation;
        uint64_t heartbeat; /* monotonic */
        uint64_t started;   /* monotonic */

        _Alignas(64) uint64_t requests; /* answered */
        uint64_t errors;                /* of them, with a status from 500 */
        uint64_t accepted;              /* connections */
        uint32_t connections;           /* open now */
        uint32_t in_flight;             /* requests begun and not answered now */
        uint64_t quarantined;           /* requests refused since they are in quarantine */
        uint64_t jobs_begun;            /* by a compute process */
        uint64_t busy;                  /* time spent outside epoll_wait, turns that are over */
        uint64_t busy_since;            /* monotonic; when the turn began, 0: it waits */
        _Alignas(64) char route[SCOREBOARD_ROUTE_SIZE]; /* "GET /items/{id}" being served, "" between */

        _Alignas(64) struct crash_record crash;
        uint32_t n_maps;
        struct slot_map maps[SLOT_MAPS_MAX];

        _Alignas(64) struct slot_broker broker;
};

struct counter;
struct quarantine_page;

struct scoreboard {
        int fd;
        size_t n_slots;
        size_t stride;         /* whole pages */
        unsigned char *memory; /* all slots, read-only in a child */
        struct slot *own;      /* a child's own, writable */
};

#define SCOREBOARD_NULL                                                                                     \
        { .fd = -1 }

/* The master's side: makes the memfd and maps it. The master writes a slot only to clear it. */
int scoreboard_create(struct scoreboard *scoreboard, size_t n_slots);

/* The same for one that another master has made: takes over fd, also when it fails. -EBADMSG for what is none. */
int scoreboard_adopt(struct scoreboard *scoreboard, int fd);

/* How far slots lie apart. */
size_t scoreboard_stride(void);

/* A child's side: maps the whole read-only and slot `own` writable, and closes fd in any case, so that no writable way to
 * the other slots is left. */
int scoreboard_attach(struct scoreboard *scoreboard, int fd, size_t own);

/* Unmaps and closes; harmless for SCOREBOARD_NULL. */
void scoreboard_deinit(struct scoreboard *scoreboard);

/* The slot as it stands in shared memory, NULL past the end. Its owner may be writing: load what counts
 * once. */
struct slot *scoreboard_slot(const struct scoreboard *scoreboard, size_t index);

/* The table of counters behind a slot, NULL past the end; and that behind a child's own, writable. */
struct counter *scoreboard_counters(const struct scoreboard *scoreboard, size_t index);
struct counter *scoreboard_own_counters(const struct scoreboard *scoreboard);

/* The two tables of what those have counted that have gone. */
struct counter *scoreboard_kept_counters(const struct scoreboard *scoreboard, unsigned int which);

/* What the master publishes behind the slots: read-only in a child. */
struct quarantine_page *scoreboard_quarantine(const struct scoreboard *scoreboard);

/* Copies a slot and makes the copy safe to use whatever its owner wrote: strings ended and printable, counts
 * and enumerations in range, `version` checked (-EBADMSG where it does not fit). */
int scoreboard_read(const struct scoreboard *scoreboard, size_t index, struct slot *ret);

/* Empties a slot before it is given to a new process. */
void scoreboard_clear(struct scoreboard *scoreboard, size_t index);

/* Writes down where this process's files are mapped. Call it when all libraries are loaded. */
void slot_record_maps(struct slot *slot);

/* Says an address as "hello.so+0x1234", or as "0x…" where no map holds it. Returns buffer. */
char *slot_format_address(const struct slot *slot, uint64_t address, char *buffer, size_t size);

/* Says the same way where in the application a crash happened: the innermost frame that is not in the C library, "" when
 * there is none that a map holds. Returns buffer. */
char *slot_format_place(const struct slot *slot, char *buffer, size_t size);

/* All frames of the crash record the same way, innermost first, with spaces between. Returns buffer. */
char *slot_format_backtrace(const struct slot *slot, char *buffer, size_t size);
