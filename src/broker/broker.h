/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "broker/driver.h"
#include "util/macro.h"

/* The connection to a message broker, on our loop. See broker.c. */

struct broker;

enum broker_state {
        BROKER_CONNECTING, /* there was none yet */
        BROKER_CONNECTED,
        BROKER_RECONNECTING, /* it was lost */
};

struct broker_status {
        enum broker_state state;
        usec_t since;  /* monotonic */
        usec_t outage; /* how long there was none before this one */
        char server
                [CONFIG_BROKER_NAME_MAX]; /* that we are, or were last, connected to or tried, without password */
        char reason[256];                 /* why there is none, "" for unknown */
        uint64_t connections;             /* made so far */
        uint64_t dropped;                 /* messages that arrived and did not fit into the queue */
        uint64_t problems;                /* so far, */
        char problem[256];                /* and the last one */
};

struct broker_callbacks {
        /* A message. Not called for a subscription after broker_unsubscribe(). */
        void (*message)(void *userdata, unsigned int subscription, const char *subject, const void *data,
                        size_t size);
        /* The status is another. */
        void (*changed)(void *userdata, const struct broker_status *status);
        void *userdata;
};

/* Starts connecting, on a thread of its own. Driver and settings must outlive the broker. */
int broker_new(struct broker **ret, sd_event *event, const struct broker_driver *driver,
               const struct broker_settings *settings, const struct broker_callbacks *callbacks);

/* Ends the thread, when it has sent what waits. Returns 0, or -ETIMEDOUT where it does not end in time: it is somewhere in the
 * driver, the broker cannot be freed, and the process had better end by _exit(). */
int broker_stop(struct broker *broker, usec_t timeout);

/* After broker_stop(), which may have failed: then nothing happens. Takes NULL, returns NULL. */
struct broker *broker_free(struct broker *broker);
DEFINE_CLEANUP(struct broker *, broker_free);

/* Messages are wanted from now on, or no longer: subscriptions are made, or ended. */
void broker_activate(struct broker *broker, bool active);

/* Delivers what has arrived, now and for no longer than `span`. */
void broker_deliver(struct broker *broker, usec_t span);

/* Subscribes as soon as there is a connection, and whenever there is another. 0, -EINVAL for what is no subject, -ENOMEM. */
int broker_subscribe(struct broker *broker, const char *subject, unsigned int *ret_subscription);
void broker_unsubscribe(struct broker *broker, unsigned int subscription);

/* 0 when it will be sent. -EINVAL for what is no subject, -EAGAIN while there is no connection, -ENOBUFS when too much waits
 * already, -EMSGSIZE for more than this broker takes, -ENOMEM. */
int broker_publish(struct broker *broker, const char *subject, const void *data, size_t size);

void broker_get_status(struct broker *broker, struct broker_status *ret);
