/* SPDX-License-Identifier: MIT */

/*
 * The sending half of a channel.
 *
 * Frames are not sent one by one: a call of the kernel for each would cost more than all else that is done with it.
 * They are packed into datagrams (outbox.c), and those are sent when the dispatch that made them ends, or as soon
 * as one is full. So a lone frame waits for nothing but the end of what is being done anyhow. What is sent outside
 * of a dispatch, from a timer of the same loop, leaves as soon as the loop turns.
 *
 * There are two queues. Most types are few and matter (READY, DRAIN): they go ahead, and what is reserved for them
 * cannot be taken by others. The types that an application sends as many of as it likes wait in the other, which
 * is long, but bounded; it can be held back until the other end is ready for it. Order holds within each.
 *
 * The kernel lets a user have only so many descriptors under way (RLIMIT_NOFILE of them). When others take no notice of
 * theirs, a frame with one cannot be sent, and nothing tells when it can: then it is lost, and told. So is one whose
 * descriptor the kernel passes to nobody (io_uring's); where it has not waited yet, the caller hears of either.
 *
 * The list of channels that have something to send belongs to the thread that runs the loop, as they do.
 */

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "ipc/channel-state.h"

#define RAW_MAX 512U /* the stack of a signal handler is small */

static struct list unsent = LIST_INIT(unsent);
static unsigned int dispatching;

/* Room for the descriptors beside a datagram. */
union control {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
};

/* ---- One datagram ---- */

static int send_message(int fd, const struct msghdr *datagram) {
        ssize_t n;

        do
                n = sendmsg(fd, datagram, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static int send_with_fds(int fd, struct iovec *bytes, size_t n_bytes, const int *fds, unsigned int n_fds) {
        union control control = {
                .header = {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int) * n_fds),
                },
        };
        const struct msghdr datagram = {
                .msg_iov = bytes,
                .msg_iovlen = n_bytes,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(sizeof(int) * n_fds),
        };

        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        return send_message(fd, &datagram);
}

