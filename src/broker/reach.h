/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Why nobody answers there: connects and closes again, which may take a second for each address. Writes the reason; "" where
 * a connection can be made. Returns buffer. */
char *broker_reach(const char *host, unsigned int port, char *buffer, size_t size);
