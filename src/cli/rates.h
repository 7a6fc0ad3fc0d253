/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/value.h"
#include "util/time.h"

/* How fast things happen between two looks at a service. See rates.c. */

struct rate {
        uint64_t pid;
        uint64_t requests; /* counted so far */
        uint64_t busy;
        double requests_per_second;
        double busy_percent;
};

struct rates {
        struct rate *all; /* one each worker */
        size_t n;
        usec_t at;
        double requests_per_second;
};

#define RATES_NULL                                                                                          \
        { 0 }

void rates_deinit(struct rates *rates);
#define _cleanup_rates_ _cleanup_(rates_deinit)

/* Takes the counters of a status that was got at this time. Returns 0 or -ENOMEM. */
int rates_update(struct rates *rates, const struct value *status, usec_t now);

/* NULL for a process that is not known. */
const struct rate *rates_find(const struct rates *rates, uint64_t pid);
