/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "ipc/message.h"
#include "util/macro.h"

/* One end of a SOCK_SEQPACKET socketpair between the master and a child. See channel.c. */

struct channel;

/* A frame has arrived. */
typedef void (*channel_message_t)(struct channel *channel, const struct message *message, void *userdata);

/* The channel is dead: 0 when the other end has closed it, -EBADMSG when it sent what it may not, another
 * negative errno for a socket error. Called once; the channel sends and delivers nothing afterwards. */
typedef void (*channel_closed_t)(struct channel *channel, int error, void *userdata);

/* Makes both ends: non-blocking, close-on-exec. */
int channel_pair(int ret_fds[static 2]);

/* Takes over fd, also when it fails, and watches it on the loop. `peer` is who may be at the other end. */
int channel_new(struct channel **ret, sd_event *event, int fd, enum message_sender peer,
                channel_message_t on_message, channel_closed_t on_closed, void *userdata);
struct channel *channel_free(struct channel *channel);
DEFINE_CLEANUP(struct channel *, channel_free);

/* The descriptor, which stays the channel's; -1 once it is closed. */
int channel_fd(const struct channel *channel);

/* Sends a frame at once. It never blocks: -EAGAIN where the other end does not read, -EPIPE where it is
 * gone. */
int channel_send(struct channel *channel, enum message_type type, const void *payload, size_t size);

/* The same with a descriptor, which stays the caller's. */
int channel_send_fd(struct channel *channel, enum message_type type, int fd);

/* While a frame is being delivered: the descriptor that came with it, owned by the caller from then on, or -1. */
int channel_take_fd(struct channel *channel);

/* The same as channel_send() for a signal handler, on a bare descriptor: async-signal-safe, keeps no state. */
int channel_send_raw(int fd, enum message_type type);
int channel_send_raw_payload(int fd, enum message_type type, const void *payload, size_t size);
