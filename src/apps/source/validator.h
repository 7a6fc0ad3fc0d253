/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* By what the origin can be asked whether what we have is still what it has. See validator.c. */

struct validator {
        char etag[256];         /* with its quotes; "" for none */
        char last_modified[64]; /* "" for none */
};

/* Reads it from the header fields of an answer; each may be NULL. */
void validator_read(struct validator *validator, const char *etag, const char *last_modified,
                    const char *date);

/* The header field that asks by it, "If-None-Match: …"; NULL where it is good for nothing. */
const char *validator_field(const struct validator *validator, char *buffer, size_t size);
