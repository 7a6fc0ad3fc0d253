/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/time.h"

/* Which worker has the least to do. No I/O. See least-busy.c. */

/* What is known of one. */
struct busyness {
        uint64_t load;  /* at the last look; see busyness_load() */
        uint64_t given; /* messages since */
        uint64_t turn;  /* when it was chosen for the last time, counted in choices */
};

/* `in_flight` requests are being answered, `business` permille of the last second it did not wait, and for `stuck` what it
 * does now has taken. */
uint64_t busyness_load(unsigned int in_flight, unsigned int business, usec_t stuck);

/* Whether one is to be preferred to the other. */
bool busyness_less(const struct busyness *one, const struct busyness *other);