static int send_buffer(int fd, const void *buffer, size_t size) {
        ssize_t n;

        do
                n = send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static int send_packet(int fd, struct packet *packet) {
        struct iovec bytes = { .iov_base = packet->bytes, .iov_len = packet->size };

        if (packet->n_fds > 0)
                return send_with_fds(fd, &bytes, 1, packet->fds, packet->n_fds);
        return send_buffer(fd, packet->bytes, packet->size);
}

/* ---- What waits ---- */

/* Whether it is for its descriptors that a frame cannot be sent: others can. */
static bool is_of_fds(int error, unsigned int n_fds) {
        return n_fds > 0 && (error == -ETOOMANYREFS || error == -EINVAL || error == -EBADF);
}

static void each_frame(struct channel *channel, const struct packet *packet, channel_message_t callback,
                       void *userdata) {
        const enum message_sender ourselves = SENDER_MASTER | SENDER_CHILD;
        struct message message;
        size_t offset = 0;

        while (message_next(packet->bytes, packet->size, &offset, ourselves, &message) > 0)
                callback(channel, &message, userdata);
}

/* The first one of an outbox, which is out of it before anybody is told, who may send again. */
static void lose_first(struct channel *channel, struct outbox *outbox) {
        struct packet *packet = outbox_take(outbox);

        if (channel->on_lost)
                each_frame(channel, packet, channel->on_lost, channel->userdata);
        packet_free(packet);
}

/* Sends datagrams, the last too unless more may go into it. */
static int flush_outbox(struct channel *channel, struct outbox *outbox, bool keep_last) {
        while (!outbox_empty(outbox) && !(keep_last && !outbox->first->next)) {
                int r;

                r = send_packet(channel->fd, outbox->first);
                if (r >= 0)
                        outbox_pop(outbox);
                else if (is_of_fds(r, outbox->first->n_fds))
                        lose_first(channel, outbox);
                else
                        return r;
        }
        return 0;
}

/* Why a datagram could not be sent: it waits, or the other end is gone. Returns what a caller is told. */
static int not_sent(struct channel *channel, int error) {
        if (error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM) {
                channel->blocked = true;
                return channel_update_events(channel);
        }
        channel->broken = true;
        return -EPIPE;
}

static bool can_send(const struct channel *channel) {
        return channel->fd >= 0 && !channel->blocked && !channel->broken;
}

/* Sends what waits; nothing of the other overtakes what is urgent. The last datagram of the outbox that is being filled, if
 * any is, stays. */
static void flush_outboxes(struct channel *channel, const struct outbox *filling) {
        int r;

        if (!can_send(channel))
                return;
        r = flush_outbox(channel, &channel->urgent, filling == &channel->urgent);
        if (r >= 0 && !channel->held && filling != &channel->urgent)
                r = flush_outbox(channel, &channel->bulk, filling == &channel->bulk);
        if (r < 0)
                (void) not_sent(channel, r);
}

void channel_flush(struct channel *channel) {
        list_remove(&channel->unsent);
        flush_outboxes(channel, NULL);
}

void channel_flush_all(void) {
        while (!list_empty(&unsent))
                channel_flush(container_of(unsent.next, struct channel, unsent));
}

void channel_begin_dispatch(void) {
        dispatching++;
}

void channel_end_dispatch(void) {
        if (--dispatching == 0)
                channel_flush_all();
}

static int dispatch_later(sd_event_source *source, void *userdata) {
        channel_flush(userdata);
        return 0;
}

/* Has the loop flush it; without one, its owner does. */
static int flush_later(struct channel *channel) {
        if (!channel->event)
                return 0;
        if (channel->later)
                return sd_event_source_set_enabled(channel->later, SD_EVENT_ONESHOT);
        return sd_event_add_defer(channel->event, &channel->later, dispatch_later, channel);
}

/* A frame was put into one of the outboxes. It is the last one there, and is not sent here: its payload may not be written
 * yet. */
static void want_flush(struct channel *channel, const struct outbox *outbox) {
        if (channel->held && outbox == &channel->bulk)
                return;
        if (outbox->first->next)
                flush_outboxes(channel, outbox);
        if (!list_empty(&channel->unsent) || channel->blocked)
                return;
        list_append(&unsent, &channel->unsent);
        if (dispatching == 0)
                (void) flush_later(channel); /* for want of memory it waits for the next dispatch */
}

static struct outbox *outbox_for(struct channel *channel, enum message_type type) {
        return message_is_bulk(type) ? &channel->bulk : &channel->urgent;
}

int channel_reserve(struct channel *channel, enum message_type type, size_t size, void **ret) {
        struct outbox *outbox = outbox_for(channel, type);
        int r;

        if (channel->fd < 0 || channel->broken)
                return -EPIPE;
        r = outbox_reserve(outbox, type, size, ret);
        if (r < 0)
                return r;
        want_flush(channel, outbox);
        return 0;
}

int channel_send(struct channel *channel, enum message_type type, const void *payload, size_t size) {
        void *place;
        int r;

        r = channel_reserve(channel, type, size, &place);
        if (r >= 0 && size > 0)
                memcpy(place, payload, size);
        return r;
}

/* Sends a frame without a copy of it, or of its descriptors. */
static int send_at_once(struct channel *channel, enum message_type type, const void *payload, size_t size,
                        const int *fds, unsigned int n_fds) {
        static const char zeros[MESSAGE_ALIGN];
        struct message_header header = {
                .version = MESSAGE_VERSION,
                .type = (uint16_t) type,
                .size = (uint32_t) size,
        };
        struct iovec bytes[] = {
                { .iov_base = &header, .iov_len = sizeof(header) },
                { .iov_base = (void *) payload, .iov_len = size },
                { .iov_base = (void *) zeros, .iov_len = message_frame_size(size) - sizeof(header) - size },
        };
        int r;

        r = message_check_size(type, size);
        return r < 0 ? r : send_with_fds(channel->fd, bytes, ELEMENTSOF(bytes), fds, n_fds);
}

int channel_send_fds(struct channel *channel, enum message_type type, const void *payload, size_t size,
                     const int *fds, unsigned int n_fds) {
        struct outbox *outbox = outbox_for(channel, type);
        int r;

        if (n_fds == 0)
                return channel_send(channel, type, payload, size);
        if (channel->fd < 0 || channel->broken)
                return -EPIPE;
        if (n_fds > message_fds_max(type))
                return -EINVAL;
        if (!(channel->held && outbox == &channel->bulk))
                flush_outboxes(channel, NULL);
        if (outbox_empty(outbox) && can_send(channel) && !(channel->held && outbox == &channel->bulk)) {
                r = send_at_once(channel, type, payload, size, fds, n_fds);
                if (r == -ETOOMANYREFS)
                        return -ENOBUFS;
                if (r >= 0 || r == -EMSGSIZE || is_of_fds(r, n_fds))
                        return r;
                r = not_sent(channel, r);
                if (r < 0)
                        return r;
        }
        r = outbox_append_fds(outbox, type, payload, size, fds, n_fds);
        if (r >= 0)
                want_flush(channel, outbox);
        return r;
}

int channel_send_fd(struct channel *channel, enum message_type type, const void *payload, size_t size,
                    int fd) {
        return channel_send_fds(channel, type, payload, size, &fd, 1);
}

bool channel_retry(struct channel *channel) {
        if (channel->fd < 0 || channel->broken)
                return true;
        channel->blocked = false;
        channel_flush(channel);
        return outbox_empty(&channel->urgent) && (channel->held || outbox_empty(&channel->bulk));
}

void channel_hold(struct channel *channel, bool hold) {
        channel->held = hold;
        if (!hold && !outbox_empty(&channel->bulk))
                want_flush(channel, &channel->bulk);
}

void channel_on_room(struct channel *channel, void (*on_room)(struct channel *channel, void *userdata)) {
        channel->on_room = on_room;
}

size_t channel_unsent(const struct channel *channel) {
        return channel->urgent.bytes + channel->bulk.bytes;
}

bool channel_is_crowded(const struct channel *channel) {
        const struct outbox *bulk = &channel->bulk;

        return channel->blocked && (bulk->bytes > bulk->bytes_max / 4 || bulk->n_fds > bulk->fds_max / 4);
}

void channel_on_lost(struct channel *channel, channel_message_t on_lost) {
        channel->on_lost = on_lost;
}

void channel_each_unsent(const struct channel *channel, channel_message_t callback, void *userdata) {
        for (const struct packet *packet = channel->bulk.first; packet; packet = packet->next)
                each_frame((struct channel *) channel, packet, callback, userdata);
}

/* ---- From a signal handler ---- */

int channel_send_raw(int fd, enum message_type type) {
        return channel_send_raw_payload(fd, type, NULL, 0);
}

int channel_send_raw_payload(int fd, enum message_type type, const void *payload, size_t size) {
        char buffer[RAW_MAX + sizeof(struct message_header)];
        int n;

        if (fd < 0)
                return -EBADF;
        n = message_encode(buffer, sizeof(buffer), type, payload, size);
        if (n < 0)
                return n;
        return send_buffer(fd, buffer, (size_t) n);
}
