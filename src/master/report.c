/* SPDX-License-Identifier: MIT */

/*
 * What the log says about a process that was lost: one entry an incident, readable by itself, with the same
 * fields each time, so that `journalctl MUSTER_ROUTE=…` finds every crash of a route.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "master/report.h"
#include "util/log.h"
#include "util/log-id.h"
#include "util/macro.h"
#include "util/parse.h"

struct report_fields {
        char role[32], worker[40], pid[40], signal[40], address[48], route[SCOREBOARD_ROUTE_SIZE + 16];
        char target[300], frames[4096], backtrace[4120], generation[48], core[40];
        char memory_peak[48], memory_max[48];
        char silent[56], task[JOB_TASK_SIZE + 16];
        const char *list[18];
};

static const char *signal_name(int signal, char *buffer, size_t size) {
        const char *name = sigabbrev_np(signal);

        if (name)
                (void) snprintf(buffer, size, "SIG%s", name);
        else
                (void) snprintf(buffer, size, "signal %d", signal);
        return buffer;
}

/* Fills in what is known. `crash` NULL: nothing was recorded, only the route the slot was serving is known.
 */
static void make_fields(struct report_fields *fields, const char *id, const struct process *process,
                        const struct slot *slot, const struct crash_record *crash, int signal) {
        size_t n = 0;
        char name[24];

        (void) snprintf(fields->role, sizeof(fields->role), "MUSTER_ROLE=%s",
                        process_role_name(process->role));
        (void) snprintf(fields->worker, sizeof(fields->worker), "MUSTER_%s=%d",
                        process->role == PROCESS_COMPUTE ? "COMPUTE" : "WORKER", process->number);
        (void) snprintf(fields->pid, sizeof(fields->pid), "MUSTER_PID=%d", process->pid);
        (void) snprintf(fields->generation, sizeof(fields->generation), "MUSTER_GENERATION=%" PRIu64,
                        process->generation);
        (void) snprintf(fields->signal, sizeof(fields->signal), "MUSTER_SIGNAL=%s",
                        signal ? signal_name(signal, name, sizeof(name)) : "");
        (void) snprintf(fields->address, sizeof(fields->address), "MUSTER_ADDRESS=0x%" PRIx64,
                        crash ? crash->address : 0);
        (void) snprintf(fields->route, sizeof(fields->route), "MUSTER_ROUTE=%s",
                        crash ? crash->route : slot->route);
        (void) snprintf(fields->target, sizeof(fields->target), "MUSTER_TARGET=%s",
                        crash ? crash->target : "");
        (void) snprintf(fields->backtrace, sizeof(fields->backtrace), "MUSTER_BACKTRACE=%s",
                        crash ? slot_format_backtrace(slot, fields->frames, sizeof(fields->frames)) : "");

        fields->list[n++] = id;
        fields->list[n++] = fields->role;
        if (process->role != PROCESS_AGENT)
                fields->list[n++] = fields->worker;
        if (process->role == PROCESS_COMPUTE && process->job.task[0]) {
                (void) snprintf(fields->target, sizeof(fields->target), "MUSTER_TARGET=%s",
                                process->job.request);
                (void) snprintf(fields->task, sizeof(fields->task), "MUSTER_TASK=%s", process->job.task);
                fields->list[n++] = fields->task;
        }
        fields->list[n++] = fields->pid;
        fields->list[n++] = fields->generation;
        fields->list[n++] = fields->signal;
        fields->list[n++] = fields->address;
        fields->list[n++] = fields->route;
        fields->list[n++] = fields->target;
        fields->list[n++] = fields->backtrace;
        if (crash && crash->core_pid > 0) {
                (void) snprintf(fields->core, sizeof(fields->core), "MUSTER_CORE_PID=%d", crash->core_pid);
                fields->list[n++] = fields->core;
        }
        if (process->silent > 0) {
                (void) snprintf(fields->silent, sizeof(fields->silent), "MUSTER_SILENT_USEC=%" PRIu64,
                                process->silent);
                fields->list[n++] = fields->silent;
        }
        fields->list[n] = NULL;
}

