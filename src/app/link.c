/* SPDX-License-Identifier: MIT */

/*
 * The channel between a parent and a function that it has forked.
 *
 * It is a channel like that to the master, with two types of frames: small messages are in the frame, larger ones in a
 * sealed memory that comes with it. Either may bring a descriptor of the application besides. Both ends run the same
 * module, so they trust each other as far as it trusts itself; but a mistake there is no reason to crash here, so
 * what comes is looked at as if it came from a stranger.
 *
 * A parent that is faster than the other end reads gets -ENOBUFS when so much waits, and is told when nothing does: it has
 * others to serve. The function has not, and may never come to its loop: its calls wait. There can be no deadlock, since the
 * parent never does.
 */

#include <errno.h>
#include <poll.h>

#include "app/link.h"
#include "app/messenger.h"
#include "util/fd.h"

#define UNSENT_MAX ((size_t) 1024 * 1024)

struct link {
        struct channel *channel;
        struct link_callbacks callbacks;
        bool open;
        bool paused; /* nothing is read, and the loop does not send what waits */
        bool waits;  /* until there is room */
        bool owed;   /* was told that there is none */
};

/* ---- Receiving ---- */

static int deliver_memory(struct link *link, int memory_fd, size_t size, int fd) {
        const struct link_callbacks *callbacks = &link->callbacks;
        const char *bytes;
        int r;

        r = size <= LINK_SIZE_MAX ? data_map(memory_fd, size, &bytes) : -EBADMSG;
        if (r < 0)
                return r;
        callbacks->message(bytes, size, fd, callbacks->userdata);
        data_unmap(bytes, size);
        return 0;
}

static int deliver_data(struct link *link, const struct message *message, int fd) {
        const struct link_callbacks *callbacks = &link->callbacks;

        if (message->payload[message->size - 1] != '\0')
                return -EBADMSG;
        callbacks->message(message->payload, message->size - 1, fd, callbacks->userdata);
        return 0;
}

/* One that can't be read is left out: better a message less than a wrong one. */
static void on_message(struct channel *channel, const struct message *message, void *userdata) {
        _cleanup_fd_ int first = channel_take_fd(channel), second = channel_take_fd(channel);
        struct link *link = userdata;
        uint64_t size;

        if (!link->open)
                return;
        if (message->type == MESSAGE_DATA)
                (void) deliver_data(link, message, first);
        else if (message->type == MESSAGE_MEMORY) {
                memcpy(&size, message->payload, sizeof(size));
                (void) deliver_memory(link, first, size, second);
        }
}

static void on_closed(struct channel *channel, int error, void *userdata) {
        struct link *link = userdata;

        if (!link->open)
                return;
        link->open = false;
        link->callbacks.closed(error, link->callbacks.userdata);
}

static void on_room(struct channel *channel, void *userdata) {
        struct link *link = userdata;

        if (!link->owed || !link->open || !link->callbacks.room)
                return;
        link->owed = false;
        link->callbacks.room(link->callbacks.userdata);
}

int link_new(struct link **ret, sd_event *event, int fd, enum message_sender peer,
             const struct link_callbacks *callbacks) {
        _cleanup_(cleanup_link_free) struct link *link = NULL;
        int r;

        link = calloc(1, sizeof(*link));
        if (!link) {
                fd_close(fd);
                return -ENOMEM;
        }
        link->callbacks = *callbacks;
        link->waits = peer == SENDER_PARENT;
        r = channel_new(&link->channel, event, fd, peer, on_message, on_closed, link);
        if (r < 0)
                return r;
        channel_on_room(link->channel, on_room);
        link->open = true;
        *ret = TAKE_PTR(link);
        return 0;
}

struct link *link_free(struct link *link) {
        if (!link)
                return NULL;
        link->open = false;
        channel_free(link->channel);
        free(link);
        return NULL;
}

/* ---- Sending ---- */

static int send_data(struct link *link, const void *bytes, size_t size, const int *fds, unsigned int n_fds) {
        _cleanup_free_ char *payload = NULL;

        payload = malloc(size + 1);
        if (!payload)
                return -ENOMEM;
        if (size > 0)
                memcpy(payload, bytes, size);
        payload[size] = '\0';
        return channel_send_fds(link->channel, MESSAGE_DATA, payload, size + 1, fds, n_fds);
}

static int send_memory(struct link *link, const void *bytes, size_t size, int fd) {
        const uint64_t whole = size;
        int fds[2] = { -1, fd }, r;

        fds[0] = data_share(bytes, size);
        if (fds[0] < 0)
                return fds[0];
        r = channel_send_fds(link->channel, MESSAGE_MEMORY, &whole, sizeof(whole), fds, fd >= 0 ? 2 : 1);
        fd_close(fds[0]);
        return r;
}

/* Waits for the other end to read. Whether it does is known without the loop, where there may be nobody to come to. */
bool link_drain(struct link *link, usec_t patience) {
        usec_t end = usec_add(now_monotonic(), patience);

        if (!link->channel)
                return true;
        channel_flush(link->channel);
        while (link->open && channel_unsent(link->channel) > 0) {
                struct pollfd room = { .fd = channel_fd(link->channel), .events = POLLOUT };
                usec_t now = now_monotonic(), left = now < end ? end - now : 0;

                if (left == 0)
                        break;
                if (poll(&room, 1, end == USEC_NEVER ? -1 : (int) (left / USEC_PER_MSEC) + 1) < 0 &&
                    errno != EINTR)
                        break;
                if (room.revents & (POLLERR | POLLHUP | POLLNVAL))
                        break;
                (void) channel_retry(link->channel);
        }
        return channel_unsent(link->channel) == 0;
}

/* Whether there is room for one more. */
static bool has_room(struct link *link) {
        if (channel_unsent(link->channel) <= (link->paused ? 0 : UNSENT_MAX))
                return true;
        return link->waits && link_drain(link, USEC_NEVER);
}

int link_send(struct link *link, const void *bytes, size_t size, int fd) {
        int r = -ENOBUFS;

        if (!link->open)
                return -EPIPE;
        if (size > LINK_SIZE_MAX)
                return -EMSGSIZE;
        if (has_room(link))
                r = size > MESSAGE_DATA_MAX ? send_memory(link, bytes, size, fd)
                                            : send_data(link, bytes, size, &fd, fd >= 0);
        else if (link->waits)
                r = -EPIPE;
        link->owed = link->owed || r == -ENOBUFS;
        if (r >= 0 && link->paused)
                (void) link_drain(link, USEC_NEVER);
        else if (r >= 0)
                channel_flush(link->channel); /* whoever computes for a minute does not come to the loop */
        return r;
}

void link_pause(struct link *link, bool pause) {
        if (!link->open || link->paused == pause)
                return;
        link->paused = pause;
        channel_pause(link->channel, pause);
}

void link_close(struct link *link) {
        link->open = false;
        link->channel = channel_free(link->channel);
}

bool link_is_open(const struct link *link) {
        return link && link->open;
}
