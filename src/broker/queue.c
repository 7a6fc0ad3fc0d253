/* SPDX-License-Identifier: MIT */

/*
 * A bounded queue of messages.
 *
 * What is bounded is memory, what it costs to keep each message included: a flood of small messages would otherwise
 * be ten times what the limit says. What does not fit is refused, so the oldest stay and the newest are lost: a
 * receiver that cannot keep up sees a gap and not a shuffled past.
 */

#include <errno.h>

#include "broker/queue.h"

#define MALLOC_COST 16U /* what the C library adds to an allocation, about */

static uint64_t cost_of(size_t subject, size_t size) {
        return (uint64_t) sizeof(struct queue_message) + subject + size + 2 + MALLOC_COST;
}

int queue_message_new(struct queue_message **ret, unsigned int subscription, const char *subject,
                      const void *data, size_t size) {
        struct queue_message *message;
        size_t length = strlen(subject);
        char *copy;

        if (size > SIZE_MAX / 2)
                return -ENOMEM;
        message = malloc(sizeof(*message) + length + 1 + size + 1);
        if (!message)
                return -ENOMEM;
        *message = (struct queue_message){ .subscription = subscription, .size = size };
        memcpy(message->subject, subject, length + 1);
        copy = message->subject + length + 1;
        if (size > 0)
                memcpy(copy, data, size);
        copy[size] = '\0';
        message->data = copy;
        *ret = message;
        return 0;
}

struct queue_message *queue_message_free(struct queue_message *message) {
        free(message);
        return NULL;
}

bool queue_has_room(const struct queue *queue, size_t subject, size_t size) {
        return !queue->first || queue->used + cost_of(subject, size) <= queue->limit;
}

int queue_push(struct queue *queue, struct queue_message *message) {
        size_t subject = strlen(message->subject);

        if (!queue_has_room(queue, subject, message->size))
                return -ENOBUFS;
        message->next = NULL;
        if (queue->last)
                queue->last->next = message;
        else
                queue->first = message;
        queue->last = message;
        queue->used += cost_of(subject, message->size);
        return 0;
}

struct queue_message *queue_pop(struct queue *queue) {
        struct queue_message *message = queue->first;

        if (!message)
                return NULL;
        queue->first = message->next;
        if (!queue->first)
                queue->last = NULL;
        queue->used -= cost_of(strlen(message->subject), message->size);
        message->next = NULL;
        return message;
}

void queue_clear(struct queue *queue) {
        struct queue_message *message;

        while ((message = queue_pop(queue)))
                queue_message_free(message);
}
