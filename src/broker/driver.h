/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/broker-url.h"
#include "util/time.h"

/*
 * What a driver is: the part that speaks the protocol of one broker, by that broker's own library. It is a shared object,
 * broker-NAME.so beside the programs, that defines one `muster_broker_driver`, so that only who needs the library
 * has it installed. It includes nothing of muster that would have to be linked.
 */

#define BROKER_DRIVER_VERSION 1U
#define BROKER_DRIVER_SYMBOL  "muster_broker_driver"

struct broker_settings {
        const struct config_broker_url *servers;
        size_t n_servers;
        const char *client;      /* who we are, for the broker's own listings */
        const char *credentials; /* paths of files, "" for none */
        const char *tls_ca;
        const char *tls_certificate;
        const char *tls_key;
        uint64_t queue; /* bytes, each way */
};

/* Whom a driver tells, on any thread. None of them waits. */
struct broker_host {
        void *userdata;
        void (*message)(void *userdata, unsigned int subscription, const char *subject, const void *data,
                        size_t size);
        void (*lost)(void *userdata, const char *reason);  /* the connection; once for each */
        void (*problem)(void *userdata, const char *text); /* what the broker refuses, for the log */
        void (*dropped)(void *userdata, uint64_t count);   /* by the library; never arrived here */
};

/* All calls but check_subject() come from one thread, which is the driver's alone: they may wait, but none longer than a few
 * seconds. They return 0 or a negative errno. */
struct broker_driver {
        unsigned int version;

        /* -EINVAL for what is no subject, or no pattern to subscribe to. On any thread. */
        int (*check_subject)(const char *subject, bool pattern);

        /* `host` and `settings` stay until close(), after which no thread calls the host any more. */
        int (*open)(void **ret, const struct broker_settings *settings, const struct broker_host *host);
        void (*close)(void *driver);

        /* One attempt; the reason of a failure is written to the buffer. disconnect() ends what connect() has begun, also
         * when it was lost. */
        int (*connect)(void *driver, const struct config_broker_url *server, char *reason, size_t size);
        void (*disconnect)(void *driver);

        /* While there is a connection, or shortly after. -EMSGSIZE for what this broker does not take; after any other
         * error the connection is given up. */
        int (*subscribe)(void *driver, unsigned int subscription, const char *subject);
        int (*unsubscribe)(void *driver, unsigned int subscription);
        int (*publish)(void *driver, const char *subject, const void *data, size_t size);
        uint64_t (*size_max)(void *driver);

        /* Waits until the broker has all that was sent to it, subscriptions too. */
        int (*flush)(void *driver, usec_t timeout);
};
