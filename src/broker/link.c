/* SPDX-License-Identifier: MIT */

/*
 * The thread that talks to the broker, by its driver.
 *
 * It connects, makes the subscriptions that are wanted, sends what was published, and when the connection is lost
 * begins again, for ever, with a pause that grows (pause.c). The library's own ways to reconnect are not used: they
 * differ in when they give up, and none tells as plainly what it is doing. The first connection is made in the same
 * way as the tenth, and what was subscribed is a list that is compared with what the present connection has; so it
 * does not matter whether somebody subscribes before there is one, while there is none, or after.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "broker/pause.h"
#include "broker/state.h"
#include "util/text.h"

#define FLUSH_AT_BEGIN (5 * USEC_PER_SEC)
#define FLUSH_AT_END   USEC_PER_SEC

static void copy_text(char *buffer, size_t size, const char *text) {
        (void) snprintf(buffer, size, "%s", text ?: "");
        text_fold(buffer);
}

static void tell_changed(struct broker *broker) {
        broker->changed = true;
        broker_wake(broker);
}

/* ---- What the driver tells, on threads of the library ---- */

static void host_message(void *userdata, unsigned int subscription, const char *subject, const void *data,
                         size_t size) {
        struct broker *broker = userdata;
        struct queue_message *message;

        /* Without memory there is nothing to keep it in; it counts like one that does not fit */
        if (queue_message_new(&message, subscription, subject, data, size) < 0)
                message = NULL;
        (void) pthread_mutex_lock(&broker->lock);
        if (message && queue_push(&broker->arrived, message) == 0) {
                message = NULL;
                broker_wake(broker);
        } else {
                broker->status.dropped++;
                tell_changed(broker);
        }
        (void) pthread_mutex_unlock(&broker->lock);
        queue_message_free(message);
}

static void host_lost(void *userdata, const char *reason) {
        struct broker *broker = userdata;

        (void) pthread_mutex_lock(&broker->lock);
        if (!broker->lost)
                copy_text(broker->status.reason, sizeof(broker->status.reason), reason);
        broker->lost = true;
        (void) pthread_cond_signal(&broker->work);
        (void) pthread_mutex_unlock(&broker->lock);
}

static void host_problem(void *userdata, const char *text) {
        struct broker *broker = userdata;

        (void) pthread_mutex_lock(&broker->lock);
        copy_text(broker->status.problem, sizeof(broker->status.problem), text);
        broker->status.problems++;
        tell_changed(broker);
        (void) pthread_mutex_unlock(&broker->lock);
}

static void host_dropped(void *userdata, uint64_t count) {
        struct broker *broker = userdata;

        (void) pthread_mutex_lock(&broker->lock);
        broker->status.dropped += count;
        tell_changed(broker);
        (void) pthread_mutex_unlock(&broker->lock);
}

const struct broker_host link_host = {
        .message = host_message,
        .lost = host_lost,
        .problem = host_problem,
        .dropped = host_dropped,
};

/* ---- While there is a connection. All of this is entered and left with the lock held. ---- */

/* After an error the connection is no good any more. */
static void settle(struct broker *broker, int r, const char *what) {
        if (r >= 0 || r == -EMSGSIZE || broker->lost)
                return;
        (void) snprintf(broker->status.reason, sizeof(broker->status.reason), "%s failed: %s", what,
                        strerror(-r));
        broker->lost = true;
}

static struct subscription *find_difference(struct broker *broker) {
        LIST_FOREACH(node, &broker->subscriptions) {
                struct subscription *subscription = container_of(node, struct subscription, node);

                if (!subscription->wanted || subscription->made != broker->active)
                        return subscription;
        }
        return NULL;
}

/* Only this thread frees subscriptions, so that it may look at one without the lock. */
static bool change_subscription(struct broker *broker) {
        struct subscription *subscription = find_difference(broker);
        bool make;
        int r = 0;

        if (!subscription)
                return false;
        make = subscription->wanted && broker->active;
        (void) pthread_mutex_unlock(&broker->lock);
        if (make)
                r = broker->driver->subscribe(broker->connection, subscription->number,
                                              subscription->subject);
        else if (subscription->made)
                r = broker->driver->unsubscribe(broker->connection, subscription->number);
        (void) pthread_mutex_lock(&broker->lock);
        subscription->made = make && r >= 0;
        settle(broker, r, make ? "Subscribing" : "Unsubscribing");
        if (!make && !subscription->wanted) {
                list_remove(&subscription->node);
                free(subscription);
        }
        return true;
}

static bool send_message(struct broker *broker) {
        _cleanup_(cleanup_queue_message_free) struct queue_message *message = queue_pop(&broker->leaving);
        int r;

        if (!message)
                return false;
        (void) pthread_mutex_unlock(&broker->lock);
        r = broker->driver->publish(broker->connection, message->subject, message->data, message->size);
        (void) pthread_mutex_lock(&broker->lock);
        settle(broker, r, "Publishing");
        return true;
}

static int flush(struct broker *broker, usec_t timeout) {
        int r;

        (void) pthread_mutex_unlock(&broker->lock);
        r = broker->driver->flush(broker->connection, timeout);
        (void) pthread_mutex_lock(&broker->lock);
        return r;
}

/* The connection is one when the broker has all subscriptions: who looks then at what may have been missed, misses nothing
 * that is sent afterwards. */
