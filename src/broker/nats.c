/* SPDX-License-Identifier: MIT */

/*
 * The driver for NATS, by libnats: a plugin.
 *
 * Each attempt to connect is a connection of its own to one server with options made afresh, so that a password or
 * certificate that has been changed is read, and that the name a certificate must have is that server's. The
 * library is told not to reconnect; see link.c.
 *
 * Its threads: one reads and one writes for the connection, one delivers for all subscriptions, so that their messages
 * stay in order, and one tells of a connection that is closed. They outlive what they tell of for a moment. So
 * disconnect() waits until the library has said that the connection and every subscription is over: afterwards no
 * thread looks at anything of it. Both are only ever waiting for the lock of the host, which is short.
 *
 * libnats 3.4 does the TLS handshake on a blocking socket: a server that falls silent in the middle of it is waited
 * for until the kernel gives up.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <nats/nats.h>

#include "broker/driver.h"
#include "broker/nats.h"
#include "broker/reach.h"
#include "util/list.h"

#define CLOSE_TIMEOUT_MSEC 1000

/* It is freed when neither we nor the library need it any more, whoever is last. */
struct subscription {
        struct list node;
        struct nats *nats;
        unsigned int number;
        natsSubscription *handle;
        int64_t dropped; /* by the library, that was told */
        bool complete;   /* the library has delivered its last message */
        bool released;   /* by us */
};

struct nats {
        const struct broker_settings *settings;
        const struct broker_host *host;
        natsConnection *connection;
        struct list
                subscriptions; /* that were not released; changed by the thread only, and with the lock */
        struct list lost;      /* of which the library will not tell when it is over */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned int n_delivering; /* subscriptions of which messages may come */
        bool closed;               /* the connection, says the library */
        bool closing;              /* by us */
};

static int nats_errno(natsStatus status) {
        switch (status) {
        case NATS_OK:
                return 0;
        case NATS_MAX_PAYLOAD:
                return -EMSGSIZE;
        case NATS_NO_MEMORY:
                return -ENOMEM;
        case NATS_TIMEOUT:
                return -ETIMEDOUT;
        case NATS_NOT_PERMITTED:
        case NATS_CONNECTION_AUTH_FAILED:
                return -EACCES;
        default:
                return -EPIPE;
        }
}

/* ---- Callbacks, on threads of the library ---- */

static void on_message(natsConnection *connection, natsSubscription *handle, natsMsg *message,
                       void *userdata) {
        const struct subscription *subscription = userdata;
        const struct broker_host *host = subscription->nats->host;

        host->message(host->userdata, subscription->number, natsMsg_GetSubject(message),
                      natsMsg_GetData(message), (size_t) natsMsg_GetDataLength(message));
        natsMsg_Destroy(message);
}

static void on_complete(void *userdata) {
        struct subscription *subscription = userdata;
        struct nats *nats = subscription->nats;
        bool last;

        (void) pthread_mutex_lock(&nats->lock);
        subscription->complete = true;
        last = subscription->released;
        nats->n_delivering--;
        (void) pthread_cond_signal(&nats->changed);
        (void) pthread_mutex_unlock(&nats->lock);
        if (last)
                free(subscription);
}

static void on_closed(natsConnection *connection, void *userdata) {
        struct nats *nats = userdata;
        const char *text = NULL;
        bool lost;

        (void) pthread_mutex_lock(&nats->lock);
        lost = !nats->closing;
        (void) pthread_mutex_unlock(&nats->lock);
        if (lost) {
                natsStatus status = natsConnection_GetLastError(connection, &text);

                nats->host->lost(nats->host->userdata,
                                 text && *text ? text
                                               : natsStatus_GetText(status ?: NATS_CONNECTION_CLOSED));
        }
        (void) pthread_mutex_lock(&nats->lock);
        nats->closed = true;
        (void) pthread_cond_signal(&nats->changed);
        (void) pthread_mutex_unlock(&nats->lock);
}

