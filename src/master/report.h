/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>

#include "ipc/scoreboard.h"
#include "master/process.h"

/* Logs the crash or the hang that the record in a slot tells of: one entry with all its fields. `slot` must come from
 * scoreboard_read(). */
void report_crash(const struct process *process, const struct slot *slot);

/* Logs that a process hung, and `end`: what became of it. */
void report_hang(const struct process *process, const struct slot *slot, const char *end);

/* Logs how a process ended, unless that was in good order: killed by a signal that no handler caught, an
 * exit status, a drain that did not end by itself. */
void report_end(const struct process *process, const struct slot *slot, const siginfo_t *status);

/* Logs that the kernel has killed for memory what a process had started, as many as were not said yet. */
void report_oom_below(const struct process *process);

/* Logs that a sandbox has refused a system call, of a child or of the master itself. `route` NULL: the one in the
 * slot. */
void report_refused(const struct process *process, const struct slot *slot, const struct seccomp_call *call,
                    const char *route);
void report_refused_master(const struct seccomp_call *call);

/* Why a process that never became ready gave up, in one line. The caller frees it; NULL when out of memory.
 */
char *report_start_failure(const struct process *process, const struct slot *slot, const siginfo_t *status);
