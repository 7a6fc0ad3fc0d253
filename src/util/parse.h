/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of these take the whole text or refuse it: -EINVAL for what is not of the kind, -ERANGE for what
 * does not fit. No sign, no white space around, no trailing bytes. */

/* Decimal digits only. */
int parse_uint64(const char *text, uint64_t *ret);

/* A number with an optional K, M, G or T (powers of 1024): "512", "64K", "1M". */
int parse_size(const char *text, uint64_t *ret);

/* yes, no, true, false, on, off, 1, 0, in any case. */
int parse_bool(const char *text, bool *ret);

/* Writes a size with the largest suffix that is exact. Returns buffer. */
char *format_size(uint64_t size, char *buffer, size_t room);
