/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>

/* Every time and every span in muster is in microseconds. */
typedef uint64_t usec_t;

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_NEVER    UINT64_MAX

/* The clocks. Monotonic is what deadlines are computed from, realtime is for people and for HTTP. */
usec_t now_monotonic(void);
usec_t now_realtime(void);

/* Monotonic, and goes on while the machine sleeps. */
usec_t now_boottime(void);

/* The monotonic time of the kernel's last tick, up to 10 ms ago: a quarter of the price, and enough for deadlines. */
usec_t now_coarse(void);

/* Adds without wrapping: a sum that does not fit, or any with USEC_NEVER, is USEC_NEVER. */
usec_t usec_add(usec_t a, usec_t b);

/* Reads a span as systemd.time(7) writes it: "500ms", "1min 30s", "2h", "15" (seconds), "infinity".
 * Returns 0, -EINVAL for what is no span, -ERANGE for one that does not fit. */
int usec_parse(const char *text, usec_t *ret);

/* Writes a span the same way, in the fewest words that are exact: "1min 30s". Returns buffer. */
#define USEC_FORMAT_MAX 64
char *usec_format(usec_t span, char *buffer, size_t size);
