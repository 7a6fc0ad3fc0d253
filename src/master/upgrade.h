/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <systemd/sd-event.h>

#include "master/trial.h"

/* The upgrade in place. See upgrade.c. */

struct service;

/* What a program says that can take over. */
#define UPGRADE_ANSWER "can take over: muster "

enum upgrade_state {
        UPGRADE_NONE,
        UPGRADE_WAITING, /* for the start or a reload to end */
        UPGRADE_TRIAL,   /* the new program is asked whether it can take over */
        UPGRADE_EXEC,    /* it can, and will as soon as no signal is left to handle */
        UPGRADE_ROLLING, /* it has; the processes are being replaced */
};

struct upgrade {
        enum upgrade_state state;
        uint64_t n;      /* how many were begun; the last one's result: */
        bool taken_over; /* the program was replaced … */
        char *failure;   /* … and why not all is well, or NULL */
        char *from;      /* the version before */

        struct trial trial;
        struct stat tried; /* the file, as it was then */
        sd_event_source *exec_source;
        usec_t exec_until; /* it does not wait longer for messages to leave */
};

#define UPGRADE_NULL                                                                                        \
        { .trial = TRIAL_NULL }

void upgrade_deinit(struct upgrade *upgrade);

/* Has the master become the program that is installed now, and then all processes too. It waits for a start or
 * a reload to end. Returns 0 when it goes on by itself, -ESHUTDOWN, -EBUSY or another negative errno when it
 * does not, with *ret_reason (the caller frees it). How it ends is in service->upgrade. */
int upgrade_begin(struct service *service, char **ret_reason);

/* Whether a reload has to wait for it. */
bool upgrade_is_near(const struct service *service);

/* A start or a reload has ended, `failure` says why not well: goes on with an upgrade that waits for it or is
 * made of it. */
void upgrade_proceed(struct service *service, const char *failure);

/* takeover.c, the new program's part: answers on standard output whether it could take over. Returns 0 or a negative
 * errno. */
int takeover_check(int fd);

/* Sets the service up from the handover in fd, which it takes over. Logs what fails. */
int takeover_restore(struct service *service, int fd);

/* When all of the service is set up: has the processes replaced. */
void takeover_continue(struct service *service);
