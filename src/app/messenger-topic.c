/* SPDX-License-Identifier: MIT */

/*
 * Who listens for which action.
 *
 * Actions are found by a hash of their name; each has its handlers in the order they were registered. A handler may
 * register and remove what it likes, itself too: what is removed while handlers of that action run is only marked, and
 * what is added is not called for the message that is being handed out.
 *
 * A handler runs under the guard, and what the crash record says is "message ACTION", which the topic has ready.
 */

#include <errno.h>
#include <stdio.h>

#include "app/messenger.h"

#define BUCKETS_MIN 16U

struct listener {
        struct list node;
        muster_message_handler_t handler;
        void *data;
        bool once;
        bool removed;
};

struct topic {
        struct topic *next; /* in its bucket */
        uint32_t hash;
        unsigned int running;
        struct list listeners;
        char *action; /* the end of `route` */
        char route[];
};

/* FNV-1a: actions are short, and nobody but the application names them. */
static uint32_t hash_of(const char *action) {
        uint32_t hash = 0x811c9dc5U;

        for (; *action; action++)
                hash = (hash ^ (uint8_t) *action) * 0x01000193U;
        return hash;
}

static struct topic *topic_find(const struct messenger *messenger, const char *action, uint32_t hash) {
        struct topic *topic;

        if (messenger->n_buckets == 0)
                return NULL;
        topic = messenger->topics[hash & (messenger->n_buckets - 1)];
        while (topic && (topic->hash != hash || !streq(topic->action, action)))
                topic = topic->next;
        return topic;
}

static void put(struct messenger *messenger, struct topic *topic) {
        struct topic **bucket = &messenger->topics[topic->hash & (messenger->n_buckets - 1)];

        topic->next = *bucket;
        *bucket = topic;
}

static int grow(struct messenger *messenger) {
        size_t n_old = messenger->n_buckets, n_new = n_old ? 2 * n_old : BUCKETS_MIN;
        struct topic **old = messenger->topics, **buckets;

        buckets = (struct topic **) calloc(n_new, sizeof(struct topic *));
        if (!buckets)
                return -ENOMEM;
        messenger->topics = buckets;
        messenger->n_buckets = n_new;
        for (size_t i = 0; i < n_old; i++)
                while (old[i]) {
                        struct topic *topic = old[i];

                        old[i] = topic->next;
                        put(messenger, topic);
                }
        free((void *) old);
        return 0;
}

static int topic_new(struct topic **ret, struct messenger *messenger, const char *action, uint32_t hash) {
        static const char before[] = "message ";
        size_t size = strlen(action) + 1;
        struct topic *topic;

        if (messenger->n_topics >= messenger->n_buckets && grow(messenger) < 0)
                return -ENOMEM;
        topic = malloc(sizeof(*topic) + sizeof(before) - 1 + size);
        if (!topic)
                return -ENOMEM;
        *topic = (struct topic){ .hash = hash };
        list_init(&topic->listeners);
        memcpy(topic->route, before, sizeof(before) - 1);
        topic->action = topic->route + sizeof(before) - 1;
        memcpy(topic->action, action, size);
        put(messenger, topic);
        messenger->n_topics++;
        *ret = topic;
        return 0;
}

static void listener_free(struct listener *listener) {
        list_remove(&listener->node);
        free(listener);
}

/* Frees what was removed meanwhile, and the topic itself when nobody listens any more. */
static void topic_sweep(struct messenger *messenger, struct topic *topic) {
        struct topic **place = &messenger->topics[topic->hash & (messenger->n_buckets - 1)];

        if (topic->running > 0)
                return;
        LIST_FOREACH_SAFE(node, &topic->listeners) {
                struct listener *listener = container_of(node, struct listener, node);

                if (listener->removed)
                        listener_free(listener);
        }
        if (!list_empty(&topic->listeners))
                return;
        while (*place != topic)
                place = &(*place)->next;
        *place = topic->next;
        messenger->n_topics--;
        free(topic);
}