static bool was_killed_for_memory(const struct process *process, const siginfo_t *status) {
        return status->si_code == CLD_KILLED && status->si_status == SIGKILL && !process->killed &&
               process->memory.oom_kills > process->oom_kills_said;
}

/* One that the kernel has killed for memory: whose limit it was decides what can be done about it. */
static void report_oom(const struct process *process, const struct slot *slot) {
        const struct cgroup_memory *memory = &process->memory;
        char name[32], where[80] = "", limit[24], why[80];
        struct report_fields *fields;
        size_t n = 0;

        fields = malloc(sizeof(*fields));
        if (!fields) {
                log_oom();
                return;
        }
        make_fields(fields, LOG_FIELD_ID(LOG_ID_OOM), process, slot, NULL, SIGKILL);
        while (fields->list[n])
                n++;
        if (memory->peak != UINT64_MAX) {
                (void) snprintf(fields->memory_peak, sizeof(fields->memory_peak),
                                "MUSTER_MEMORY_PEAK=%" PRIu64, memory->peak);
                fields->list[n++] = fields->memory_peak;
        }
        if (memory->max != UINT64_MAX) {
                (void) snprintf(fields->memory_max, sizeof(fields->memory_max), "MUSTER_MEMORY_MAX=%" PRIu64,
                                memory->max);
                fields->list[n++] = fields->memory_max;
        }
        fields->list[n] = NULL;

        if (slot->route[0])
                (void) snprintf(where, sizeof(where), ", in %.64s", slot->route);
        if (memory->oom > 0 && memory->max != UINT64_MAX)
                (void) snprintf(why, sizeof(why), "it needed more than its memory_max of %s",
                                format_size(memory->max, limit, sizeof(limit)));
        else
                (void) snprintf(why, sizeof(why), "the service or the machine had no more");
        (void) log_fields(LOG_CRIT, 0, fields->list, "The %s (pid %d) was killed for want of memory%s: %s",
                          process_name(process, name, sizeof(name)), process->pid, where, why);
        free(fields);
}

/* The kernel takes one process of the cgroup, and that need not be the one that we know. */
void report_oom_below(const struct process *process) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_OOM), NULL };
        char name[32];

        (void) log_fields(LOG_ERR, 0, fields,
                          "Of what the %s (pid %d) had started, %" PRIu64 " were killed for want of memory",
                          process_name(process, name, sizeof(name)), process->pid,
                          process->memory.oom_kills - process->oom_kills_said);
}

/* What follows from the crash for the requests the process had. */
static const char *consequence(const struct process *process, const struct crash_record *crash) {
        if (process->role == PROCESS_COMPUTE)
                return "; its job fails, it is replaced";
        if (crash->stage == CRASH_DRAINING)
                return "; it answers the others and ends";
        if (crash->stage == CRASH_ABANDONED)
                return crash->guarded ? "; it ended at once" : "; outside a callback, it ended at once";
        return "";
}

/* Whether the fault was the master's doing: the mark of process_interrupt(). */
static bool was_interrupted(const struct process *process, const struct crash_record *crash) {
        return process->silent > 0 && crash->stage != CRASH_NONE && crash->signal == SIGABRT &&
               crash->code == SI_QUEUE;
}

void report_hang(const struct process *process, const struct slot *slot, const char *end) {
        const struct crash_record *crash = was_interrupted(process, &slot->crash) ? &slot->crash : NULL;
        const char *route = crash ? crash->route : slot->route;
        char name[32], span[USEC_FORMAT_MAX], frame[80] = "";
        struct report_fields *fields;

        fields = malloc(sizeof(*fields));
        if (!fields) {
                log_oom();
                return;
        }
        make_fields(fields, LOG_FIELD_ID(LOG_ID_HANG), process, slot, crash, SIGABRT);
        if (crash && crash->n_frames > 0)
                (void) slot_format_address(slot, crash->frames[0], frame, sizeof(frame));
        (void) log_fields(
                LOG_CRIT, 0, fields->list, "The %s (pid %d) hung: no sign of life for %s%s%.64s%s%s; %s",
                process_name(process, name, sizeof(name)), process->pid,
                usec_format(process->silent - process->silent % (100 * USEC_PER_MSEC), span, sizeof(span)),
                route[0] ? " in " : "", route, frame[0] ? ", code at " : "", frame, end);
        free(fields);
}

