/* SPDX-License-Identifier: MIT */

/*
 * The envelope of a message, as the master reads it from a child and a child from the master: it is refused, or is written
 * again as the same bytes.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        static char buffer[MESSAGE_SIZE_MAX];
        struct envelope envelope;

        if (envelope_read(bytes, size, &envelope) < 0)
                return 0;
        if (strlen(envelope.action) != envelope.head.action_size ||
            envelope_fds(&envelope.head) > MESSAGE_FDS_MAX)
                abort();
        if (envelope_size(&envelope.head) != size || size > sizeof(buffer))
                abort();
        envelope_write(buffer, &envelope.head, envelope.action, envelope.data);
        if (memcmp(buffer, bytes, size) != 0)
                abort();
        return 0;
}
