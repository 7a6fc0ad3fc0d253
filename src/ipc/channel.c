/* SPDX-License-Identifier: MIT */

/*
 * The channel: how the master and one child talk.
 *
 * SOCK_SEQPACKET keeps frames whole, delivers them in order and tells with a clean end-of-file when the
 * other process is gone, whatever killed it. Reading takes a bounded number of frames a turn, so that a
 * child that floods its channel cannot keep the master from the others. Whoever sends what it may not has
 * its channel closed: there is no way back from a peer that does not keep to the protocol.
 */

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "util/fd.h"

#define FRAMES_PER_TURN 32

/* Room for one descriptor beside a datagram. */
union control {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
};

struct channel {
        int fd;
        sd_event_source *source;
        int received_fd; /* with the frame that is being delivered, or -1 */
        enum message_sender peer;
        channel_message_t on_message;
        channel_closed_t on_closed;
        void *userdata;
        bool dispatching;
        bool freed; /* by a callback; the dispatcher does it when it is back */
};

int channel_pair(int ret_fds[static 2]) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds) < 0)
                return -errno;
        return 0;
}

static void channel_close(struct channel *channel, int error) {
        channel->source = sd_event_source_disable_unref(channel->source);
        channel->fd = fd_close(channel->fd);
        channel->on_closed(channel, error, channel->userdata);
}

/* The descriptor of a datagram; there is room for one, and the kernel drops what has none. */
static int find_fd(struct msghdr *datagram) {
        const struct cmsghdr *header = CMSG_FIRSTHDR(datagram);
        int fd = -1;

        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
            header->cmsg_len == CMSG_LEN(sizeof(fd)))
                memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

/* One frame. Returns 1 for a frame, 0 when there is none, -EPIPE for the end, another negative errno. A peer that has ended
 * without reading everything is first reported as ECONNRESET; its own last frames come after that. */
static int channel_receive(struct channel *channel, char buffer[static MESSAGE_SIZE_MAX],
                           struct message *ret) {
        struct iovec bytes = { .iov_base = buffer, .iov_len = MESSAGE_SIZE_MAX };
        union control control;
        struct msghdr datagram = {
                .msg_iov = &bytes,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        _cleanup_fd_ int fd = -1;
        ssize_t n;

        do
                n = recvmsg(channel->fd, &datagram, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        if (n == 0)
                return -EPIPE;
        fd = find_fd(&datagram);
        if ((size_t) n > MESSAGE_SIZE_MAX || message_decode(buffer, (size_t) n, channel->peer, ret) < 0)
                return -EBADMSG;
        if (fd >= 0 && !message_brings_fd(ret->type))
                return -EBADMSG;
        channel->received_fd = TAKE_FD(fd);
        return 1;
}

static int channel_dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct channel *channel = userdata;

        channel->dispatching = true;
        for (size_t i = 0; i < FRAMES_PER_TURN && channel->fd >= 0; i++) {
                char buffer[MESSAGE_SIZE_MAX];
                struct message message;
                int r;

                r = channel_receive(channel, buffer, &message);
                if (r == 0)
                        break;
                if (r < 0)
                        channel_close(channel, r == -EPIPE ? 0 : r);
                else
                        channel->on_message(channel, &message, channel->userdata);
                channel->received_fd = fd_close(channel->received_fd);
        }
        channel->dispatching = false;
        if (channel->freed)
                free(channel);
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
                .received_fd = -1,
                .peer = peer,
                .on_message = on_message,
                .on_closed = on_closed,
                .userdata = userdata,
        };
        r = sd_event_add_io(event, &channel->source, fd, EPOLLIN, channel_dispatch, channel);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(channel);
        return 0;
}

struct channel *channel_free(struct channel *channel) {
        if (!channel)
                return NULL;
        channel->source = sd_event_source_disable_unref(channel->source);
        channel->fd = fd_close(channel->fd);
        if (channel->dispatching)
                channel->freed = true;
        else
                free(channel);
        return NULL;
}

int channel_fd(const struct channel *channel) {
        return channel ? channel->fd : -1;
}

static int channel_send_buffer(int fd, const void *buffer, size_t size) {
        ssize_t n;

        do
                n = send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int channel_send(struct channel *channel, enum message_type type, const void *payload, size_t size) {
        char buffer[MESSAGE_SIZE_MAX];
        int n;

        if (channel->fd < 0)
                return -EPIPE;
        n = message_encode(buffer, sizeof(buffer), type, payload, size);
        if (n < 0)
                return n;
        return channel_send_buffer(channel->fd, buffer, (size_t) n);
}

int channel_send_fd(struct channel *channel, enum message_type type, int fd) {
        char buffer[sizeof(struct message_header)];
        union control control = {
                .header = {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(fd)),
                },
        };
        struct iovec bytes = { .iov_base = buffer };
        const struct msghdr datagram = {
                .msg_iov = &bytes,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        int n;

        if (channel->fd < 0)
                return -EPIPE;
        n = message_encode(buffer, sizeof(buffer), type, NULL, 0);
        if (n < 0)
                return n;
        bytes.iov_len = (size_t) n;
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        return sendmsg(channel->fd, &datagram, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int channel_take_fd(struct channel *channel) {
        return TAKE_FD(channel->received_fd);
}

int channel_send_raw(int fd, enum message_type type) {
        return channel_send_raw_payload(fd, type, NULL, 0);
}

int channel_send_raw_payload(int fd, enum message_type type, const void *payload, size_t size) {
        char buffer[MESSAGE_SIZE_MAX];
        int n;

        if (fd < 0)
                return -EBADF;
        n = message_encode(buffer, sizeof(buffer), type, payload, size);
        if (n < 0)
                return n;
        return channel_send_buffer(fd, buffer, (size_t) n);
}
