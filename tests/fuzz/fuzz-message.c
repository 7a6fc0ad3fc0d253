/* SPDX-License-Identifier: MIT */

/*
 * What children send, as the master reads it: a datagram is refused, or is a frame that encodes to the same bytes.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        static const enum message_sender senders[] = { SENDER_MASTER, SENDER_WORKER, SENDER_AGENT };
        char buffer[MESSAGE_SIZE_MAX];

        for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
                struct message message;
                int n;

                if (message_decode(bytes, size, senders[i], &message) < 0)
                        continue;
                n = message_encode(buffer, sizeof(buffer), message.type, message.payload, message.size);
                if (n < 0 || (size_t) n != size || memcmp(buffer, bytes, size) != 0)
                        abort();
        }
        return 0;
}
