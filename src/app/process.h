/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <muster/app.h>

#include "app/guard.h"
#include "config/config.h"
#include "ipc/scoreboard.h"
#include "util/list.h"

struct channel;
struct counters;
struct messenger;
struct offload;
struct store;
struct timetable;

/* The process an application runs in, as the application's calls see it. The worker or the agent makes one.
 */
struct muster {
        enum muster_role role;
        int number;
        char *instance;
        const struct config *config;                  /* not owned */
        const struct muster_application *application; /* not owned */
        const struct scoreboard *scoreboard;          /* not owned; NULL without a master */
        struct slot *slot;                            /* not owned; never NULL */
        const struct quarantine_page *quarantine;     /* not owned; NULL without a master */
        struct messenger *messenger;                  /* NULL until it is needed */
        struct channel *channel;                      /* not owned; NULL without a master */
        sd_event *event;                              /* owned reference */
        bool event_changed;                           /* a source was added or armed since the last turn */
        struct list timers;
        struct list children;  /* of the application */
        int config_fd;         /* a sealed copy for those that are forked, -1: not made yet; owned */
        struct forked *forked; /* in one that was forked; owned by its program */
        int detached_fd;       /* by which a detached one enters its cgroup, -1: none; owned */
        struct list watches;
        struct list jobs;                  /* runs of schedules that are not finished */
        struct timetable *timetable;       /* the agent's, owned */
        struct list subscriptions;         /* to messages of a broker */
        const struct broker_calls *broker; /* NULL without one */
        void *broker_owner;
        muster_broker_state_handler_t broker_handler;
        void *broker_handler_data;
        void *data;
        struct counters *counters; /* NULL: none is used */
        struct store *store;       /* likewise */
        struct offload *offload;   /* likewise */
        char *failure;             /* the reason said by muster_fail(), owned */

        /* Told after a callback of the application has faulted. In a worker it starts the drain. */
        void (*on_fault)(struct muster *muster, const struct guard_context *context, int signal);
        void *owner; /* of on_fault */
};

/* A fresh one. The slot may be NULL: then a private one is used. Returns 0 or a negative errno. */
int muster_process_new(struct muster **ret, enum muster_role role, const char *instance, int number,
                       const struct config *config, struct slot *slot);
struct muster *muster_process_free(struct muster *muster);
DEFINE_CLEANUP(struct muster *, muster_process_free);

/* Runs an application's callback under the guard and reports a fault to on_fault.
 * Returns 0 or the signal that ended it. */
int muster_process_run(struct muster *muster, const struct guard_context *context, guard_function_t function,
                       void *argument);

/* Ends every timer; part of muster_process_free(). */
void muster_timers_free(struct muster *muster);

/* Ends every watch; part of muster_process_free(). */
void muster_watches_free(struct muster *muster);

/* Forgets every subscription; likewise. */
void muster_subscriptions_free(struct muster *muster);