static bool begin(struct broker *broker) {
        bool any = false;

        while (!broker->lost && change_subscription(broker))
                any = true;
        if (!broker->lost && any)
                settle(broker, flush(broker, FLUSH_AT_BEGIN), "Subscribing");
        return !broker->lost;
}

static void serve(struct broker *broker) {
        while (!broker->lost) {
                if (change_subscription(broker) || send_message(broker))
                        continue;
                if (broker->stopping) {
                        (void) flush(broker, FLUSH_AT_END);
                        return;
                }
                (void) pthread_cond_wait(&broker->work, &broker->lock);
        }
}

/* ---- The connection ---- */

static void set_state(struct broker *broker, enum broker_state state) {
        usec_t now = now_monotonic();

        broker->status.outage = state == BROKER_CONNECTED ? now - broker->status.since : 0;
        broker->status.state = state;
        broker->status.since = now;
        tell_changed(broker);
}

static void on_connected(struct broker *broker) {
        broker->status.connections++;
        broker->status.reason[0] = '\0';
        set_state(broker, BROKER_CONNECTED);
}

static void on_lost(struct broker *broker) {
        usec_t lasted = now_monotonic() - broker->status.since;

        broker->failures = lasted >= BROKER_GOOD ? 0 : broker->failures + 1;
        set_state(broker, BROKER_RECONNECTING);
}

/* The servers in turn, beginning with the one that was the last to be tried. */
static int connect_to(struct broker *broker, const struct config_broker_url *server) {
        char reason[sizeof(broker->status.reason)] = "";
        uint64_t size_max = 0;
        int r;

        broker->lost = false;
        (void) config_broker_url_name(server, broker->status.server, sizeof(broker->status.server));
        (void) pthread_mutex_unlock(&broker->lock);
        r = broker->driver->connect(broker->connection, server, reason, sizeof(reason));
        if (r >= 0)
                size_max = broker->driver->size_max(broker->connection);
        (void) pthread_mutex_lock(&broker->lock);
        broker->size_max = size_max;
        if (r < 0) {
                copy_text(broker->status.reason, sizeof(broker->status.reason),
                          *reason ? reason : strerror(-r));
                tell_changed(broker);
        }
        return r;
}

static int connect_any(struct broker *broker) {
        const struct broker_settings *settings = broker->settings;

        for (size_t i = 0; i < settings->n_servers && !broker->stopping; i++) {
                if (connect_to(broker, &settings->servers[broker->next_server]) >= 0)
                        return 0;
                broker->next_server = (unsigned int) ((broker->next_server + 1) % settings->n_servers);
        }
        return -ENOTCONN;
}

static void disconnect(struct broker *broker) {
        (void) pthread_mutex_unlock(&broker->lock);
        broker->driver->disconnect(broker->connection);
        (void) pthread_mutex_lock(&broker->lock);
        LIST_FOREACH(node, &broker->subscriptions)
                container_of(node, struct subscription, node)->made = false;
}

static uint32_t any_number(void) {
        uint32_t number = 0;

        (void) !getrandom(&number, sizeof(number), GRND_NONBLOCK);
        return number;
}

/* Subscriptions that end meanwhile are freed here, since there is nobody to tell. */
static void forget_unwanted(struct broker *broker) {
        LIST_FOREACH_SAFE(node, &broker->subscriptions) {
                struct subscription *subscription = container_of(node, struct subscription, node);

                if (subscription->wanted)
                        continue;
                list_remove(&subscription->node);
                free(subscription);
        }
}

static void rest(struct broker *broker) {
        usec_t until = usec_add(now_monotonic(), broker_pause(broker->failures, any_number()));
        const struct timespec deadline = {
                .tv_sec = (time_t) (until / USEC_PER_SEC),
                .tv_nsec = (long) (until % USEC_PER_SEC * 1000),
        };

        while (!broker->stopping && now_monotonic() < until) {
                forget_unwanted(broker);
                (void) pthread_cond_timedwait(&broker->work, &broker->lock, &deadline);
        }
}

/* Returns whether there was a connection at all. */
static bool connect_and_serve(struct broker *broker) {
        bool good;

        if (connect_any(broker) < 0)
                return false;
        good = begin(broker);
        if (good) {
                on_connected(broker);
                serve(broker);
        }
        disconnect(broker);
        return good;
}

static void connect_for_ever(struct broker *broker) {
        while (!broker->stopping) {
                if (connect_and_serve(broker))
                        on_lost(broker);
                else {
                        broker->failures++;
                        tell_changed(broker);
                }
                rest(broker);
        }
}

void *link_run(void *userdata) {
        struct broker *broker = userdata;
        int r;

        (void) pthread_setname_np(pthread_self(), "broker");
        r = broker->driver->open(&broker->connection, broker->settings, &broker->host);
        (void) pthread_mutex_lock(&broker->lock);
        if (r < 0) {
                copy_text(broker->status.reason, sizeof(broker->status.reason), strerror(-r));
                tell_changed(broker);
        } else {
                broker->next_server = any_number() % (unsigned int) broker->settings->n_servers;
                connect_for_ever(broker);
                (void) pthread_mutex_unlock(&broker->lock);
                broker->driver->close(broker->connection);
                (void) pthread_mutex_lock(&broker->lock);
        }
        broker->ended = true;
        (void) pthread_cond_signal(&broker->over);
        (void) pthread_mutex_unlock(&broker->lock);
        return NULL;
}