void report_crash(const struct process *process, const struct slot *slot) {
        const struct crash_record *crash = &slot->crash;
        struct report_fields *fields;
        char name[32], signal[24], address[40] = "", where[224] = "", frame[80] = "";

        if (was_interrupted(process, crash)) {
                report_hang(process, slot,
                            crash->stage == CRASH_DRAINING ? "it answers what it can and ends"
                                                           : "it ended at once");
                return;
        }
        fields = malloc(sizeof(*fields));
        if (!fields) {
                log_oom();
                return;
        }
        make_fields(fields, LOG_FIELD_ID(LOG_ID_CRASH), process, slot, crash, crash->signal);
        if (crash->route[0])
                (void) snprintf(where, sizeof(where), " in %.64s%s%.128s", crash->route,
                                process->job.request[0] ? " of " : "", process->job.request);
        if (crash->n_frames > 0)
                (void) slot_format_address(slot, crash->frames[0], frame, sizeof(frame));
        if (crash->code > 0)
                (void) snprintf(address, sizeof(address), " at address 0x%" PRIx64, crash->address);
        (void) log_fields(LOG_CRIT, 0, fields->list, "The %s (pid %d) crashed: %s%s%s%s%s%s",
                          process_name(process, name, sizeof(name)), process->pid,
                          signal_name(crash->signal, signal, sizeof(signal)), address, where,
                          frame[0] ? ", code at " : "", frame, consequence(process, crash));
        free(fields);
}

static void report_signal(const struct process *process, const struct slot *slot, int number) {
        struct report_fields *fields;
        char name[32], signal[24], where[80] = "";

        fields = malloc(sizeof(*fields));
        if (!fields) {
                log_oom();
                return;
        }
        make_fields(fields, LOG_FIELD_ID(LOG_ID_KILLED), process, slot, NULL, number);
        if (slot->route[0])
                (void) snprintf(where, sizeof(where), ", in %.64s", slot->route);
        (void) log_fields(LOG_CRIT, 0, fields->list, "The %s (pid %d) was killed by %s%s%s",
                          process_name(process, name, sizeof(name)), process->pid,
                          signal_name(number, signal, sizeof(signal)), where,
                          process->misbehaved ? ": it sent what it may not" : "");
        free(fields);
}

/* A process whose crash is in the log already: only a drain that went wrong is worth another line. */
static void report_drain_end(const struct process *process, const struct slot *slot,
                             const siginfo_t *status) {
        char name[32], signal[24];

        (void) process_name(process, name, sizeof(name));
        if (slot->crash.second_signal > 0 && slot->crash.second_signal <= 64)
                log_warning(0, "The %s (pid %d) faulted again while draining (%s) and ended at once", name,
                            process->pid, signal_name(slot->crash.second_signal, signal, sizeof(signal)));
        else if (status->si_code != CLD_EXITED && slot->crash.stage == CRASH_DRAINING)
                log_warning(0, "The %s (pid %d) had not finished draining in time and was killed by %s",
                            name, process->pid, signal_name(status->si_status, signal, sizeof(signal)));
}

