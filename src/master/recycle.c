/* SPDX-License-Identifier: MIT */

/*
 * Recycling: workers of an application that leaks, fragments its memory or ages otherwise are replaced before that
 * hurts.
 *
 * This chooses one worker, and the caller sees to it that there is never more than one on its way out. Memory goes
 * first, since it is what the whole machine runs out of; among equals it is the one that is furthest past its limit.
 *
 * Workers that were started together reach a limit together, and would then all be replaced in a row. So each has
 * a limit of its own, up to a tenth below the one that was set: multiples of the golden ratio lie evenly in the
 * tenth for any number of workers. Memory is not spread, as it does not grow in step.
 *
 * A limit that even a fresh worker exceeds would have workers replaced for ever, as fast as they start. Such a worker is
 * kept for a minute. The counts come from the workers themselves; usage.c has put them in bounds, and one that lies
 * about its requests is replaced for nothing, which harms only itself.
 */

#include <limits.h>

#include "master/recycle.h"

#define GOLDEN_RATIO UINT32_C(0x9e3779b1) /* its fraction, of 2^32 */

uint64_t recycle_spread(uint64_t limit, unsigned int seed) {
        uint64_t share = (uint32_t) ((uint32_t) seed * GOLDEN_RATIO) >> 16;

        return limit - (limit / 10 * share >> 16);
}

bool recycle_is_large(const struct recycle_limits *limits, const struct recycle_candidate *candidate) {
        return limits->rss != UINT64_MAX && candidate->rss_first >= limits->rss;
}

/* *ret_far: how many times the limit it has reached. */
static enum recycle_reason is_due(const struct recycle_limits *limits,
                                  const struct recycle_candidate *candidate, double *ret_far) {
        uint64_t age = recycle_spread(limits->age, candidate->seed);
        uint64_t requests = recycle_spread(limits->requests, candidate->seed);

        if (limits->rss != UINT64_MAX && candidate->rss >= limits->rss &&
            (!recycle_is_large(limits, candidate) || candidate->age >= RECYCLE_LARGE_AGE)) {
                *ret_far = (double) candidate->rss / (double) limits->rss;
                return RECYCLE_RSS;
        }
        if (limits->requests != UINT_MAX && candidate->requests >= requests) {
                *ret_far = (double) candidate->requests / (double) requests;
                return RECYCLE_REQUESTS;
        }
        if (limits->age != USEC_NEVER && candidate->age >= age) {
                *ret_far = (double) candidate->age / (double) age;
                return RECYCLE_AGE;
        }
        return RECYCLE_NONE;
}

enum recycle_reason recycle_choose(const struct recycle_limits *limits,
                                   const struct recycle_candidate *candidates, size_t n, size_t *ret_index) {
        enum recycle_reason best = RECYCLE_NONE;
        double furthest = 0;

        for (size_t i = 0; i < n; i++) {
                enum recycle_reason reason;
                double far = 0;

                reason = is_due(limits, &candidates[i], &far);
                if (reason == RECYCLE_NONE || (best == RECYCLE_RSS && reason != RECYCLE_RSS))
                        continue;
                if (far <= furthest && (reason == RECYCLE_RSS) == (best == RECYCLE_RSS))
                        continue;
                best = reason;
                furthest = far;
                *ret_index = i;
        }
        return best;
}
