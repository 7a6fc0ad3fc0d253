/* SPDX-License-Identifier: MIT */

/*
 * The channel: how the master and one child talk. Here is how it lives and receives; channel-send.c sends.
 *
 * SOCK_SEQPACKET keeps datagrams whole, delivers them in order and tells with a clean end-of-file when the
 * other process is gone, whatever killed it. Whoever sends what it may not has its channel closed: there is no way
 * back from a peer that does not keep to the protocol.
 *
 * Reading takes a bounded amount a turn, so that a child that floods its channel cannot keep the master from the
 * others. One datagram takes one call: that there is no more is known from the next wait. Where more have been there
 * each time, more are read at a time, since a wait costs more than a call in vain. They are read into one buffer for
 * all channels of the process, which belongs to the thread that runs the loop, as they do.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel-state.h"
#include "util/fd.h"

#define DATAGRAMS_PER_TURN 32U
#define BYTES_PER_TURN     ((size_t) 128 * 1024)
#define PROBE_EVERY        16U /* turns: look whether there is more after one */

/* What may wait on one channel; another few hundred KiB are in the kernel. */
#define BULK_BYTES_MAX   ((size_t) 4 * 1024 * 1024)
#define BULK_FDS_MAX     64U
#define URGENT_BYTES_MAX ((size_t) 1024 * 1024)
#define URGENT_FDS_MAX   16U

/* There is room for a full datagram whatever the default is; the kernel allows what it allows. */
#define SEND_BUFFER (4 * (int) MESSAGE_SIZE_MAX)

static _Alignas(MESSAGE_ALIGN) char inbox[MESSAGE_SIZE_MAX];

int channel_pair(int ret_fds[static 2]) {
        const int size = SEND_BUFFER;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds) < 0)
                return -errno;
        for (int i = 0; i < 2; i++)
                (void) setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        return 0;
}

/* ---- Its life ---- */

static void stop_watching(struct channel *channel) {
        list_remove(&channel->unsent);
        channel->source = sd_event_source_disable_unref(channel->source);
        channel->later = sd_event_source_disable_unref(channel->later);
        channel->fd = fd_close(channel->fd);
}

static void close_received(struct channel *channel) {
        for (unsigned int i = 0; i < channel->n_received_fds; i++)
                fd_close(channel->received_fds[i]);
        channel->n_received_fds = 0;
}

static void channel_close(struct channel *channel, int error) {
        stop_watching(channel);
        channel->on_closed(channel, error, channel->userdata);
        outbox_deinit(&channel->urgent);
        outbox_deinit(&channel->bulk);
}

static uint32_t wanted_events(const struct channel *channel) {
        return (channel->ended ? 0U : EPOLLIN) | (channel->blocked ? EPOLLOUT : 0U);
}

int channel_update_events(struct channel *channel) {
        struct epoll_event event = { .events = wanted_events(channel), .data.ptr = channel->tag };

        if (channel->source)
                return sd_event_source_set_io_events(channel->source, event.events);
        if (channel->epoll_fd < 0)
                return 0;
        return epoll_ctl(channel->epoll_fd, EPOLL_CTL_MOD, channel->fd, &event) < 0 ? -errno : 0;
}

void channel_pause(struct channel *channel, bool pause) {
        if (!channel->source)
                return;
        if (!pause)
                (void) channel_update_events(channel);
        (void) sd_event_source_set_enabled(channel->source, pause ? SD_EVENT_OFF : SD_EVENT_ON);
}

static int dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        channel_process(userdata, events);
        return 0;
}

int channel_new(struct channel **ret, sd_event *event, int fd, enum message_sender peer,
                channel_message_t on_message, channel_closed_t on_closed, void *userdata) {
        _cleanup_(cleanup_channel_free) struct channel *channel = NULL;
        int r;

        channel = calloc(1, sizeof(*channel));
        if (!channel) {
                fd_close(fd);
                return -ENOMEM;
        }
        *channel = (struct channel){
                .fd = fd,
                .event = event,
                .epoll_fd = -1,
                .peer = peer,
                .on_message = on_message,
                .on_closed = on_closed,
                .userdata = userdata,
                .urgent = { .bytes_max = URGENT_BYTES_MAX, .fds_max = URGENT_FDS_MAX, .urgent = true },
                .bulk = { .bytes_max = BULK_BYTES_MAX, .fds_max = BULK_FDS_MAX },
        };
        list_init(&channel->unsent);
        r = sd_event_add_io(event, &channel->source, fd, wanted_events(channel), dispatch, channel);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(channel);
        return 0;
}

struct channel *channel_free(struct channel *channel) {
        if (!channel)
                return NULL;
        channel->source = sd_event_source_disable_unref(channel->source);
        channel->epoll_fd = -1; /* which may be closed */
        channel->on_lost = NULL;
        channel_flush(channel);
        stop_watching(channel);
        if (channel->dispatching) {
                channel->freed = true;
                return NULL;
        }
        close_received(channel);
        outbox_deinit(&channel->urgent);
        outbox_deinit(&channel->bulk);
        free(channel);
        return NULL;
}

int channel_fd(const struct channel *channel) {
        return channel ? channel->fd : -1;
}

