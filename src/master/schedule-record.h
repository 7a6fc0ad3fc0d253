/* SPDX-License-Identifier: MIT */
#pragma once

#include "master/record.h"
#include "master/schedule.h"

/* Schedules as one master leaves them to the next. See schedule-record.c. */

extern const struct record_type schedule_type, schedule_tick_type, schedule_run_type;

/* Writes all of them. */
void schedules_write(const struct schedules *schedules, FILE *file);

/* Takes over what was read, which stays the caller's. -EBADMSG, and nothing is changed, for what does not fit together. */
int schedules_restore(struct schedules *schedules, const struct schedule *items, size_t n,
                      const struct schedule_tick *ticks, size_t n_ticks, const struct schedule_run *runs,
                      size_t n_runs);
