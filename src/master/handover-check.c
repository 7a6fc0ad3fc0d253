/* SPDX-License-Identifier: MIT */

/*
 * Whether a handover that could be read makes sense as a whole, and whether this program can go on from there.
 * That is asked twice: by the new program when it is tried, and again when it takes over.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "ipc/counters.h"
#include "ipc/message.h"
#include "ipc/quarantine-page.h"
#include "ipc/scoreboard.h"
#include "master/handover.h"
#include "master/schedule-record.h"
#include "master/service.h"

int handover_refuse(char **ret_reason, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(ret_reason, format, arguments) < 0)
                *ret_reason = NULL;
        va_end(arguments);
        return *ret_reason ? -EINVAL : -ENOMEM;
}

static int check_program(const struct handover_program *program, char **ret_reason) {
        if (!program->version)
                return handover_refuse(ret_reason, "the handover does not tell of which version it is");
        if (program->message != MESSAGE_VERSION)
                return handover_refuse(ret_reason,
                                       "the running processes speak version %u of messages, it speaks %u",
                                       program->message, MESSAGE_VERSION);
        if (program->scoreboard != SCOREBOARD_VERSION || program->stride != scoreboard_stride() ||
            program->slot != sizeof(struct slot) || program->page != sizeof(struct quarantine_page) ||
            program->counter != sizeof(struct counter))
                return handover_refuse(
                        ret_reason,
                        "the running processes have another scoreboard (version %u) than it (version %u)",
                        program->scoreboard, SCOREBOARD_VERSION);
        return 0;
}

static bool has_position(const struct handover *handover, enum process_role role, int number) {
        const struct handover_generation *generation = &handover->generation;

        if (role == PROCESS_AGENT)
                return number == -1;
        return number >= 0 && (size_t) number < (role == PROCESS_WORKER ? generation->n_positions
                                                                        : generation->n_compute_positions);
}

static bool is_possible(const struct service *service, const struct handover *handover,
                        const struct process *process) {
        return has_position(handover, process->role, process->number) && process->pid > 0 &&
               process->slot != SCOREBOARD_MASTER && process->generation > 0 &&
               process->generation <= MAX(service->n_reloads + 1, handover->generation.number);
}

static int check_processes(const struct handover *handover, const struct service *service,
                           char **ret_reason) {
        const struct process_snapshot *processes = handover->processes.items;

        for (size_t i = 0; i < handover->processes.n; i++) {
                const struct process *process = &processes[i].process;

                if (!is_possible(service, handover, process))
                        return handover_refuse(ret_reason, "there can be no process %d as it is described",
                                               process->pid);
                for (size_t j = 0; j < i; j++)
                        if (processes[j].process.pid == process->pid ||
                            processes[j].process.slot == process->slot)
                                return handover_refuse(ret_reason, "process %d is there twice",
                                                       process->pid);
        }
        return 0;
}

static int check_positions(const struct handover *handover, char **ret_reason) {
        const struct handover_position *positions = handover->positions.items;

        for (size_t i = 0; i < handover->positions.n; i++)
                if (!has_position(handover, positions[i].role, positions[i].number))
                        return handover_refuse(ret_reason, "there is no position %d", positions[i].number);
        return 0;
}

static int check_sockets(const struct handover *handover, char **ret_reason) {
        const struct handover_socket *sockets = handover->sockets.items;

        if (handover->sockets.n == 0)
                return handover_refuse(ret_reason, "there are no sockets");
        for (size_t i = 0; i < handover->sockets.n; i++)
                if (sockets[i].fd < 0 || !sockets[i].name)
                        return handover_refuse(ret_reason, "a socket is not described");
        return 0;
}

static int check_schedules(const struct handover *handover, char **ret_reason) {
        _cleanup_free_ struct schedules *scratch = calloc(1, sizeof(*scratch));
        int r;

        if (!scratch)
                return -ENOMEM;
        r = schedules_restore(scratch, handover->schedules.items, handover->schedules.n,
                              handover->ticks.items, handover->ticks.n, handover->runs.items,
                              handover->runs.n);
        schedules_deinit(scratch);
        return r == -EBADMSG ? handover_refuse(ret_reason, "its schedules do not fit together") : r;
}

/* Its texts are those of a message that was checked; that they end is what reading sees to. */
static int check_jobs(const struct handover *handover, char **ret_reason) {
        const struct compute_job *jobs = handover->jobs.items;

        for (size_t i = 0; i < handover->jobs.n; i++) {
                const struct compute_job *job = &jobs[i];

                if (!job->call.task[0] || job->call.size > JOB_DATA_MAX || job->call.timeout == 0 ||
                    (job->call.size > 0 && job->fd < 0))
                        return handover_refuse(ret_reason, "a job is not described");
        }
        return 0;
}

int handover_check(struct handover *handover, const struct service *service, char **ret_reason) {
        const struct handover_generation *generation = &handover->generation;
        int r;

        r = check_program(&handover->program, ret_reason);
        if (r < 0)
                return r;
        if (generation->number == 0 || !generation->config || handover->scoreboard_fd < 0 ||
            generation->n_positions < MAX(generation->n_workers, 1U) ||
            generation->n_compute_positions < generation->n_computes)
                return handover_refuse(ret_reason, "the handover is not complete");
        r = config_restore(&handover->config, generation->config, ret_reason);
        if (r == -EBADMSG)
                r = handover_refuse(ret_reason, "cannot read the configuration in the handover");
        r = r < 0 ? r : check_sockets(handover, ret_reason);
        r = r < 0 ? r : check_positions(handover, ret_reason);
        r = r < 0 ? r : check_jobs(handover, ret_reason);
        r = r < 0 ? r : check_processes(handover, service, ret_reason);
        return r < 0 ? r : check_schedules(handover, ret_reason);
}
