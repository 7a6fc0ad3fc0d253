/* SPDX-License-Identifier: MIT */

/*
 * Who gets what any worker may get.
 *
 * What counts first is what a worker has begun: each request in flight weighs as much as a thousand messages that were
 * given to it and may be done already, and a callback that does not come to its end weighs the more the longer it takes.
 * Then how much of the last second it was at work. Between two looks at the scoreboard, which cannot
 * follow a stream of messages, what was given since counts, so that they spread. Where all is equal, it goes to the one
 * that has waited longest: an idle service hands them out in turn.
 */

#include "master/least-busy.h"
#include "util/macro.h"

#define PER_REQUEST   UINT64_C(1000)
#define STUCK_SPAN    (10 * USEC_PER_MSEC) /* of a callback that weighs as much as a request */
#define STUCK_MAX     UINT64_C(1000000)
#define IN_FLIGHT_MAX UINT64_C(1000000)

uint64_t busyness_load(unsigned int in_flight, unsigned int business, usec_t stuck) {
        return MIN((uint64_t) in_flight, IN_FLIGHT_MAX) * PER_REQUEST +
               MIN(stuck / STUCK_SPAN, STUCK_MAX) * PER_REQUEST + business;
}

bool busyness_less(const struct busyness *one, const struct busyness *other) {
        uint64_t a = one->load + one->given, b = other->load + other->given;

        return a != b ? a < b : one->turn < other->turn;
}
