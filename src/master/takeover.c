/* SPDX-License-Identifier: MIT */

/*
 * The new program's part of an upgrade in place (upgrade.c): to say whether it could, and to do it.
 *
 * Both read the same handover in the same way; the one answers then and ends, the other makes the service of
 * it. Descriptors are ours from the first moment, and close-on-exec again before anything else could inherit
 * them. Children that have ended meanwhile, messages that have come and signals that are pending are found by the loop as
 * at any other time.
 *
 * There is no way back here. A failure ends the program without touching the children: their channels end,
 * they finish what they have accepted, and the service manager starts the service anew.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "master/handover.h"
#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log-id.h"

/* ---- Reading ---- */

/* The offset is shared with everyone who has read it before. */
static int read_handover(int fd, struct handover *ret, struct service *service, char **ret_reason) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        r = fd_read(fd, HANDOVER_SIZE_MAX, &text, &size);
        return r < 0 ? r : handover_read(ret, service, text, size, ret_reason);
}

int takeover_check(int fd) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL;
        struct service scratch = {};
        int r;

        r = read_handover(fd, &handover, &scratch, &reason);
        handover_forget(&scratch);
        if (r < 0)
                (void) puts(reason ?: strerror(-r));
        else
                (void) puts(UPGRADE_ANSWER PACKAGE_VERSION);
        return r;
}

/* ---- Restoring ---- */

static int claim(int fd, void *userdata) {
        return fd_set_cloexec(fd, true);
}

static int restore_generation(struct service *service, struct handover *handover) {
        const struct handover_generation *generation = &handover->generation;
        int r;

        r = generation_new(&service->current, generation->number, handover->config);
        if (r < 0)
                return r;
        handover->config = NULL;
        service->current->n_workers = generation->n_workers;
        service->current->n_computes = generation->n_computes;
        log_set_level(service->current->config->log.level);
        service->agent = (struct position){ .service = service, .role = PROCESS_AGENT, .number = -1 };
        r = service_reserve_positions(service, PROCESS_WORKER, generation->n_positions);
        return r < 0 ? r
                     : service_reserve_positions(service, PROCESS_COMPUTE, generation->n_compute_positions);
}

static int restore_scoreboard(struct service *service, int fd) {
        int r;

        r = scoreboard_adopt(&service->scoreboard, fd);
        if (r < 0)
                return r;
        service->slots_used = calloc(service->scoreboard.n_slots, sizeof(*service->slots_used));
        if (!service->slots_used)
                return -ENOMEM;
        service->slots_used[SCOREBOARD_MASTER] = true;
        return 0;
}

static int restore_shared(struct service *service, const struct handover *handover) {
        const struct handover_leaving *leaving = handover->leaving.items;

        state_open(&service->state, handover->state_fd);
        state_resume(&service->state, handover->requests_seen);
        for (size_t i = 0; i < handover->leaving.n; i++)
                cgroup_release(&service->cgroup, leaving[i].name, leaving[i].core_pid);
        return service_quarantine_set_up(service);
}

static int restore_sockets(struct service *service, const struct handover_array *array) {
        struct handover_socket *sockets = array->items;

        for (size_t i = 0; i < array->n; i++) {
                int r;

                r = sockets_restore(&service->current->sockets, sockets[i].fd, sockets[i].name,
                                    sockets[i].address);
                if (r < 0)
                        return r;
                sockets[i].name = sockets[i].address = NULL;
        }
        return 0;
}

static int restore_budgets(struct service *service, const struct handover *handover) {
        const struct handover_budget *budgets = handover->budgets.items;
        const struct handover_restart *restarts = handover->restarts.items;
        const struct config *config = service->current->config;

        for (size_t i = 0; i < ELEMENTSOF(service->budget); i++) {
                int r;

                r = pool_budget_init(&service->budget[i], config->restart.limit, config->restart.interval);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < handover->budgets.n; i++) {
                service->budget[budgets[i].role].backoff = budgets[i].backoff;
                service->budget[budgets[i].role].allowed = budgets[i].allowed;
                service->budget[budgets[i].role].well = budgets[i].well;
        }
        for (size_t i = 0; i < handover->restarts.n; i++)
                pool_budget_remember(&service->budget[restarts[i].role], restarts[i].when);
        return 0;
}