/* How many messages of a subscription the library has dropped since this was last asked. */
static uint64_t count_dropped(struct nats *nats, natsSubscription *handle) {
        uint64_t count = 0;
        int64_t dropped = 0;

        if (natsSubscription_GetDropped(handle, &dropped) != NATS_OK)
                return 0;
        (void) pthread_mutex_lock(&nats->lock);
        LIST_FOREACH(node, &nats->subscriptions) {
                struct subscription *subscription = container_of(node, struct subscription, node);

                if (subscription->handle != handle || dropped <= subscription->dropped)
                        continue;
                count = (uint64_t) (dropped - subscription->dropped);
                subscription->dropped = dropped;
        }
        (void) pthread_mutex_unlock(&nats->lock);
        return count;
}

static void on_error(natsConnection *connection, natsSubscription *handle, natsStatus status,
                     void *userdata) {
        struct nats *nats = userdata;
        const struct broker_host *host = nats->host;
        const char *text = NULL;

        if (status == NATS_SLOW_CONSUMER && handle) {
                host->dropped(host->userdata, count_dropped(nats, handle));
                return;
        }
        (void) natsConnection_GetLastError(connection, &text);
        host->problem(host->userdata, text && *text ? text : natsStatus_GetText(status));
}

/* ---- The connection ---- */

static int nats_driver_open(void **ret, const struct broker_settings *settings,
                            const struct broker_host *host) {
        struct nats *nats;

        if (nats_Open(-1) != NATS_OK)
                return -ENOMEM;
        nats = calloc(1, sizeof(*nats));
        if (!nats)
                return -ENOMEM;
        *nats = (struct nats){ .settings = settings, .host = host };
        list_init(&nats->subscriptions);
        list_init(&nats->lost);
        (void) pthread_mutex_init(&nats->lock, NULL);
        (void) pthread_cond_init(&nats->changed, NULL);
        *ret = nats;
        return 0;
}

static void nats_driver_close(void *driver) {
        struct nats *nats = driver;

        nats_ReleaseThreadMemory();
        (void) nats_CloseAndWait(CLOSE_TIMEOUT_MSEC);
        LIST_FOREACH_SAFE(node, &nats->lost)
                free(container_of(node, struct subscription, node));
        (void) pthread_cond_destroy(&nats->changed);
        (void) pthread_mutex_destroy(&nats->lock);
        free(nats);
}

static natsStatus set_callbacks(natsOptions *options, struct nats *nats) {
        natsStatus status;

        status = natsOptions_SetClosedCB(options, on_closed, nats);
        return status ?: natsOptions_SetErrorHandler(options, on_error, nats);
}

static int nats_driver_connect(void *driver, const struct config_broker_url *server, char *reason,
                               size_t size) {
        struct nats *nats = driver;
        natsOptions *options = NULL;
        natsStatus status;
        const char *text;

        nats->closed = nats->closing = false;
        status = nats_options_new(&options, nats->settings, server, reason, size);
        status = status ?: set_callbacks(options, nats);
        status = status ?: natsConnection_Connect(&nats->connection, options);
        natsOptions_Destroy(options);
        if (status == NATS_OK)
                return 0;
        if (status == NATS_NO_SERVER && !*reason)
                (void) broker_reach(server->host, server->port, reason, size);
        text = nats_GetLastError(NULL);
        if (!*reason)
                (void) snprintf(reason, size, "%s", text && *text ? text : natsStatus_GetText(status));
        return nats_errno(status);
}

static void end_subscription(struct nats *nats, struct subscription *subscription) {
        natsSubscription *handle = subscription->handle;
        uint64_t dropped = count_dropped(nats, handle);
        bool last;

        if (dropped > 0)
                nats->host->dropped(nats->host->userdata, dropped);
        (void) natsSubscription_Unsubscribe(handle);
        (void) pthread_mutex_lock(&nats->lock);
        list_remove(&subscription->node);
        subscription->released = true;
        last = subscription->complete;
        (void) pthread_mutex_unlock(&nats->lock);
        natsSubscription_Destroy(handle);
        if (last)
                free(subscription);
}

