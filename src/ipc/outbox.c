/* SPDX-License-Identifier: MIT */

/*
 * The frames that wait to be sent on a channel.
 *
 * They wait as the datagrams they will travel in. A frame goes into the last one as long as there is room, so
 * that all that is sent in a turn of the loop costs one call of the kernel; a frame with descriptors closes the
 * datagram before it and has its own. So order holds between all of them.
 *
 * What waits is bounded by its bytes and by its descriptors, in each outbox and, but for what is urgent, in all of this process
 * together: that some do not read must not keep others from being told to stop. An outbox that has nothing takes no
 * memory: a datagram begins small, since most often it carries one frame, and grows to its full size when there is more.
 * After a burst the memory is given back to the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>

#include "ipc/outbox.h"
#include "util/fd.h"
#include "util/macro.h"

#define ROOM_FIRST ((size_t) 512)
#define ALL_MAX    ((size_t) 128 * 1024 * 1024)
#define BURST      ((size_t) 1024 * 1024) /* so much in one outbox is one */

/* The last one that was in use: a stream of full datagrams needs one after another. */
static struct packet *spare;

static size_t bytes_in_all;

void packet_free(struct packet *packet) {
        for (unsigned int i = 0; i < packet->n_fds; i++)
                fd_close(packet->fds[i]);
        if (packet->room == MESSAGE_SIZE_MAX && !spare)
                spare = packet;
        else
                free(packet);
}

static struct packet *packet_new(size_t size) {
        size_t room = size <= ROOM_FIRST ? ROOM_FIRST : MESSAGE_SIZE_MAX;
        struct packet *packet;

        if (room == MESSAGE_SIZE_MAX && spare)
                packet = TAKE_PTR(spare);
        else
                packet = malloc(sizeof(*packet) + room);
        if (packet) {
                packet->next = NULL;
                packet->n_fds = 0;
                packet->size = 0;
                packet->room = room;
        }
        return packet;
}

static void append_packet(struct outbox *outbox, struct packet *packet) {
        if (outbox->last)
                outbox->last->next = packet;
        else
                outbox->first = packet;
        outbox->last = packet;
}

/* The last datagram, with more room: it is the only one whose place in memory may change, and what points to it is
 * found from the first. */
static struct packet *grow_last(struct outbox *outbox) {
        struct packet *old = outbox->last, *before = NULL, *grown;

        for (struct packet *packet = outbox->first; packet != old; packet = packet->next)
                before = packet;
        grown = packet_new(MESSAGE_SIZE_MAX);
        if (!grown)
                return NULL;
        memcpy(grown->bytes, old->bytes, old->size);
        grown->size = old->size;
        if (before)
                before->next = grown;
        else
                outbox->first = grown;
        outbox->last = grown;
        packet_free(old);
        return grown;
}

/* Where a frame of that size goes, or NULL for want of memory. */
static struct packet *packet_for(struct outbox *outbox, size_t whole) {
        struct packet *last = outbox->last;

        if (last && last->n_fds == 0 && last->size + whole <= last->room)
                return last;
        if (last && last->n_fds == 0 && last->size + whole <= MESSAGE_SIZE_MAX)
                return grow_last(outbox);
        last = packet_new(whole);
        if (last)
                append_packet(outbox, last);
        return last;
}

static bool has_room(const struct outbox *outbox, size_t whole) {
        return outbox->bytes + whole <= outbox->bytes_max &&
               (outbox->urgent || bytes_in_all + whole <= ALL_MAX);
}

static void count(struct outbox *outbox, size_t whole) {
        outbox->bytes += whole;
        outbox->peak = MAX(outbox->peak, outbox->bytes);
        bytes_in_all += whole;
}

int outbox_reserve(struct outbox *outbox, enum message_type type, size_t size, void **ret) {
        size_t whole = message_frame_size(size);
        struct packet *packet;
        int r;

        r = message_check_size(type, size);
        if (r < 0)
                return r;
        if (!has_room(outbox, whole))
                return -ENOBUFS;
        packet = packet_for(outbox, whole);
        if (!packet)
                return -ENOMEM;
        (void) message_begin(packet->bytes + packet->size, packet->room - packet->size, type, size, ret);
        packet->size += whole;
        count(outbox, whole);
        return 0;
}

int outbox_append(struct outbox *outbox, enum message_type type, const void *payload, size_t size) {
        void *place;
        int r;

        r = outbox_reserve(outbox, type, size, &place);
        if (r >= 0 && size > 0)
                memcpy(place, payload, size);
        return r;
}

static int duplicate(struct packet *packet, const int *fds, unsigned int n_fds) {
        for (unsigned int i = 0; i < n_fds; i++) {
                int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);

                if (fd < 0)
                        return -errno;
                packet->fds[packet->n_fds++] = fd;
        }
        return 0;
}

int outbox_append_fds(struct outbox *outbox, enum message_type type, const void *payload, size_t size,
                      const int *fds, unsigned int n_fds) {
        size_t whole = message_frame_size(size);
        struct packet *packet;
        int r;

        if (n_fds == 0)
                return outbox_append(outbox, type, payload, size);
        if (n_fds > message_fds_max(type) || n_fds > MESSAGE_FDS_MAX)
                return -EINVAL;
        if (!has_room(outbox, whole) || outbox->n_fds + n_fds > outbox->fds_max)
                return -ENOBUFS;
        packet = packet_new(whole);
        if (!packet)
                return -ENOMEM;
        r = message_encode(packet->bytes, packet->room, type, payload, size);
        r = r < 0 ? r : duplicate(packet, fds, n_fds);
        if (r < 0) {
                packet_free(packet);
                return r;
        }
        packet->size = whole;
        append_packet(outbox, packet);
        count(outbox, whole);
        outbox->n_fds += n_fds;
        return 0;
}

static void end_burst(struct outbox *outbox) {
        if (outbox->peak >= BURST) {
                free(TAKE_PTR(spare));
                (void) malloc_trim(0);
        }
        outbox->peak = 0;
}

struct packet *outbox_take(struct outbox *outbox) {
        struct packet *packet = outbox->first;

        outbox->first = packet->next;
        if (!outbox->first)
                outbox->last = NULL;
        outbox->bytes -= packet->size;
        bytes_in_all -= packet->size;
        outbox->n_fds -= packet->n_fds;
        return packet;
}

void outbox_pop(struct outbox *outbox) {
        if (outbox_empty(outbox))
                return;
        packet_free(outbox_take(outbox));
        if (outbox_empty(outbox))
                end_burst(outbox);
}

void outbox_deinit(struct outbox *outbox) {
        while (!outbox_empty(outbox))
                outbox_pop(outbox);
}