void report_end(const struct process *process, const struct slot *slot, const siginfo_t *status) {
        char name[32];

        if (was_killed_for_memory(process, status)) {
                report_oom(process, slot);
                return;
        }
        if (process->memory.oom_kills > process->oom_kills_said)
                report_oom_below(process);
        if (process->reported)
                report_drain_end(process, slot, status);
        else if (process->silent > 0 && status->si_code != CLD_EXITED)
                report_hang(process, slot, process->killed ? "it was killed" : "SIGABRT ended it");
        else if (status->si_code != CLD_EXITED && status->si_status == SIGKILL &&
                 slot->state == SLOT_DRAINING) {
                if (!process->killed)
                        log_warning(0, "The %s (pid %d) had not finished draining in time and was killed",
                                    process_name(process, name, sizeof(name)), process->pid);
        } else if (status->si_code != CLD_EXITED) {
                if (!process->killed)
                        report_signal(process, slot, status->si_status);
        } else if (!process->failure &&
                   (status->si_status != 0 || !(process->asked || process->said_leaving)))
                log_warning(0, "The %s (pid %d) exited with status %d%s%s",
                            process_name(process, name, sizeof(name)), process->pid, status->si_status,
                            slot->route[0] ? ", in " : "", slot->route);
        else
                log_debug("The %s (pid %d) ended", process_name(process, name, sizeof(name)), process->pid);
}

/* From a child's message, so whatever it likes. */
static void make_printable(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < 0x20 || (unsigned char) *text >= 0x7f)
                        *text = '?';
}

void report_refused(const struct process *process, const struct slot *slot, const struct seccomp_call *call,
                    const char *route) {
        char name[32], number[40], worker[40], pid[40], role[32], system_call[64], where[96];
        const char *fields[] = {
                LOG_FIELD_ID(LOG_ID_REFUSED), role, pid, system_call, where, number, worker, NULL,
        };

        (void) snprintf(role, sizeof(role), "MUSTER_ROLE=%s", process_role_name(process->role));
        (void) snprintf(pid, sizeof(pid), "MUSTER_PID=%d", process->pid);
        (void) snprintf(system_call, sizeof(system_call), "MUSTER_SYSCALL=%s", call->name);
        (void) snprintf(number, sizeof(number), "MUSTER_SYSCALL_NUMBER=%d", call->number);
        (void) snprintf(worker, sizeof(worker), "MUSTER_WORKER=%d", process->number);
        (void) snprintf(where, sizeof(where), "MUSTER_ROUTE=%.64s", route ?: slot->route);
        make_printable(where);
        if (process->role != PROCESS_WORKER)
                fields[ELEMENTSOF(fields) - 2] = NULL;
        (void) log_fields(LOG_WARNING, 0, fields, "The sandbox of the %s (pid %d) refuses %s%s%s",
                          process_name(process, name, sizeof(name)), process->pid, call->name,
                          where[strlen("MUSTER_ROUTE=")] ? " in " : "", where + strlen("MUSTER_ROUTE="));
}

void report_refused_master(const struct seccomp_call *call) {
        char system_call[64];
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_REFUSED), system_call, NULL };

        (void) snprintf(system_call, sizeof(system_call), "MUSTER_SYSCALL=%s", call->name);
        (void) log_fields(LOG_CRIT, 0, fields, "The sandbox of the master refuses %s", call->name);
}

char *report_start_failure(const struct process *process, const struct slot *slot, const siginfo_t *status) {
        char name[32], signal[24], span[USEC_FORMAT_MAX], *reason = NULL;
        int n;

        (void) process_name(process, name, sizeof(name));
        if (process->overdue)
                n = asprintf(&reason, "%s was not ready within %s (ready_timeout)%s%s", name,
                             usec_format(process->ready_timeout, span, sizeof(span)),
                             slot->crash.route[0] ? ", hanging in " : "", slot->crash.route);
        else if (process->failure)
                n = asprintf(&reason, "%s: %s", name, process->failure);
        else if (was_killed_for_memory(process, status))
                n = asprintf(&reason, "%s was killed for want of memory before it was ready", name);
        else if (slot->crash.stage != CRASH_NONE)
                n = asprintf(&reason, "%s crashed with %s before it was ready", name,
                             signal_name(slot->crash.signal, signal, sizeof(signal)));
        else if (status->si_code == CLD_EXITED)
                n = asprintf(&reason, "%s exited with status %d before it was ready", name,
                             status->si_status);
        else
                n = asprintf(&reason, "%s was killed by %s before it was ready", name,
                             signal_name(status->si_status, signal, sizeof(signal)));
        return n < 0 ? NULL : reason;
}
