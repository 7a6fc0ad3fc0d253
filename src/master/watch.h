/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "util/time.h"

/* Whether processes are alive, and whether systemd may be told so. Pure decisions over given times; see watch.c. */

/* What is heard of one process. */
struct pulse {
        uint64_t heartbeat; /* as its slot said last; only ever compared */
        usec_t silent;      /* for how long there has been no other */
        usec_t hung;        /* how long it was silent when it was found to hang; 0: it is not hanging */
};

enum pulse_verdict {
        PULSE_GOOD,
        PULSE_HANGS, /* it has just been found to: it is to be interrupted */
        PULSE_DEAF,  /* that did not help */
        PULSE_BACK,  /* it did */
};

/* From here on it should beat. */
void pulse_begin(struct pulse *pulse, uint64_t heartbeat);

/* A look at the heartbeat at `now`, `span` after the one before: see watch_look(). */
enum pulse_verdict pulse_listen(struct pulse *pulse, uint64_t heartbeat, usec_t now, usec_t span,
                                usec_t hang_timeout, usec_t kill_timeout);

/* What one look at all processes has found. */
struct watch_census {
        bool serving;      /* neither starting nor stopping */
        usec_t agent_hung; /* how long the agent has been silent, 0: it does not hang, or there is none */
        unsigned int n_workers; /* that there should be */
        unsigned int n_ready;   /* of those that there are: ready, and not hanging */
        unsigned int quorum;
        usec_t hang_timeout; /* the shortest of all processes, USEC_NEVER for none */
};

struct watch {
        usec_t timeout;   /* systemd acts when it has heard nothing for so long; 0: it does not watch */
        usec_t period;    /* from look to look; 0 or USEC_NEVER: none is needed */
        usec_t looked;    /* when the last look was; 0: there was none */
        usec_t due;       /* when systemd wants to hear from us next */
        char reason[128]; /* why it hears nothing though it should; empty: it does */
};

enum watch_decision {
        WATCH_NOTHING,  /* no ping is due, or nothing has changed for the one that is withheld */
        WATCH_PING,     /* WATCHDOG=1 */
        WATCH_WITHHOLD, /* a ping is due and must not be sent: this is new */
};

/* A look begins. Returns how much of the time since the last one counts as silence for those that were silent. */
usec_t watch_look(struct watch *watch, usec_t now);

/* A look ends. The reason is set and cleared here. */
enum watch_decision watch_decide(struct watch *watch, const struct watch_census *census, usec_t now);

/* When to look again; USEC_NEVER when there is nothing to wait for. */
usec_t watch_next(const struct watch *watch, usec_t now);

/* Why systemd's watchdog is not fed, NULL when it is (or when there is none). */
const char *watch_withheld(const struct watch *watch);
