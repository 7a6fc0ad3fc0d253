/* SPDX-License-Identifier: MIT */

/*
 * The agent's connection to a message broker.
 *
 * The agent connects when it starts and subscribes when it is in charge: once everything has started, and at a reload not
 * before the new generation takes over. So the one in standby is connected already but hears nothing, and the moment in
 * which a message could reach both agents, or neither, is that of two datagrams. Brokers like NATS keep nothing for who
 * is not there: an application that must not miss anything asks for the whole when it becomes ready and when the
 * connection is back.
 *
 * What the connection is like is told in the log, a line when it is lost and one when it is back, not one for each
 * attempt; and in the agent's slot, from where musterctl shows it. What a broker refuses and what is dropped may come
 * in floods, so it is counted and said once in a while.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/broker.h"
#include "app/broker.h"
#include "app/plugin.h"
#include "broker/broker.h"
#include "util/log.h"
#include "util/log-id.h"
#include "util/text.h"

#define DRAIN_SPAN   USEC_PER_SEC
#define STOP_TIMEOUT (2 * USEC_PER_SEC)    /* while there is something to be sent; */
#define STOP_QUICKLY (200 * USEC_PER_MSEC) /* while there is no connection */
#define REASONS_MAX  4U
#define LASTING      (3 * USEC_PER_SEC) /* an outage that is no mere restart */
#define SAY_AGAIN    (10 * USEC_PER_SEC)
#define EXACT        (100 * USEC_PER_MSEC) /* what a person wants to read */

/* Something that is counted, and said now and then. */
struct tally {
        uint64_t count;
        uint64_t said;
        usec_t said_at;
};

struct agent_broker {
        struct muster *muster;
        struct config_broker_url servers[CONFIG_BROKERS_MAX];
        struct broker_settings settings;
        struct broker *broker;
        sd_event_source *timer; /* to say what was counted meanwhile */
        struct broker_status told;
        unsigned int reasons_said; /* of this outage, */
        char reason_said[256];     /* and the last of them */
        struct tally dropped;
        struct tally problems;
};

/* ---- What is said ---- */

static void log_status(const struct broker_status *status, int level, const char *id, const char *text) {
        char server[CONFIG_BROKER_NAME_MAX + 16], reason[sizeof(status->reason) + 16];
        const char *const fields[] = { server, *status->reason ? reason : id, *status->reason ? id : NULL,
                                       NULL };

        (void) snprintf(server, sizeof(server), "MUSTER_BROKER=%s", status->server);
        (void) snprintf(reason, sizeof(reason), "MUSTER_REASON=%s", status->reason);
        (void) log_fields(level, 0, fields, "%s", text);
}

static void say_connected(const struct broker_status *status) {
        char text[512], span[USEC_FORMAT_MAX];

        if (status->connections == 1)
                (void) snprintf(text, sizeof(text), "Connected to the broker %s", status->server);
        else
                (void) snprintf(text, sizeof(text), "Connected to the broker %s again, after %s",
                                status->server,
                                usec_format(status->outage - status->outage % EXACT, span, sizeof(span)));
        log_status(status, status->connections == 1 ? LOG_INFO : LOG_NOTICE,
                   LOG_FIELD_ID(LOG_ID_BROKER_BACK), text);
}

static void say_lost(const struct broker_status *status) {
        char text[768];

        (void) snprintf(text, sizeof(text), "%s the broker %s: %s; trying again until there is a connection",
                        status->state == BROKER_CONNECTING ? "Cannot connect to" : "No connection to",
                        status->server, *status->reason ? status->reason : "it is gone");
        log_status(status, LOG_WARNING, LOG_FIELD_ID(LOG_ID_BROKER_LOST), text);
}

/* Once for each outage, and again when it lasts and has another reason; unless reasons come and go, as with several
 * servers. */
static bool is_news(struct agent_broker *broker, const struct broker_status *status) {
        if (status->state != broker->told.state)
                broker->reasons_said = 0;
        if (broker->reasons_said > 0 &&
            (streq(status->reason, broker->reason_said) || broker->reasons_said >= REASONS_MAX ||
             now_monotonic() - status->since < LASTING))
                return false;
        broker->reasons_said++;
        (void) snprintf(broker->reason_said, sizeof(broker->reason_said), "%s", status->reason);
        return true;
}

static void say_state(struct agent_broker *broker, const struct broker_status *status) {
        if (status->state != BROKER_CONNECTED && is_news(broker, status))
                say_lost(status);
        else if (status->state == BROKER_CONNECTED && status->connections != broker->told.connections)
                say_connected(status);
        broker->told = *status;
}

