/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks for what lets one request hide in another. See header-check.c. */

struct header_check {
        const char *reason; /* the first thing found wrong; static text */
        bool is_1_1;

        /* What the header says about the body. */
        bool has_length;
        bool chunked;
        bool expects_continue;
        uint64_t length;

        size_t n_fields;
        size_t cookie_size; /* of all Cookie fields */

        unsigned int n_hosts;
        unsigned int n_lengths;
        unsigned int n_encodings;

        const char *expected; /* where the next line must begin, for header_check_layout() */
};

/* Begins with the request line. `target` is the raw one. */
void header_check_begin(struct header_check *check, const char *method, const char *target,
                        const char *version);

/* Asks that the lines stand in memory as a strict parser would have left them, one behind the other with
 * nothing in between. Only for a library that parses in place and keeps the buffer: `target_at` is where the
 * raw target stood. */
void header_check_layout(struct header_check *check, const char *method, const char *target_at,
                         size_t target_size, const char *version);

/* Adds a field, in the order they came. */
void header_check_field(struct header_check *check, const char *name, size_t name_size, const char *value,
                        size_t value_size);

/* Ends. `header_size` is that of the whole header as it was read, from the method to the empty line.
 * Returns NULL, or the reason why the request is to be refused. */
const char *header_check_end(struct header_check *check, const char *method, size_t header_size);
