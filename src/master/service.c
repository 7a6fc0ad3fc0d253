/* SPDX-License-Identifier: MIT */

/*
 * The service: an agent and a number of workers, brought up in order, kept at that number, and taken down in
 * order.
 *
 * Start: the agent, and when it is ready the workers; when all of them are, everyone is told and systemd is.
 * Afterwards each position that loses its process gets another, as soon as the budget allows, from the
 * moment the loss is known: a crashed worker that still answers its last requests is replaced while it does.
 *
 * Only a start that never got a worker ready is given up, with the reason: there is nothing to keep alive,
 * and the person who has just typed `systemctl start` is there to read it.
 *
 * How it ends is in stop.c, how one generation follows another in reload.c.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "master/report.h"
#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log-id.h"
#include "util/text.h"

unsigned int service_count(const struct service *service, enum process_role role, enum process_state state) {
        unsigned int count = 0;

        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == role && process->state == state)
                        count++;
        }
        return count;
}

struct position *service_position(struct service *service, enum process_role role, int number) {
        switch (role) {
        case PROCESS_WORKER:
                return &service->workers[number];
        case PROCESS_COMPUTE:
                return &service->computes[number];
        default:
                return &service->agent;
        }
}

static struct position *position_of(struct service *service, const struct process *process) {
        return service_position(service, process->role, process->number);
}

bool service_was_ready(const struct service *service, enum process_role role) {
        return role == PROCESS_COMPUTE ? service->compute.was_ready : service->worker_was_ready;
}

/* ---- Starting ---- */

/* Children look at no slot beyond: each is a page, and looking at it would make it. */
static void mark_slots_end(struct service *service) {
        size_t end = service->scoreboard.n_slots;

        while (end > 0 && !service->slots_used[end - 1])
                end--;
        scoreboard_slot(&service->scoreboard, SCOREBOARD_MASTER)->slots_end = (uint32_t) end;
}

static int slot_take(struct service *service, size_t *ret) {
        for (size_t i = SCOREBOARD_MASTER + 1; i < service->scoreboard.n_slots; i++)
                if (!service->slots_used[i]) {
                        service->slots_used[i] = true;
                        scoreboard_clear(&service->scoreboard, i);
                        mark_slots_end(service);
                        *ret = i;
                        return 0;
                }
        return -EUSERS;
}

static void slot_release(struct service *service, size_t slot) {
        service->requests_gone += scoreboard_slot(&service->scoreboard, slot)->requests;
        service->refused_gone += scoreboard_slot(&service->scoreboard, slot)->quarantined;
        service_keep_counters(service, slot);
        scoreboard_clear(&service->scoreboard, slot);
        service->slots_used[slot] = false;
        mark_slots_end(service);
}

int service_spawn(struct position *position, const struct generation *generation) {
        struct service *service = position->service;
        const struct config *config = generation->config;
        bool worker = position->role == PROCESS_WORKER;
        struct heritage heritage = {
                .channel_fd = -1,
                .scoreboard_fd = service->scoreboard.fd,
                .config_fd = generation->config_fd,
                .detached_fd = -1,
                .number = position->number,
                .generation = generation->number,
                .instance = config->instance,
                .n_listeners = worker ? generation->sockets.n : 0,
                .listener_fds = generation->sockets.fds,
                .listener_names = generation->sockets.names,
        };
        struct process_options options = {
                .event = service->event,
                .role = position->role,
                .program = service->program[position->role],
                .heritage = &heritage,
                .ready_timeout = config->worker.ready_timeout,
                .leave_timeout = usec_add(config->worker.drain_timeout, config->worker.kill_timeout),
                .hang_timeout = config->worker.hang_timeout,
                .kill_timeout = config->worker.kill_timeout,
                .events = service_events,
        };
        _cleanup_fd_ int procs_fd = -1, detached_fd = -1;
        char cgroup[CGROUP_NAME_MAX];
        struct process *process;
        int r;

        r = slot_take(service, &heritage.slot);
        if (r < 0)
                return r;
        options.events.userdata = service;
        procs_fd = limits_prepare(service, generation, position, cgroup);
        options.cgroup_procs_fd = procs_fd;
        detached_fd = limits_open_detached(service, generation);
        heritage.detached_fd = detached_fd;
        options.cgroup = cgroup;
        r = process_spawn(&process, &options);
        if (r < 0) {
                cgroup_release(&service->cgroup, cgroup, 0);
                slot_release(service, heritage.slot);
                return r;
        }
        list_append(&service->processes, &process->node);
        if (service->phase < PHASE_RUNNING)
                status_starting(service);
        else if (generation == service->next)
                status_rolling(service);
        log_debug("Started %s %d, pid %d", process_role_name(position->role), position->number,
                  process->pid);
        return 0;
}

