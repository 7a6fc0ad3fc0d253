/* SPDX-License-Identifier: MIT */

/*
 * Encoding and checking of frames, without any I/O, so that it is tested and fuzzed fast.
 *
 * A datagram is a row of frames: header, payload, zeros up to the next multiple of 8. So the payload of each
 * begins aligned, and a datagram can be made by putting one frame behind the other. A frame that brings
 * descriptors is alone in its datagram, since the kernel says of a datagram what came with it, not of a part.
 *
 * Both ends run on one machine and from one package, so numbers travel in host order; the version guards
 * against a child of another build (an upgrade of the files under a running master). What a type is allowed
 * to be is data: one table says who may send it, how much it may carry, how many descriptors it may bring and
 * how it waits. The master decodes what its children send with nothing else than this. Every frame can be
 * written in one way only: the padding is checked too, so that nothing travels where nobody looks.
 */

#include <errno.h>

#include "ipc/job.h"
#include "ipc/message.h"
#include "ipc/schedule.h"
#include "util/macro.h"

static const struct {
        const char *name;
        unsigned int senders;
        uint32_t size_min, size_max;
        unsigned int fds_max;
        bool bulk;
} types[_MESSAGE_TYPE_MAX] = {
        [MESSAGE_READY] = { "ready", SENDER_CHILD, 0, 1 },
        [MESSAGE_FAILED] = { "failed", SENDER_CHILD, 0, 1024 },
        [MESSAGE_SUICIDE] = { "suicide", SENDER_CHILD, 0, 0 },
        [MESSAGE_LEAVING] = { "leaving", SENDER_CHILD, 0, 0 },
        [MESSAGE_MUSTER_READY] = { "muster-ready", SENDER_MASTER, 0, 0 },
        [MESSAGE_DRAIN] = { "drain", SENDER_MASTER, 0, 0 },
        [MESSAGE_STOP] = { "stop", SENDER_MASTER, 0, 0 },
        [MESSAGE_LISTENER] = { "listener", SENDER_CHILD, 0, 0, .fds_max = 1 },
        [MESSAGE_REFUSED] = { "refused", SENDER_CHILD, sizeof(struct message_refused),
                              sizeof(struct message_refused) },
        [MESSAGE_APP] = { "app", SENDER_MASTER | SENDER_WORKER | SENDER_AGENT,
                          sizeof(struct message_envelope),
                          sizeof(struct message_envelope) + MESSAGE_ACTION_MAX + 1 + MESSAGE_DATA_MAX + 1,
                          .fds_max = 2, .bulk = true },
        [MESSAGE_JOB] = { "job", SENDER_MASTER | SENDER_WORKER | SENDER_AGENT, sizeof(struct job_call),
                          JOB_MESSAGE_MAX, .fds_max = 1 },
        [MESSAGE_RESULT] = { "result", SENDER_MASTER | SENDER_COMPUTE, sizeof(struct job_answer),
                             sizeof(struct job_answer) + JOB_INLINE_MAX + 1, .fds_max = 1, .bulk = true },
        [MESSAGE_CANCEL] = { "cancel", SENDER_WORKER | SENDER_AGENT, sizeof(struct job_cancel),
                             sizeof(struct job_cancel) },
        [MESSAGE_UNDELIVERED] = { "undelivered", SENDER_MASTER, sizeof(struct message_undelivered),
                                  sizeof(struct message_undelivered) },
        [MESSAGE_SCHEDULE] = { "schedule", SENDER_AGENT, sizeof(struct message_schedule),
                               sizeof(struct message_schedule) },
        [MESSAGE_SINCE] = { "since", SENDER_MASTER, sizeof(struct message_since),
                            sizeof(struct message_since) },
        [MESSAGE_TICK] = { "tick", SENDER_AGENT, sizeof(struct message_tick), sizeof(struct message_tick) },
        [MESSAGE_NEXT] = { "next", SENDER_AGENT, sizeof(struct message_next), sizeof(struct message_next) },
        [MESSAGE_RUN] = { "run", SENDER_MASTER, sizeof(struct message_run), sizeof(struct message_run) },
        [MESSAGE_DONE] = { "done", SENDER_WORKER, sizeof(struct message_done), sizeof(struct message_done) },
        [MESSAGE_DATA] = { "data", SENDER_PARENT | SENDER_FORKED, 1, MESSAGE_DATA_MAX + 1, .fds_max = 1,
                           .bulk = true },
        [MESSAGE_MEMORY] = { "memory", SENDER_PARENT | SENDER_FORKED, sizeof(uint64_t), sizeof(uint64_t),
                             .fds_max = 2, .bulk = true },
};

/* Whatever a type allows fits into a datagram. */
_Static_assert(sizeof(struct message_header) + sizeof(struct message_envelope) + MESSAGE_ACTION_MAX + 1 +
                               MESSAGE_DATA_MAX + 1 + 2 * MESSAGE_ALIGN <=
                       MESSAGE_SIZE_MAX,
               "a message of the application does not fit into a datagram");
_Static_assert(sizeof(struct message_header) + JOB_MESSAGE_MAX + MESSAGE_ALIGN <= MESSAGE_SIZE_MAX,
               "a job does not fit into a datagram");

int message_check_size(enum message_type type, size_t size) {
        return size >= types[type].size_min && size <= types[type].size_max ? 0 : -EMSGSIZE;
}

int message_begin(void *buffer, size_t room, enum message_type type, size_t size, void **ret) {
        struct message_header header = {
                .version = MESSAGE_VERSION,
                .type = (uint16_t) type,
                .size = (uint32_t) size,
        };
        size_t whole = message_frame_size(size), end = sizeof(header) + size;

        if (message_check_size(type, size) < 0 || whole > room)
                return -EMSGSIZE;
        memcpy(buffer, &header, sizeof(header));
        memset((char *) buffer + end, 0, whole - end);
        *ret = (char *) buffer + sizeof(header);
        return (int) whole;
}

int message_encode(void *buffer, size_t room, enum message_type type, const void *payload, size_t size) {
        void *place;
        int r;

        r = message_begin(buffer, room, type, size, &place);
        if (r > 0 && size > 0)
                memcpy(place, payload, size);
        return r;
}

static bool is_zero(const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bytes[i] != 0)
                        return false;
        return true;
}

int message_next(const void *datagram, size_t size, size_t *offset, enum message_sender sender,
                 struct message *ret) {
        const char *frame = (const char *) datagram + *offset;
        size_t left = size - *offset, whole, end;
        struct message_header header;

        if (left == 0)
                return 0;
        if (left < sizeof(header))
                return -EBADMSG;
        memcpy(&header, frame, sizeof(header));
        if (header.version != MESSAGE_VERSION || header.type >= _MESSAGE_TYPE_MAX)
                return -EBADMSG;
        if (message_check_size((enum message_type) header.type, header.size) < 0 ||
            !(types[header.type].senders & (unsigned int) sender))
                return -EBADMSG;
        whole = message_frame_size(header.size);
        end = sizeof(header) + header.size;
        if (whole > left || !is_zero(frame + end, whole - end))
                return -EBADMSG;

        *ret = (struct message){
                .type = (enum message_type) header.type,
                .payload = frame + sizeof(header),
                .size = header.size,
        };
        *offset += whole;
        return 1;
}

unsigned int message_fds_max(enum message_type type) {
        return types[type].fds_max;
}

bool message_is_bulk(enum message_type type) {
        return types[type].bulk;
}

const char *message_name(enum message_type type) {
        return (unsigned int) type < _MESSAGE_TYPE_MAX ? types[type].name : "unknown";
}
