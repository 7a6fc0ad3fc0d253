/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

/* The trial run of a program that is to take over. See trial.c. */

/* How it ended: `reason` is NULL where the program can take over, else why not. */
typedef void (*trial_done_t)(const char *reason, void *userdata);

struct trial {
        pid_t pid; /* 0: none is under way */
        int answer_fd;
        bool expired;
        const char *program; /* not owned */
        sd_event_source *exit_source;
        sd_event_source *timer;
        trial_done_t done;
        void *userdata;
};

#define TRIAL_NULL                                                                                          \
        { .answer_fd = -1 }

/* Runs the program and gives it the handover to read. Returns 0, and calls done once, later; or a negative errno. The
 * descriptor stays the caller's, the texts must live as long as the trial. */
int trial_begin(struct trial *trial, sd_event *event, const char *program, const char *config,
                int handover_fd, trial_done_t done, void *userdata);

/* Forgets about it; harmless for TRIAL_NULL. */
void trial_end(struct trial *trial);
