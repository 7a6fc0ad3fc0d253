/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "app/module.h"
#include "app/process.h"
#include "ipc/channel.h"
#include "ipc/heritage.h"

/* What worker, agent and compute process have in common: how a child of the master begins, beats and ends. See child.c. */

struct child;

struct child_callbacks {
        /* The sandbox is entered; set up what the application's start function may use. Returns 0 or an error. May be
         * NULL. */
        int (*prepare)(struct child *child, void *userdata);
        /* The start function has succeeded; open for business, before READY is sent. Returns 0 or an error.
         */
        int (*open)(struct child *child, void *userdata);
        /* Everything has started; the application is told next. May be NULL. */
        void (*ready)(struct child *child, void *userdata);
        /* Finish what was accepted, and then end the loop. */
        void (*leave)(struct child *child, void *userdata);
        /* The master has a job to be done; the descriptor is the callee's. Only a compute process has this. */
        void (*job)(struct child *child, const struct message *message, int fd, void *userdata);
        /* A MESSAGE_RESULT of it cannot be sent. Likewise. */
        void (*lost)(struct muster *muster, const struct message *message);
        void *userdata;
};

/* Reads the heritage and the configuration (from the heritage, or from --config FILE when there is no
 * master), sets up the log, the signals and the guard. Logs its errors itself.
 * Returns 0, or a negative errno. */
int child_new(struct child **ret, enum muster_role role, int argc, char **argv);
struct child *child_free(struct child *child);
DEFINE_CLEANUP(struct child *, child_free);

/* Loads the module, calls its start function under the guard, then `open`, then tells the master. When it
 * fails the reason is logged and sent. */
int child_start(struct child *child, const struct child_callbacks *callbacks);

struct muster *child_muster(const struct child *child);
struct heritage *child_heritage(struct child *child);
const struct config *child_config(const struct child *child);
const struct muster_application *child_application(const struct child *child);

/* Whether there is a master, which reports crashes; without one the process runs alone, for debugging. */
bool child_has_master(const struct child *child);

/* Whether the process is to finish: the master said so, it died, a signal came or a callback faulted. */
bool child_is_leaving(const struct child *child);

/* Begins to leave, once. `announce` tells the master that this was not its idea. */
void child_leave(struct child *child, bool announce);

/* Calls the application's stop function, where it is owed one, and sets the exit status. */
int child_finish(struct child *child);
