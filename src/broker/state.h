/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

#include "broker/broker.h"
#include "broker/queue.h"
#include "util/list.h"

/* What the loop's side (broker.c) and the thread's (link.c) share, and nobody else sees. */

struct subscription {
        struct list node;
        unsigned int number;
        bool wanted; /* cleared by the loop; the thread then frees it */
        bool made;   /* on the present connection; the thread's business */
        char subject[];
};

struct broker {
        /* These never change while the thread runs. */
        const struct broker_driver *driver;
        const struct broker_settings *settings;
        struct broker_host host;
        int wake_fd; /* an eventfd by which the loop is woken */

        /* The loop's own. */
        struct broker_callbacks callbacks;
        sd_event_source *source;
        pthread_t thread;
        bool running; /* it was started and not joined */
        unsigned int last_subscription;

        /* The thread's own. */
        void *connection; /* what the driver has given us */
        unsigned int failures;
        unsigned int next_server;

        /* All of the rest is under the lock, which nobody holds for long. */
        pthread_mutex_t lock;
        pthread_cond_t work; /* for the thread: there is something to do */
        pthread_cond_t over; /* for the loop: the thread has ended */
        struct queue arrived;
        struct queue leaving;
        struct list subscriptions;
        struct broker_status status;
        uint64_t size_max; /* of a message, says the broker */
        bool active;
        bool stopping;
        bool ended;
        bool lost;    /* the present connection */
        bool changed; /* the status is, and the loop does not know it */
        bool woken;   /* the eventfd is readable, or about to be */
};

/* Wakes the loop. With the lock held. */
void broker_wake(struct broker *broker);

/* The thread. */
void *link_run(void *broker);

/* What a driver tells. */
extern const struct broker_host link_host;
