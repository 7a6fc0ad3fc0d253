/* SPDX-License-Identifier: MIT */

/*
 * Messages of a broker, as an application sees them.
 *
 * The connection is the agent's business and not seen from here: it comes as a few functions (struct broker_calls),
 * and where there are none there is no broker. Here is what belongs to the application: its handlers, each called
 * under the guard, so that a message which makes one fault costs that message.
 */

#include <errno.h>
#include <stdio.h>

#include "app/broker.h"

struct muster_subscription {
        struct list node;
        struct muster *muster;
        unsigned int number;
        muster_broker_handler_t handler;
        void *data;
};

static int check(const struct muster *muster) {
        if (muster->role != MUSTER_ROLE_AGENT)
                return -EPERM;
        return muster->broker ? 0 : -ENOTCONN;
}

static int subscribe(struct muster *muster, const char *subject, muster_broker_handler_t handler, void *data,
                     struct muster_subscription **ret) {
        struct muster_subscription *subscription;
        unsigned int number;
        int r;

        r = check(muster);
        if (r < 0)
                return r;
        if (!subject || !handler)
                return -EINVAL;
        subscription = calloc(1, sizeof(*subscription));
        if (!subscription)
                return -ENOMEM;
        r = muster->broker->subscribe(muster->broker_owner, subject, &number);
        if (r < 0) {
                free(subscription);
                return r;
        }
        *subscription = (struct muster_subscription){
                .muster = muster,
                .number = number,
                .handler = handler,
                .data = data,
        };
        list_append(&muster->subscriptions, &subscription->node);
        *ret = subscription;
        return 0;
}

struct muster_subscription *muster_subscribe(struct muster *muster, const char *subject,
                                             muster_broker_handler_t handler, void *data) {
        struct muster_subscription *subscription = NULL;
        int r;

        r = subscribe(muster, subject, handler, data, &subscription);
        if (r < 0)
                errno = -r;
        return subscription;
}

struct muster_subscription *muster_unsubscribe(struct muster_subscription *subscription) {
        if (!subscription)
                return NULL;
        subscription->muster->broker->unsubscribe(subscription->muster->broker_owner, subscription->number);
        list_remove(&subscription->node);
        free(subscription);
        return NULL;
}

int muster_publish(struct muster *muster, const char *subject, const void *data, size_t size) {
        int r;

        r = check(muster);
        if (r < 0)
                return r;
        if (!subject || (!data && size > 0))
                return -EINVAL;
        return muster->broker->publish(muster->broker_owner, subject, data, size);
}

bool muster_broker_connected(const struct muster *muster) {
        return check(muster) >= 0 && muster->broker->connected(muster->broker_owner);
}

int muster_on_broker(struct muster *muster, muster_broker_state_handler_t handler, void *data) {
        int r;

        r = check(muster);
        if (r < 0)
                return r;
        muster->broker_handler = handler;
        muster->broker_handler_data = data;
        return 0;
}

struct broker_state {
        struct muster *muster;
        bool connected;
};

static void call_state_handler(void *argument) {
        const struct broker_state *state = argument;

        state->muster->broker_handler(state->muster, state->connected, state->muster->broker_handler_data);
}

void muster_broker_state(struct muster *muster, bool connected) {
        static const struct guard_context context = { .route = "broker" };
        struct broker_state state = { muster, connected };

        if (muster->broker_handler)
                (void) muster_process_run(muster, &context, call_state_handler, &state);
}

struct broker_message {
        struct muster *muster;
        muster_broker_handler_t handler;
        void *handler_data;
        const char *subject;
        const void *data;
        size_t size;
};

static void call_handler(void *argument) {
        const struct broker_message *message = argument;

        message->handler(message->muster, message->subject, message->data, message->size,
                         message->handler_data);
}

void muster_broker_message(struct muster *muster, unsigned int number, const char *subject, const void *data,
                           size_t size) {
        char route[SCOREBOARD_ROUTE_SIZE];
        const struct guard_context context = { .route = route };

        (void) snprintf(route, sizeof(route), "broker %s", subject);
        LIST_FOREACH(node, &muster->subscriptions) {
                const struct muster_subscription *subscription =
                        container_of(node, struct muster_subscription, node);
                struct broker_message message = {
                        muster, subscription->handler, subscription->data, subject, data, size
                };

                if (subscription->number != number)
                        continue;
                (void) muster_process_run(muster, &context, call_handler, &message);
                return;
        }
}

void muster_subscriptions_free(struct muster *muster) {
        LIST_FOREACH_SAFE(node, &muster->subscriptions)
                free(container_of(node, struct muster_subscription, node));
}
