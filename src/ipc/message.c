/* SPDX-License-Identifier: MIT */

/*
 * Encoding and checking of frames, without any I/O, so that it is tested and fuzzed fast.
 *
 * Both ends run on one machine and from one package, so numbers travel in host order; the version guards
 * against a child of another build (an upgrade of the files under a running master). What a type is allowed
 * to be is data: one table says who may send it and how much it may carry. The master decodes what its
 * children send with nothing else than this.
 */

#include <errno.h>

#include "ipc/message.h"
#include "util/macro.h"

static const struct {
        const char *name;
        unsigned int senders;
        uint32_t size_max;
        bool brings_fd;
} types[_MESSAGE_TYPE_MAX] = {
        [MESSAGE_READY] = { "ready", SENDER_CHILD, 0 },
        [MESSAGE_FAILED] = { "failed", SENDER_CHILD, 1024 },
        [MESSAGE_SUICIDE] = { "suicide", SENDER_CHILD, 0 },
        [MESSAGE_LEAVING] = { "leaving", SENDER_CHILD, 0 },
        [MESSAGE_MUSTER_READY] = { "muster-ready", SENDER_MASTER, 0 },
        [MESSAGE_DRAIN] = { "drain", SENDER_MASTER, 0 },
        [MESSAGE_STOP] = { "stop", SENDER_MASTER, 0 },
        [MESSAGE_LISTENER] = { "listener", SENDER_CHILD, 0, true },
        [MESSAGE_REFUSED] = { "refused", SENDER_CHILD, sizeof(struct message_refused) },
};

int message_encode(void *buffer, size_t room, enum message_type type, const void *payload, size_t size) {
        struct message_header header = {
                .version = MESSAGE_VERSION,
                .type = (uint16_t) type,
                .size = (uint32_t) size,
        };

        if (size > types[type].size_max || sizeof(header) + size > room)
                return -EMSGSIZE;
        memcpy(buffer, &header, sizeof(header));
        if (size > 0)
                memcpy((char *) buffer + sizeof(header), payload, size);
        return (int) (sizeof(header) + size);
}

int message_decode(const void *datagram, size_t size, enum message_sender sender, struct message *ret) {
        struct message_header header;

        if (size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, datagram, sizeof(header));
        if (header.version != MESSAGE_VERSION || header.type >= _MESSAGE_TYPE_MAX)
                return -EBADMSG;
        if (header.size != size - sizeof(header) || header.size > types[header.type].size_max)
                return -EBADMSG;
        if (!(types[header.type].senders & (unsigned int) sender))
                return -EBADMSG;

        *ret = (struct message){
                .type = (enum message_type) header.type,
                .payload = (const char *) datagram + sizeof(header),
                .size = header.size,
        };
        return 0;
}

bool message_brings_fd(enum message_type type) {
        return types[type].brings_fd;
}

const char *message_name(enum message_type type) {
        return (unsigned int) type < _MESSAGE_TYPE_MAX ? types[type].name : "unknown";
}
