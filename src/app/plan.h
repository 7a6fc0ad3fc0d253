/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <time.h>

#include <muster/app.h>

#include "config/config.h"
#include "ipc/schedule.h"
#include "util/cron.h"
#include "util/time.h"

/* One schedule as it is kept: what the application says and an operator has changed, and when it is due. Pure; the times are
 * those of the schedule's own clock. See plan.c. */

#define PLAN_MISSED_MAX 1000U /* more are not counted one by one */

struct plan {
        const char *name; /* the application's */
        char when[SCHEDULE_WHEN_SIZE];
        bool is_cron;
        struct cron cron;
        usec_t interval;
        usec_t jitter;
        enum muster_schedule_type type;
        enum muster_overlap overlap;
        bool immediate;
        bool disable;

        usec_t base; /* when it was due last, or began to wait */
        usec_t due;  /* when it is next; USEC_NEVER for never */
        usec_t fire; /* the same with the jitter of this time */
};

/* Makes a plan. `section` may be NULL. -EINVAL with the reason, which the caller frees. */
int plan_make(struct plan *plan, const struct muster_schedule *declared,
              const struct config_schedule *section, char **ret_reason);

clockid_t plan_clock(const struct plan *plan);

/* Begins to wait. `since` is when it was due last or began to wait before, 0 where it has not; what has been missed since
 * then is due at once. `draw` is any random number, from which the jitter comes. */
void plan_begin(struct plan *plan, usec_t since, usec_t now, uint64_t draw);

/* The clock or the zone may be another. */
void plan_adjust(struct plan *plan, usec_t now);

/* It is time: `fire` has come. Takes the last time it was due and begins to wait for the next. Returns how many were due
 * before that one and are left out. */
unsigned int plan_take(struct plan *plan, usec_t now, uint64_t draw, usec_t *ret_due);
