/* SPDX-License-Identifier: MIT */
#pragma once

#include <microhttpd.h>

#include "app/arena.h"
#include "http/range.h"

/* Several parts of a file as one answer. See multipart.c. */

struct multipart_plan {
        int fd;           /* taken over when it succeeds */
        const char *type; /* of the file, NULL for none */
        uint64_t file_size;
        const struct byte_range *ranges; /* n of them; not needed afterwards */
        size_t n;
};

/* Makes the answer. Its size and its Content-Type, which lives in the arena, are told. NULL when it can't be made. */
struct MHD_Response *multipart_answer(const struct multipart_plan *plan, struct arena *arena,
                                      size_t *ret_size, const char **ret_type);
