/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/time.h"

/* Times as crontab(5) writes them. See cron.c. */

struct cron {
        uint64_t seconds; /* sets of bits, */
        uint64_t minutes;
        uint32_t hours;
        uint32_t days;     /* from 1 */
        uint32_t months;   /* from 1 */
        uint32_t weekdays; /* Sunday is 0 */
        bool days_star;    /* the field began with a star: the other one of the two decides alone */
        bool weekdays_star;
};

#define CRON_REASON_MAX 160
#define CRON_ALLOWED                                                                                          \
        "5 or 6 fields as in crontab(5), the sixth, before the others, being seconds; or @yearly, @monthly, " \
        "@weekly, @daily, @hourly"

/* Reads 5 fields, 6 with seconds before them, or a name such as @daily. -EINVAL with the reason, which names the field, its
 * value and what is allowed. `reason` may be NULL. */
int cron_parse(const char *text, struct cron *ret, char *reason, size_t size);

/* The first time after this one, both of CLOCK_REALTIME; local time is that of TZ or /etc/localtime. USEC_NEVER where there
 * is none in the next 50 years. */
usec_t cron_next(const struct cron *cron, usec_t after);
