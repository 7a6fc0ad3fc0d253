/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "validator.h"

/* The data on disk, for a worker that starts while the origin is down. See copy.c. */

struct copy {
        struct validator validator;
        char *data; /* owned */
        size_t size;
        uint64_t age; /* since it was written, in microseconds */
};

/* Keeps what came from this address in a folder. 0 or a negative errno; then what was there stays. */
int copy_write(const char *folder, const char *url, const struct validator *validator, const char *data,
               size_t size);

/* Removes what others have begun to write and, since they have crashed, not finished. */
void copy_tidy(const char *folder);

/* Reads it. -ENOENT where there is none, -ESTALE for one of another address, -EFBIG for one of more than `max` bytes,
 * -EBADMSG for what is none. */
int copy_read(const char *folder, const char *url, size_t max, struct copy *ret);