static int restore_process(struct service *service, const struct process_snapshot *snapshot) {
        struct process_events events = service_events;
        struct process *process;
        size_t slot = snapshot->process.slot;
        int r;

        if (slot >= service->scoreboard.n_slots || service->slots_used[slot])
                return -EBADMSG;
        events.userdata = service;
        r = process_restore(&process, snapshot, service->event, &events);
        if (r < 0)
                return r;
        service->slots_used[slot] = true;
        list_append(&service->processes, &process->node);
        return 0;
}

static int restore_position(struct service *service, const struct handover_position *left) {
        struct position *position = service_position(service, left->role, left->number);

        position->restarts = left->restarts;
        position->stopped = left->stopped;
        if (left->start == 0)
                return 0;
        return position->timer ? -EBADMSG : service_wait_start(position, left->start);
}

static int restore_jobs(struct service *service, const struct handover *handover) {
        struct compute_job *jobs = handover->jobs.items;
        int r = 0;

        for (size_t i = 0; i < handover->jobs.n && r >= 0; i++) {
                struct compute_job *job = calloc(1, sizeof(*job));

                if (!job)
                        return -ENOMEM;
                *job = jobs[i];
                list_init(&job->node);
                r = compute_adopt(service, job);
        }
        return r;
}

/* Also when one fails: the descriptors of the others are closed by the end of the program. */
static int restore_processes(struct service *service, const struct handover *handover) {
        const struct process_snapshot *processes = handover->processes.items;
        const struct handover_position *positions = handover->positions.items;
        int r = 0;

        for (size_t i = 0; i < handover->processes.n && r >= 0; i++)
                r = restore_process(service, &processes[i]);
        for (size_t i = 0; i < handover->positions.n && r >= 0; i++)
                r = restore_position(service, &positions[i]);
        return r < 0 ? r : restore_jobs(service, handover);
}

static int restore_upgrade(struct service *service, const struct handover *handover) {
        service->upgrade.state = UPGRADE_ROLLING;
        service->upgrade.taken_over = true;
        service->upgrade.from = strdup(handover->program.version);
        return service->upgrade.from ? 0 : -ENOMEM;
}

static int restore(struct service *service, int fd, char **ret_reason) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        int r;

        r = read_handover(fd, &handover, service, ret_reason);
        r = r < 0 ? r : handover_each_fd(&handover, claim, NULL);
        r = r < 0 ? r : restore_generation(service, &handover);
        r = r < 0 ? r : restore_scoreboard(service, handover.scoreboard_fd);
        r = r < 0 ? r : restore_shared(service, &handover);
        r = r < 0 ? r : restore_sockets(service, &handover.sockets);
        r = r < 0 ? r : restore_budgets(service, &handover);
        r = r < 0 ? r : restore_processes(service, &handover);
        r = r < 0 ? r : service_schedule_restore(service, &handover);
        r = r < 0 ? r : restore_upgrade(service, &handover);
        if (r < 0)
                return r;
        service->phase = PHASE_RUNNING;
        control_open(service, &handover.control);
        return 0;
}

int takeover_restore(struct service *service, int fd) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_UPGRADE), NULL };
        _cleanup_free_ char *reason = NULL;
        int r;

        r = restore(service, fd, &reason);
        fd_close(fd);
        if (r < 0)
                return log_fields(LOG_ERR, r, fields, "Failed to take over, the service ends: %s",
                                  reason ?: strerror(-r));
        log_info("Took over from version %s, replacing all processes", service->upgrade.from);
        return 0;
}

void takeover_continue(struct service *service) {
        reap_strangers(service);
        reload_roll(service);
}