int channel_watch_from(struct channel *channel, int epoll_fd, void *tag) {
        struct epoll_event event = { .events = wanted_events(channel), .data.ptr = tag };

        if (channel->fd < 0)
                return -EPIPE;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, channel->fd, &event) < 0)
                return -errno;
        channel->source = sd_event_source_disable_unref(channel->source);
        channel->later = sd_event_source_disable_unref(channel->later);
        channel->event = NULL;
        channel->epoll_fd = epoll_fd;
        channel->tag = tag;
        return 0;
}

/* ---- Receiving ---- */

/* The descriptors of a datagram. There is room for as many as any frame may have; the kernel drops what has none. */
static void find_fds(struct channel *channel, struct msghdr *datagram) {
        const struct cmsghdr *header = CMSG_FIRSTHDR(datagram);
        size_t size;

        if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
                return;
        size = MIN(header->cmsg_len - CMSG_LEN(0), sizeof(channel->received_fds));
        memcpy(channel->received_fds, CMSG_DATA(header), size);
        channel->n_received_fds = (unsigned int) (size / sizeof(int));
}

/* One datagram. Returns 1 for one, 0 when there is none, -EPIPE for the end, another negative errno. A peer that has ended
 * without reading everything is first reported as ECONNRESET; its own last frames come after that. */
static int receive(struct channel *channel, size_t *ret_size) {
        struct iovec bytes = { .iov_base = inbox, .iov_len = sizeof(inbox) };
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
        } control;
        struct msghdr datagram = {
                .msg_iov = &bytes,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_LEN(sizeof(int) * MESSAGE_FDS_MAX),
        };
        ssize_t n;

        do
                n = recvmsg(channel->fd, &datagram, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        find_fds(channel, &datagram); /* those of an empty datagram too, which looks like the end */
        if (n == 0)
                return -EPIPE;
        /* Fewer than there is room for: this process can't have any more, which is nobody's fault. */
        if ((datagram.msg_flags & MSG_CTRUNC) && channel->n_received_fds == MESSAGE_FDS_MAX)
                return -EBADMSG;
        *ret_size = (size_t) n;
        return *ret_size > sizeof(inbox) ? -EBADMSG : 1;
}

/* Hands out the frames of a datagram. */
static int deliver(struct channel *channel, size_t size) {
        size_t offset = 0;

        while (channel->fd >= 0) {
                struct message message;
                int r;

                r = message_next(inbox, size, &offset, channel->peer, &message);
                if (r <= 0)
                        return r;
                if (channel->n_received_fds > 0 &&
                    (offset != size || channel->n_received_fds > message_fds_max(message.type)))
                        return -EBADMSG;
                channel->on_message(channel, &message, channel->userdata);
                if (channel->rejected)
                        return -EBADMSG;
        }
        return 0;
}

/* Reads what is likely to be there. */
static void read_turn(struct channel *channel) {
        unsigned int limit = 1 + channel->eager, n = 0;
        size_t bytes = 0;
        bool empty = false;

        if (++channel->turns % PROBE_EVERY == 0)
                limit = MAX(limit, 2U);
        while (channel->fd >= 0 && n < limit && bytes < BYTES_PER_TURN && !empty) {
                size_t size = 0;
                int r;

                r = receive(channel, &size);
                empty = r == 0;
                if (r > 0)
                        r = deliver(channel, size);
                close_received(channel);
                if (r < 0 && channel->fd >= 0)
                        channel_close(channel, r == -EPIPE ? 0 : r);
                bytes += size;
                n++;
        }
        if (empty)
                channel->eager = 0;
        else if (limit > 1)
                channel->eager = MIN(2 * limit, DATAGRAMS_PER_TURN) - 1;
}

void channel_process(struct channel *channel, uint32_t events) {
        if (channel->fd < 0)
                return;
        channel->dispatching = true;
        channel_begin_dispatch();
        if (events & EPOLLOUT) {
                channel->blocked = false;
                (void) channel_update_events(channel);
                channel_flush(channel);
                if (!channel->blocked && channel->on_room)
                        channel->on_room(channel, channel->userdata);
        }
        if (events & ~(uint32_t) EPOLLOUT)
                read_turn(channel);
        channel->dispatching = false;
        channel_end_dispatch();
        if (channel->freed) {
                channel->freed = false;
                channel_free(channel);
        }
}

void channel_read_rest(struct channel *channel, usec_t until) {
        size_t size = 0;
        int r = 1;

        if (channel->fd < 0 || shutdown(channel->fd, SHUT_RD) < 0)
                return;
        channel->ended = true;
        (void) channel_update_events(channel);
        channel->dispatching = true;
        channel_begin_dispatch();
        while (channel->fd >= 0 && r > 0 && now_monotonic() < until) {
                r = receive(channel, &size);
                if (r > 0 && deliver(channel, size) < 0)
                        channel_close(channel, -EBADMSG);
                close_received(channel);
        }
        channel->dispatching = false;
        channel_end_dispatch();
}

void channel_reject(struct channel *channel) {
        channel->rejected = true;
}

int channel_take_fd(struct channel *channel) {
        int fd;

        if (channel->n_received_fds == 0)
                return -1;
        fd = channel->received_fds[0];
        channel->n_received_fds--;
        memmove(channel->received_fds, channel->received_fds + 1, channel->n_received_fds * sizeof(int));
        return fd;
}
