/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "master/state-file.h"

/* What outlives the master, and systemd keeps for the next one. See state.c. */

#define STATE_FD_NAME "muster-state"

struct state {
        int fd; /* -1: nothing is kept */
        void *memory;
        unsigned char *content; /* room for what is going to be written */
        struct state_totals totals;
        char since[32];         /* totals.since for people */
        uint64_t requests_seen; /* of those that this master has counted, what is in the totals already */
        void *quarantine;
        size_t quarantine_size;
};

#define STATE_NULL                                                                                          \
        { .fd = -1 }

/* Goes on with the state in a descriptor (owned from here on), or begins anew for -1 or for what is not good, and hands
 * that to systemd. Logs what it does. Where nothing can be kept, the totals are those of this master. */
void state_open(struct state *state, int fd);
void state_deinit(struct state *state);

/* The master has begun; a process was restarted; one has crashed; so many requests have been answered under this master
 * in all. */
void state_started(struct state *state);
void state_restarted(struct state *state);
void state_crashed(struct state *state);
void state_served(struct state *state, uint64_t requests);

/* For a master that goes on with the processes of another: these requests are in the totals already. */
void state_resume(struct state *state, uint64_t requests);

/* What the quarantine has to keep, whatever that is. Read it in state->quarantine after state_open(). */
void state_keep_quarantine(struct state *state, const void *bytes, size_t size);