static void nats_driver_disconnect(void *driver) {
        struct nats *nats = driver;

        (void) pthread_mutex_lock(&nats->lock);
        nats->closing = true;
        (void) pthread_mutex_unlock(&nats->lock);

        natsConnection_Close(nats->connection);
        LIST_FOREACH_SAFE(node, &nats->subscriptions)
                end_subscription(nats, container_of(node, struct subscription, node));

        (void) pthread_mutex_lock(&nats->lock);
        while (!nats->closed || nats->n_delivering > 0)
                (void) pthread_cond_wait(&nats->changed, &nats->lock);
        (void) pthread_mutex_unlock(&nats->lock);
        natsConnection_Destroy(nats->connection);
        nats->connection = NULL;
}

/* ---- Messages ---- */

/* A connection that is lost just now: a message may still be on its way. */
static void give_up(struct nats *nats, struct subscription *subscription) {
        (void) pthread_mutex_lock(&nats->lock);
        list_remove(&subscription->node);
        list_append(&nats->lost, &subscription->node);
        nats->n_delivering--;
        (void) pthread_mutex_unlock(&nats->lock);
        natsSubscription_Destroy(subscription->handle);
}

static int nats_driver_subscribe(void *driver, unsigned int number, const char *subject) {
        struct nats *nats = driver;
        struct subscription *subscription;
        natsStatus status;

        subscription = calloc(1, sizeof(*subscription));
        if (!subscription)
                return -ENOMEM;
        *subscription = (struct subscription){ .nats = nats, .number = number };
        status = natsConnection_Subscribe(&subscription->handle, nats->connection, subject, on_message,
                                          subscription);
        if (status != NATS_OK) {
                free(subscription);
                return nats_errno(status);
        }
        (void) pthread_mutex_lock(&nats->lock);
        nats->n_delivering++;
        list_append(&nats->subscriptions, &subscription->node);
        (void) pthread_mutex_unlock(&nats->lock);
        status = natsSubscription_SetOnCompleteCB(subscription->handle, on_complete, subscription);
        if (status != NATS_OK)
                give_up(nats, subscription);
        return nats_errno(status);
}

static int nats_driver_unsubscribe(void *driver, unsigned int number) {
        struct nats *nats = driver;

        LIST_FOREACH_SAFE(node, &nats->subscriptions) {
                struct subscription *subscription = container_of(node, struct subscription, node);

                if (subscription->number == number)
                        end_subscription(nats, subscription);
        }
        return 0;
}

static int nats_driver_publish(void *driver, const char *subject, const void *data, size_t size) {
        const struct nats *nats = driver;

        if (size > INT32_MAX)
                return -EMSGSIZE;
        return nats_errno(natsConnection_Publish(nats->connection, subject, data, (int) size));
}

static uint64_t nats_driver_size_max(void *driver) {
        const struct nats *nats = driver;
        int64_t size = natsConnection_GetMaxPayload(nats->connection);

        return size > 0 ? (uint64_t) size : INT32_MAX;
}

static int nats_driver_flush(void *driver, usec_t timeout) {
        const struct nats *nats = driver;

        return nats_errno(
                natsConnection_FlushTimeout(nats->connection, (int64_t) (timeout / USEC_PER_MSEC)));
}

extern const struct broker_driver muster_broker_driver;

__attribute__((__visibility__("default"))) const struct broker_driver muster_broker_driver = {
        .version = BROKER_DRIVER_VERSION,
        .check_subject = nats_check_subject,
        .open = nats_driver_open,
        .close = nats_driver_close,
        .connect = nats_driver_connect,
        .disconnect = nats_driver_disconnect,
        .subscribe = nats_driver_subscribe,
        .unsubscribe = nats_driver_unsubscribe,
        .publish = nats_driver_publish,
        .size_max = nats_driver_size_max,
        .flush = nats_driver_flush,
};