void topics_free(struct messenger *messenger) {
        for (size_t i = 0; i < messenger->n_buckets; i++)
                while (messenger->topics[i]) {
                        struct topic *topic = messenger->topics[i];

                        messenger->topics[i] = topic->next;
                        LIST_FOREACH_SAFE(node, &topic->listeners)
                                listener_free(container_of(node, struct listener, node));
                        free(topic);
                }
        free((void *) messenger->topics);
        messenger->topics = NULL;
        messenger->n_topics = messenger->n_buckets = 0;
}

/* ---- The calls ---- */

static bool is_action(const char *action) {
        return action && *action && strlen(action) <= MESSENGER_ACTION_MAX;
}

static int listen_for(struct muster *muster, const char *action, muster_message_handler_t handler,
                      void *data, bool once) {
        struct messenger *messenger;
        struct listener *listener;
        struct topic *topic;
        uint32_t hash;

        if (!is_action(action) || !handler)
                return -EINVAL;
        messenger = messenger_of(muster);
        if (!messenger)
                return -ENOMEM;
        listener = calloc(1, sizeof(*listener));
        if (!listener)
                return -ENOMEM;
        *listener = (struct listener){ .handler = handler, .data = data, .once = once };
        list_init(&listener->node);
        hash = hash_of(action);
        topic = topic_find(messenger, action, hash);
        if (!topic && topic_new(&topic, messenger, action, hash) < 0) {
                listener_free(listener);
                return -ENOMEM;
        }
        list_append(&topic->listeners, &listener->node);
        return 0;
}

int muster_on(struct muster *muster, const char *action, muster_message_handler_t handler, void *data) {
        return listen_for(muster, action, handler, data, false);
}

int muster_once(struct muster *muster, const char *action, muster_message_handler_t handler, void *data) {
        return listen_for(muster, action, handler, data, true);
}

int muster_off(struct muster *muster, const char *action, muster_message_handler_t handler, void *data) {
        struct messenger *messenger = muster->messenger;
        struct topic *topic;
        int n = 0;

        if (!messenger || !is_action(action))
                return 0;
        topic = topic_find(messenger, action, hash_of(action));
        if (!topic)
                return 0;
        LIST_FOREACH(node, &topic->listeners) {
                struct listener *listener = container_of(node, struct listener, node);

                if (listener->removed ||
                    (handler && (listener->handler != handler || listener->data != data)))
                        continue;
                listener->removed = true;
                n++;
        }
        topic_sweep(messenger, topic);
        return n;
}

/* ---- Handing out ---- */

struct call {
        const struct listener *listener;
        struct muster_message *message;
};

static void call_handler(void *argument) {
        const struct call *call = argument;

        call->listener->handler(call->message->muster, call->message, call->listener->data);
}

/* In a worker, nothing is begun after a fault. */
static bool may_go_on(const struct muster *muster) {
        return muster->role != MUSTER_ROLE_WORKER || !guard_faulted();
}

bool topic_dispatch(struct muster *muster, struct muster_message *message) {
        struct messenger *messenger = muster->messenger;
        struct guard_context context = {};
        const struct list *last;
        struct topic *topic;
        bool heard = false;

        topic = topic_find(messenger, message->action, hash_of(message->action));
        if (!topic)
                return false;
        context.route = topic->route;
        last = topic->listeners.prev;
        topic->running++;
        LIST_FOREACH(node, &topic->listeners) {
                struct listener *listener = container_of(node, struct listener, node);
                struct call call = { listener, message };

                if (!listener->removed && may_go_on(muster)) {
                        listener->removed = listener->once;
                        heard = true;
                        (void) muster_process_run(muster, &context, call_handler, &call);
                }
                if (node == last)
                        break;
        }
        topic->running--;
        topic_sweep(messenger, topic);
        return heard;
}
