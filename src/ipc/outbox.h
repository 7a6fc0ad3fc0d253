/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ipc/message.h"

/* Frames that wait to be sent, packed into datagrams, in order. No I/O. See outbox.c. */

/* A datagram in the making. */
struct packet {
        struct packet *next;
        int fds[MESSAGE_FDS_MAX]; /* owned; the frame is alone then */
        unsigned int n_fds;
        size_t size;
        size_t room;
        _Alignas(MESSAGE_ALIGN) char bytes[];
};

struct outbox {
        struct packet *first;
        struct packet *last;
        size_t bytes;
        size_t n_fds;
        size_t peak; /* of bytes, since it was empty */
        size_t bytes_max;
        size_t fds_max;
        bool urgent; /* only its own bounds count, not what others hold */
};

#define OUTBOX_NULL                                                                                         \
        {}

/* Makes a frame behind the others, whose payload the caller writes at once. Returns as outbox_append(). */
int outbox_reserve(struct outbox *outbox, enum message_type type, size_t size, void **ret);

/* Puts a frame behind the others. Returns 0, -ENOBUFS where it would be more than bytes_max, -EMSGSIZE for a size
 * that its type may not have, -ENOMEM. */
int outbox_append(struct outbox *outbox, enum message_type type, const void *payload, size_t size);

/* The same with descriptors, which stay the caller's: they are duplicated. */
int outbox_append_fds(struct outbox *outbox, enum message_type type, const void *payload, size_t size,
                      const int *fds, unsigned int n_fds);

/* Removes the first datagram, which was sent or is given up. */
void outbox_pop(struct outbox *outbox);

/* Removes the first datagram of an outbox that is not empty, and gives it to the caller. */
struct packet *outbox_take(struct outbox *outbox);
void packet_free(struct packet *packet);

static inline bool outbox_empty(const struct outbox *outbox) {
        return !outbox->first;
}

/* Gives everything up. */
void outbox_deinit(struct outbox *outbox);
