/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#include "ipc/channel.h"
#include "util/macro.h"
#include "util/time.h"

/* What a parent and a function that it has forked send to each other: bytes, and a descriptor. See link.c. */

#define LINK_SIZE_MAX ((size_t) 16 * 1024 * 1024)

struct link;

struct link_callbacks {
        /* The bytes have a NUL behind them. The descriptor is closed when it returns; -1: none. */
        void (*message)(const void *bytes, size_t size, int fd, void *userdata);
        void (*room)(void *userdata); /* after -ENOBUFS: it may be tried again; NULL: nobody asks */
        void (*closed)(int error, void *userdata); /* as channel_closed_t */
        void *userdata;
};

/* Takes over fd, also when it fails. `peer` is who is at the other end. */
int link_new(struct link **ret, sd_event *event, int fd, enum message_sender peer,
             const struct link_callbacks *callbacks);
struct link *link_free(struct link *link);
DEFINE_CLEANUP(struct link *, link_free);

/* 0, or what muster_child_send() returns; where the peer is the parent it waits instead of -ENOBUFS. `fd` stays the
 * caller's. */
int link_send(struct link *link, const void *bytes, size_t size, int fd);

/* Waits until all is sent, or the other end is gone. Returns whether all is. */
bool link_drain(struct link *link, usec_t patience);

/* Reads nothing until it is told to go on. For one that waits when it sends. */
void link_pause(struct link *link, bool pause);

/* No more is sent or received. */
void link_close(struct link *link);
bool link_is_open(const struct link *link);
