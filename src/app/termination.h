/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <systemd/sd-event.h>

/* The signals that tell a process to end. See termination.c. */

struct termination {
        sd_event_source *source;
        int fd; /* an eventfd that the handler of SIGTERM writes to */
};

#define TERMINATION_NULL                                                                                    \
        { .fd = -1 }

/* Sets the handlers; `leave` is called on the loop. */
int termination_watch(struct termination *termination, sd_event *event, bool has_master,
                      void (*leave)(void *userdata), void *userdata);
void termination_deinit(struct termination *termination);

/* What SIGTERM does: both when told to leave and when a hang is over whose place another has taken. Async-signal-safe. */
void termination_begin(void);