static void say_later(struct agent_broker *broker) {
        (void) sd_event_source_set_time_relative(broker->timer, SAY_AGAIN);
        (void) sd_event_source_set_enabled(broker->timer, SD_EVENT_ONESHOT);
}

/* Whether a count is to be said now: not again within SAY_AGAIN. */
static bool is_due(struct agent_broker *broker, struct tally *tally, uint64_t *ret_new) {
        usec_t now = now_monotonic();

        *ret_new = tally->count - tally->said;
        if (*ret_new == 0)
                return false;
        if (tally->said_at > 0 && usec_add(tally->said_at, SAY_AGAIN) > now) {
                say_later(broker);
                return false;
        }
        tally->said = tally->count;
        tally->said_at = now;
        return true;
}

static void say_counts(struct agent_broker *broker) {
        uint64_t count;

        if (is_due(broker, &broker->dropped, &count)) {
                char dropped[48];
                const char *const fields[] = { LOG_FIELD_ID(LOG_ID_BROKER_DROPPED), dropped, NULL };

                (void) snprintf(dropped, sizeof(dropped), "MUSTER_DROPPED=%" PRIu64, count);
                (void) log_fields(LOG_WARNING, 0, fields,
                                  "%" PRIu64
                                  " messages of the broker were dropped: the application has not taken them "
                                  "in time and [broker] queue is full",
                                  count);
        }
        if (is_due(broker, &broker->problems, &count))
                log_warning(0, "The broker refuses: %s%s", broker->told.problem,
                            count > 1 ? " (and others before)" : "");
}

static int dispatch_counts(sd_event_source *source, uint64_t when, void *userdata) {
        say_counts(userdata);
        return 0;
}

/* ---- What happens ---- */

static void show_status(const struct agent_broker *broker, const struct broker_status *status) {
        struct slot_broker *slot = &broker->muster->slot->broker;

        slot->state = status->state == BROKER_CONNECTED      ? SLOT_BROKER_CONNECTED
                      : status->state == BROKER_RECONNECTING ? SLOT_BROKER_RECONNECTING
                                                             : SLOT_BROKER_CONNECTING;
        slot->since = status->since;
        slot->connections = status->connections;
        slot->dropped = status->dropped;
        (void) snprintf(slot->server, sizeof(slot->server), "%.*s", (int) sizeof(slot->server) - 1,
                        status->server);
        (void) snprintf(slot->reason, sizeof(slot->reason), "%.*s", (int) sizeof(slot->reason) - 1,
                        status->reason);
}

/* A connection that was lost and is back before anybody looked was lost all the same. */
static void tell_application(const struct agent_broker *broker, const struct broker_status *before,
                             const struct broker_status *status) {
        bool was = before->state == BROKER_CONNECTED, is = status->state == BROKER_CONNECTED;
        bool another = status->connections != before->connections;

        if (was && (another || !is))
                muster_broker_state(broker->muster, false);
        if (is && (another || !was))
                muster_broker_state(broker->muster, true);
}

static void on_changed(void *userdata, const struct broker_status *status) {
        struct agent_broker *broker = userdata;
        struct broker_status before = broker->told;

        broker->dropped.count = status->dropped;
        broker->problems.count = status->problems;
        show_status(broker, status);
        say_state(broker, status);
        say_counts(broker);
        tell_application(broker, &before, status);
}

static void on_message(void *userdata, unsigned int number, const char *subject, const void *data,
                       size_t size) {
        struct agent_broker *broker = userdata;

        broker->muster->slot->broker.received++;
        muster_broker_message(broker->muster, number, subject, data, size);
}

/* ---- What the application calls ---- */

static int call_subscribe(void *owner, const char *subject, unsigned int *ret_number) {
        const struct agent_broker *broker = owner;

        return broker_subscribe(broker->broker, subject, ret_number);
}

static void call_unsubscribe(void *owner, unsigned int number) {
        const struct agent_broker *broker = owner;

        broker_unsubscribe(broker->broker, number);
}

static int call_publish(void *owner, const char *subject, const void *data, size_t size) {
        const struct agent_broker *broker = owner;
        int r;

        r = broker_publish(broker->broker, subject, data, size);
        if (r >= 0)
                broker->muster->slot->broker.published++;
        return r;
}

