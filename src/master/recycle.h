/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/time.h"

/* Which worker is due to be replaced by a fresh one. Pure decisions; see recycle.c. */

/* A worker that had more than max_rss from the beginning is kept for so long. */
#define RECYCLE_LARGE_AGE (60 * USEC_PER_SEC)

enum recycle_reason {
        RECYCLE_NONE,
        RECYCLE_REQUESTS,
        RECYCLE_AGE,
        RECYCLE_RSS,
};

struct recycle_limits {
        unsigned int requests; /* UINT_MAX: none */
        usec_t age;            /* USEC_NEVER: none */
        uint64_t rss;          /* UINT64_MAX: none */
};

/* A worker that is ready. */
struct recycle_candidate {
        unsigned int seed; /* spreads the limits: the worker's number will do */
        usec_t age;
        uint64_t requests;
        uint64_t rss;       /* 0: not known */
        uint64_t rss_first; /* what it had when it was new */
};

/* The limit that holds for the worker with this seed, up to a tenth below. */
uint64_t recycle_spread(uint64_t limit, unsigned int seed);

/* Whether this one had more than max_rss when it was new, so that replacing it gains little. */
bool recycle_is_large(const struct recycle_limits *limits, const struct recycle_candidate *candidate);

/* Who goes first. Returns the reason and *ret_index, or RECYCLE_NONE. */
enum recycle_reason recycle_choose(const struct recycle_limits *limits,
                                   const struct recycle_candidate *candidates, size_t n, size_t *ret_index);