/* ---- What processes tell ---- */

static void tell_all_ready(struct service *service) {
        service->phase = PHASE_RUNNING;
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->state != PROCESS_READY)
                        continue;
                service_schedule_ready(service, process);
                (void) process_send(process, MESSAGE_MUSTER_READY);
        }
        status_ready(service);
        log_info("Ready: %u workers and the agent", service->current->n_workers);
        if (service->reload_again) {
                service->reload_again = false;
                reload_begin(service);
        } else
                upgrade_proceed(service, NULL);
}

static void start_workers(struct service *service) {
        service->phase = PHASE_WORKERS;
        for (unsigned int i = 0; i < service->current->n_workers && !service_is_stopping(service); i++)
                service_start_now(&service->workers[i]);
        compute_start(service);
}

/* Those that were lost before one had shown that starting can succeed. */
static void fill_after_first(struct service *service, const struct process *process) {
        bool *was_ready =
                process->role == PROCESS_COMPUTE ? &service->compute.was_ready : &service->worker_was_ready;

        if (process->role == PROCESS_AGENT || *was_ready)
                return;
        *was_ready = true;
        service_fill_positions(service, process->role);
}

static void on_ready(struct process *process, void *userdata) {
        struct service *service = userdata;

        limits_on_ready(service, process);
        control_process_changed(service, process);
        watchdog_look(service);
        if (service_is_stopping(service))
                return;
        usage_update_rss(&process->usage, process->pid); /* what a fresh one takes */
        pool_budget_ready(&service->budget[process->role], now_monotonic());
        if (process->role == PROCESS_AGENT && compute_plan(service, process) < 0)
                log_oom();
        if (service->phase == PHASE_AGENT) {
                start_workers(service);
                return;
        }
        fill_after_first(service, process);
        if (service->phase == PHASE_RUNNING) {
                /* The agent of the next generation stands by until it is the current one. */
                if (process->role != PROCESS_AGENT || process->generation == service->current->number) {
                        service_schedule_ready(service, process);
                        (void) process_send(process, MESSAGE_MUSTER_READY);
                }
                reload_on_ready(service, process);
                replace_proceed(service);
                service_schedule_dispatch(service);
                compute_proceed(service);
                if (!service->next)
                        status_running(service);
                return;
        }
        compute_proceed(service);
        status_starting(service);
        if (service_count(service, PROCESS_WORKER, PROCESS_READY) == service->current->n_workers &&
            compute_is_ready(service, service->current) &&
            service_count(service, PROCESS_AGENT, PROCESS_READY) == 1)
                tell_all_ready(service);
}

static void on_lost(struct process *process, void *userdata) {
        struct service *service = userdata;

        control_process_changed(service, process);
        compute_on_lost(service, process);
        if (service_is_stopping(service) || service->phase == PHASE_AGENT)
                return;
        if (process->role != PROCESS_AGENT && !service_was_ready(service, process->role))
                return;
        if (service->next && process->generation == service->next->number) {
                reload_on_lost(service, process);
                return;
        }
        service_position_lost(position_of(service, process), 0);
        if (service->phase == PHASE_RUNNING && !service->next)
                status_running(service);
}

void service_read_slot(const struct service *service, const struct process *process, struct slot *ret) {
        if (scoreboard_read(&service->scoreboard, process->slot, ret) < 0 || ret->pid != process->pid)
                *ret = (struct slot){};
}

/* A crash the agent lives through is logged by itself. */
static bool has_crashed(const struct process *process, const struct slot *slot) {
        if (process->role == PROCESS_AGENT)
                return slot->crash.stage == CRASH_ABANDONED;
        return slot->crash.stage != CRASH_NONE;
}

/* A compute process crashed for a request that a worker had. */
static void quarantine(struct service *service, const struct process *process, const struct slot *slot) {
        struct slot copy = *slot;

        if (process->role == PROCESS_AGENT)
                return;
        if (process->role == PROCESS_COMPUTE) {
                copy.crash.request_id = process->job.request_id;
                copy.crash.route_id = process->job.route_id;
                memcpy(copy.crash.request, process->job.request, sizeof(copy.crash.request));
                memcpy(copy.crash.route, process->job.route, sizeof(copy.crash.route));
        }
        service_quarantine_crashed(service, &copy);
}

static void report_once(struct service *service, struct process *process, const struct slot *slot) {
        if (process->reported || !has_crashed(process, slot))
                return;
        process->reported = true;
        if (process->role == PROCESS_COMPUTE && slot->jobs_begun < process->jobs_given)
                process->job = (struct job_call){}; /* it had not begun, and is not to blame */
        state_crashed(&service->state);
        report_crash(process, slot);
        quarantine(service, process, slot);
}