static bool call_connected(void *owner) {
        const struct agent_broker *broker = owner;
        struct broker_status status;

        broker_get_status(broker->broker, &status);
        return status.state == BROKER_CONNECTED;
}

static const struct broker_calls calls = {
        .subscribe = call_subscribe,
        .unsubscribe = call_unsubscribe,
        .publish = call_publish,
        .connected = call_connected,
};

/* ---- Beginning and end ---- */

static int load_driver(struct muster *muster, const char *name, const struct broker_driver **ret) {
        _cleanup_free_ char *reason = NULL;
        const void *symbol;
        char plugin[64];
        int r;

        (void) snprintf(plugin, sizeof(plugin), "broker-%s", name);
        r = plugin_load(plugin, BROKER_DRIVER_SYMBOL, &symbol, &reason);
        if (r == -ENOENT)
                return muster_fail(muster, r,
                                   "[broker] url needs the package muster-%s, which is not installed (%s)",
                                   name, reason ?: plugin);
        if (r < 0)
                return muster_fail(muster, r, "[broker] url: %s", reason ?: strerror(-r));
        *ret = symbol;
        if ((*ret)->version == BROKER_DRIVER_VERSION)
                return 0;
        return muster_fail(muster, -EPROTO,
                           "[broker] url: the package muster-%s is not of this version of muster", name);
}

static int make_settings(struct agent_broker *broker) {
        const struct muster *muster = broker->muster;
        const struct config *config = muster->config;

        broker->settings = (struct broker_settings){
                .servers = broker->servers,
                .client = muster->instance,
                .credentials = config->broker.credentials,
                .tls_ca = config->broker.tls_ca,
                .tls_certificate = config->broker.tls_certificate,
                .tls_key = config->broker.tls_key,
                .queue = config->broker.queue,
        };
        for (char *const *url = config->broker.url; *url && broker->settings.n_servers < CONFIG_BROKERS_MAX;
             url++)
                if (config_broker_url_parse(*url, &broker->servers[broker->settings.n_servers++]) < 0)
                        return -EINVAL;
        return 0;
}

static int open_broker(struct agent_broker *broker) {
        const struct broker_callbacks callbacks = { on_message, on_changed, broker };
        struct muster *muster = broker->muster;
        const struct broker_driver *driver = NULL;
        int r;

        r = make_settings(broker);
        r = r < 0 ? r : load_driver(muster, broker->servers[0].driver, &driver);
        r = r < 0 ? r
                  : sd_event_add_time(muster->event, &broker->timer, CLOCK_MONOTONIC, 0, 0, dispatch_counts,
                                      broker);
        r = r < 0 ? r : sd_event_source_set_enabled(broker->timer, SD_EVENT_OFF);
        return r < 0 ? r : broker_new(&broker->broker, muster->event, driver, &broker->settings, &callbacks);
}

static struct agent_broker *free_broker(struct agent_broker *broker) {
        broker_free(broker->broker);
        sd_event_source_disable_unref(broker->timer);
        explicit_bzero(broker->servers, sizeof(broker->servers));
        free(broker);
        return NULL;
}

int agent_broker_open(struct agent_broker **ret, struct muster *muster) {
        struct agent_broker *broker;
        int r;

        *ret = NULL;
        if (!*muster->config->broker.url)
                return 0;
        broker = calloc(1, sizeof(*broker));
        if (!broker)
                return -ENOMEM;
        broker->muster = muster;
        r = open_broker(broker);
        if (r < 0) {
                free_broker(broker);
                return r;
        }
        muster->slot->broker =
                (struct slot_broker){ .state = SLOT_BROKER_CONNECTING, .since = now_monotonic() };
        muster->broker = &calls;
        muster->broker_owner = broker;
        *ret = broker;
        return 0;
}

void agent_broker_activate(struct agent_broker *broker) {
        if (broker)
                broker_activate(broker->broker, true);
}

void agent_broker_drain(struct agent_broker *broker) {
        if (!broker)
                return;
        broker_activate(broker->broker, false);
        broker_deliver(broker->broker, DRAIN_SPAN);
}

bool agent_broker_close(struct agent_broker *broker) {
        struct broker_status status;

        if (!broker)
                return true;
        broker->muster->broker = NULL;
        broker_get_status(broker->broker, &status);
        if (broker_stop(broker->broker, status.state == BROKER_CONNECTED ? STOP_TIMEOUT : STOP_QUICKLY) <
            0) {
                log_debug("The library of the broker does not end in time, leaving it");
                return false;
        }
        free_broker(broker);
        return true;
}
