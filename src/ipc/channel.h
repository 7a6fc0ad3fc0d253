/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "ipc/message.h"
#include "util/macro.h"
#include "util/time.h"

/* One end of a SOCK_SEQPACKET socketpair between the master and a child. See channel.c and channel-send.c. */

struct channel;

/* A frame has arrived. Its payload is valid until the callback returns. */
typedef void (*channel_message_t)(struct channel *channel, const struct message *message, void *userdata);

/* The channel is dead: 0 when the other end has closed it, -EBADMSG when it sent what it may not, another
 * negative errno for a socket error. Called once; the channel sends and delivers nothing afterwards. */
typedef void (*channel_closed_t)(struct channel *channel, int error, void *userdata);

/* Makes both ends: non-blocking, close-on-exec. */
int channel_pair(int ret_fds[static 2]);

/* Takes over fd, also when it fails, and watches it on the loop. `peer` is who may be at the other end. */
int channel_new(struct channel **ret, sd_event *event, int fd, enum message_sender peer,
                channel_message_t on_message, channel_closed_t on_closed, void *userdata);

/* Takes NULL. What waits to be sent, and is not held back, is sent as far as that goes at once. */
struct channel *channel_free(struct channel *channel);
DEFINE_CLEANUP(struct channel *, channel_free);

/* The descriptor, which stays the channel's; -1 once it is closed. */
int channel_fd(const struct channel *channel);

/* Watches it from an epoll, with `tag` as data, and no longer from the loop. Whoever waits for that epoll hands the events
 * to channel_process(), and calls channel_flush_all() before each wait. */
int channel_watch_from(struct channel *channel, int epoll_fd, void *tag);
void channel_process(struct channel *channel, uint32_t events);

/* ---- Sending ----
 *
 * A frame is sent when the dispatch that made it ends, together with all others of that dispatch; from elsewhere, when the
 * loop turns. Nothing blocks: where the other end does not read, frames wait. 0, -EMSGSIZE for what its type may
 * not have, -ENOBUFS when too much waits, -EPIPE when the other end is gone, -ENOMEM. */
int channel_send(struct channel *channel, enum message_type type, const void *payload, size_t size);

/* The same for a frame whose payload the caller writes to *ret, before anything else is done with the channel. */
int channel_reserve(struct channel *channel, enum message_type type, size_t size, void **ret);

/* The same with descriptors, which stay the caller's. -EINVAL too for one that the kernel does not pass on. */
int channel_send_fd(struct channel *channel, enum message_type type, const void *payload, size_t size,
                    int fd);
int channel_send_fds(struct channel *channel, enum message_type type, const void *payload, size_t size,
                     const int *fds, unsigned int n_fds);

/* Sends what waits, now, as far as the other end takes it. */
void channel_flush(struct channel *channel);
void channel_flush_all(void);

/* Reads nothing until it is told to go on; what comes meanwhile stays with the kernel. Then channel_retry() sends what waits,
 * as far as the other end takes it, and returns whether nothing is left that was not held back. */
void channel_pause(struct channel *channel, bool pause);
bool channel_retry(struct channel *channel);

/* Holds back frames of the types that wait (message_is_bulk()) until it is let go. */
void channel_hold(struct channel *channel, bool hold);

/* Has it called back each time that all which had to wait for the other end is sent. */
void channel_on_room(struct channel *channel, void (*on_room)(struct channel *channel, void *userdata));

/* Whether the other end does not read and so much waits already that who can had better wait for room: channel_on_room()
 * tells when there is. */
bool channel_is_crowded(const struct channel *channel);

/* How many bytes wait. */
size_t channel_unsent(const struct channel *channel);

/* Has it called back for each frame that cannot be sent after it has waited, for its descriptors. Then it may send on any
 * channel, but free none. Not while the channel is freed. */
void channel_on_lost(struct channel *channel, channel_message_t on_lost);

/* Calls back for each frame of those types that waits: for somebody who must know what became of them. */
void channel_each_unsent(const struct channel *channel, channel_message_t callback, void *userdata);

/* The same as channel_send() for a signal handler, on a bare descriptor: async-signal-safe, keeps no state, and is there at
 * once, be it before frames that wait. -EAGAIN where the other end does not read, -EMSGSIZE for more than 512 bytes. */
int channel_send_raw(int fd, enum message_type type);
int channel_send_raw_payload(int fd, enum message_type type, const void *payload, size_t size);

/* ---- Receiving ---- */

/* For who is about to end, outside of a dispatch: takes nothing more, so that the other end has -EPIPE for what it sends from
 * now on, and delivers what had been sent before, or as much of it as there is time for until then. Sending goes on. */
void channel_read_rest(struct channel *channel, usec_t until);

/* While a frame is being delivered: it is not what it may be. The channel is closed with -EBADMSG. */
void channel_reject(struct channel *channel);

/* While a frame is being delivered: the next descriptor that came with it, owned by the caller from then on, or -1. What
 * nobody takes is closed. */
int channel_take_fd(struct channel *channel);