static void on_crashed(struct process *process, void *userdata) {
        struct service *service = userdata;
        struct slot slot;

        service_read_slot(service, process, &slot);
        if (slot.crash.stage > CRASH_UNWOUND)
                report_once(service, process, &slot);
}

/* Whether the first start has failed with this end, and if so says why. */
static bool start_has_failed(struct service *service, const struct process *process, const struct slot *slot,
                             const siginfo_t *status) {
        _cleanup_free_ char *reason = NULL;

        if (service->phase > PHASE_WORKERS || service_was_ready(service, process->role) ||
            process->was_ready)
                return false;
        if (process->role != PROCESS_AGENT && service_count(service, process->role, PROCESS_STARTING) > 0)
                return false;
        reason = report_start_failure(process, slot, status);
        service_fail(service, MASTER_EXIT_FAILURE, "Start failed: %s", reason ?: "out of memory");
        return true;
}

/* One that never became ready: that ends a first start or a reload, or is a loss like others. */
static void on_not_ready(struct service *service, const struct process *process, const struct slot *slot,
                         const siginfo_t *status) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_START_FAILED), NULL };
        _cleanup_free_ char *reason = NULL;

        if (start_has_failed(service, process, slot, status))
                return;
        reason = report_start_failure(process, slot, status);
        control_start_failed(service, process, reason ?: "out of memory");
        if (service->next && process->generation == service->next->number)
                reload_fail(service, "%s", reason ?: "out of memory");
        else if (!replace_on_failed(service, process, reason))
                (void) log_fields(LOG_ERR, 0, fields, "Start failed: %s", reason ?: "out of memory");
}

static void on_gone(struct process *process, const siginfo_t *status, void *userdata) {
        struct service *service = userdata;
        struct slot slot;

        service_read_slot(service, process, &slot);
        limits_on_gone(service, process);
        report_once(service, process, &slot);
        if (!process->reported && !process->killed && status->si_code != CLD_EXITED)
                state_crashed(&service->state);
        report_end(process, &slot, status);
        compute_on_gone(service, process);
        if (!service_is_stopping(service) && !process->was_ready && !process->asked)
                on_not_ready(service, process, &slot, status);

        cgroup_release(&service->cgroup, process->cgroup, slot.crash.core_pid);
        slot_release(service, process->slot);
        control_process_gone(service, process);
        route_gone(service, process);
        service_schedule_gone(service, process);
        process_free(process);
        compute_dismiss(service);
        reap_strangers(service);
        replace_proceed(service);
        if (service_is_stopping(service))
                service_proceed_stop(service);
        else if (service->phase == PHASE_RUNNING && !service->next)
                status_running(service);
}

static void on_refused(struct process *process, const struct seccomp_call *call, const char *route,
                       void *userdata) {
        struct slot slot;

        service_read_slot(userdata, process, &slot);
        report_refused(process, &slot, call, route);
}

static void on_message(struct process *process, const struct message *message, void *userdata) {
        if (message->type == MESSAGE_APP)
                route_message(userdata, process, message);
        else
                service_schedule_receive(userdata, process, message);
}

static void on_unsent(struct process *process, const struct message *message, int error, void *userdata) {
        if (message->type == MESSAGE_APP)
                route_unsent(userdata, process, message, error);
        else if (error != -ESRCH && (message->type == MESSAGE_JOB || message->type == MESSAGE_RESULT))
                compute_unsent(userdata, process, message);
}

static void on_room(struct process *process, void *userdata) {
        compute_proceed(userdata);
}

static void on_job(struct process *process, const struct message *message, int fd, void *userdata) {
        compute_receive(userdata, process, message, fd);
}

const struct process_events service_events = {
        .ready = on_ready,
        .lost = on_lost,
        .gone = on_gone,
        .crashed = on_crashed,
        .refused = on_refused,
        .message = on_message,
        .unsent = on_unsent,
        .room = on_room,
        .job = on_job,
};

/* ---- Giving up ---- */

void service_fail(struct service *service, int exit_status, const char *format, ...) {
        va_list arguments;
        char *text = NULL;
        int n;

        if (service_is_stopping(service))
                return;
        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n >= 0) {
                const char *const fields[] = {
                        exit_status == MASTER_EXIT_LIMIT ? LOG_FIELD_ID(LOG_ID_RESTART_LIMIT)
                                                         : LOG_FIELD_ID(LOG_ID_START_FAILED),
                        NULL,
                };

                free(service->failure);
                service->failure = text_fold(text);
                (void) log_fields(LOG_ERR, 0, fields, "%s", text);
        }
        service->exit_status = exit_status;
        service_stop(service);
}
