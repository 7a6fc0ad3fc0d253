/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The ranges of a Range field. See range.c. */

#define RANGES_MAX 32U

struct byte_range {
        uint64_t start;
        uint64_t size; /* never 0 */
};

/* Reads a Range for something of this size: the ranges that have bytes in it, as far as they do, in the order in which
 * they were asked for. Returns 0; -ERANGE where none has any; -EINVAL for what is to be ignored. */
int range_parse(const char *text, uint64_t size, struct byte_range ret[RANGES_MAX], size_t *ret_n);
