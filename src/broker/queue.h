/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

/* Messages that wait, no more than a number of bytes of them. No locks: see state.h for whose they are. */

struct queue_message {
        struct queue_message *next;
        unsigned int subscription;
        size_t size;      /* of the data */
        const char *data; /* followed by a NUL that is not counted */
        char subject[];
};

struct queue {
        struct queue_message *first;
        struct queue_message *last;
        uint64_t used;
        uint64_t limit;
};

/* A message with copies of subject and data. 0, or -ENOMEM. */
int queue_message_new(struct queue_message **ret, unsigned int subscription, const char *subject,
                      const void *data, size_t size);
struct queue_message *queue_message_free(struct queue_message *message);
DEFINE_CLEANUP(struct queue_message *, queue_message_free);

/* Takes the message over with 0. -ENOBUFS when too much waits already; a message that is larger than the limit by itself
 * passes when nothing does. */
int queue_push(struct queue *queue, struct queue_message *message);

/* The oldest one, the caller's from then on, or NULL. */
struct queue_message *queue_pop(struct queue *queue);

/* Whether queue_push() would take a message with so much in it. */
bool queue_has_room(const struct queue *queue, size_t subject, size_t size);

void queue_clear(struct queue *queue);
