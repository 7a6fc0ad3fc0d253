/* SPDX-License-Identifier: MIT */

/*
 * What children send, as the master reads it: a datagram is refused, or is a row of frames that encode to the same
 * bytes.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Walks the frames and writes each again. */
static void walk(const uint8_t *bytes, size_t size, enum message_sender sender) {
        static char buffer[MESSAGE_SIZE_MAX];
        size_t offset = 0, before = 0;
        struct message message;

        while (message_next(bytes, size, &offset, sender, &message) > 0) {
                int n = message_encode(buffer, sizeof(buffer), message.type, message.payload, message.size);

                if (offset > size || n < 0 || (size_t) n != offset - before ||
                    memcmp(buffer, bytes + before, (size_t) n) != 0)
                        abort();
                before = offset;
        }
        if (offset != before)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        static const enum message_sender senders[] = { SENDER_MASTER, SENDER_WORKER, SENDER_AGENT,
                                                       SENDER_COMPUTE };

        if (size <= MESSAGE_SIZE_MAX)
                for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
                        walk(bytes, size, senders[i]);
        return 0;
}
