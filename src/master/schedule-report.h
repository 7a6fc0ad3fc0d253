/* SPDX-License-Identifier: MIT */
#pragma once

#include "master/schedule.h"

/* What the log says of schedules. See schedule-report.c. */

struct process;

/* What became of a tick that was due. */
void schedule_report_tick(struct schedule *schedule, enum schedule_verdict verdict,
                          const struct message_tick *tick, usec_t now);

/* What became of a run, and of the tick where that is over. `worker` is who did it. */
void schedule_report_outcome(const struct schedule *schedule, const struct schedule_outcome *outcome,
                             int worker, usec_t hold);

/* The service stops before it was finished. */
void schedule_report_cut(const struct schedule *schedule, int worker);

/* "ok", "failed: Connection refused" … */
char *schedule_format_result(unsigned int how, int result, const char *text, char *buffer, size_t size);
