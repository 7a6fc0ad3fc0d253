/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct exchange;

/* How much of a body that nobody wants is read, so that the client gets its answer and keeps the connection.
 */
#define BODY_DISCARD_MAX UINT64_C(262144)

/* What to do about the body, decided by the header. Returns the status to answer at once, or 0. */
unsigned int body_plan(struct exchange *exchange);

/* Takes a piece. 0, -EFBIG where the client must be cut off, -ENOMEM. */
int body_take(struct exchange *exchange, const char *data, size_t size);
