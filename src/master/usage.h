/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/scoreboard.h"
#include "util/time.h"

/* What a process has done and takes, measured once a second. See usage.c. */

struct usage {
        usec_t when;           /* of the last look, 0: never */
        uint64_t requests;     /* answered */
        uint64_t accepted;     /* connections, ever */
        unsigned int business; /* permille of the time between the last two looks */
        bool active; /* requests or connections came between them, or requests are being answered */
        unsigned int connections;
        unsigned int in_flight; /* requests */
        uint64_t rss;           /* resident memory in bytes, 0: not known */
        uint64_t rss_first;     /* when it got ready */
        usec_t busy;            /* in all, as the process says */
};

/* Takes in what a slot says at `now`; it is believed only within bounds. `started` is when the process was. */
void usage_update(struct usage *usage, const struct slot *slot, usec_t started, usec_t now);

/* Takes in how much memory the process has, as the kernel says. */
void usage_update_rss(struct usage *usage, pid_t pid);
