/* SPDX-License-Identifier: MIT */

/*
 * The master: sets up the service, runs the loop, cleans up.
 *
 * It never runs application code, never loads a module and never reads a request, so there is little in it
 * that could fail; it is what everything else relies on.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <systemd/sd-daemon.h>

#include "master/master.h"
#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/nofile.h"

/* As many as a reload may want, and more for those that are draining while others crash. Memory is taken only by slots
 * that are used. */
#define N_SLOTS (64U + 8U * CONFIG_WORKERS_MAX)

static int dispatch_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                                void *userdata) {
        struct service *service = userdata;

        log_info("Stopping on SIG%s", sigabbrev_np((int) info->ssi_signo));
        service_stop(service);
        return 0;
}

static int dispatch_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        reload_begin(userdata);
        return 0;
}

static int dispatch_upgrade(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        _cleanup_free_ char *reason = NULL;

        if (upgrade_begin(userdata, &reason) == -EBUSY)
                log_notice("Not upgrading: %s", reason);
        return 0;
}

/* Before all other events: a signal that was read from its descriptor and not dispatched would be lost in an upgrade, and
 * nobody who floods us with messages shall keep us from an operator. */
static int watch_signal(struct service *service, sd_event_source **ret, int signal,
                        sd_event_signal_handler_t handler) {
        int r;

        r = sd_event_add_signal(service->event, ret, signal, handler, service);
        r = r < 0 ? r : sd_event_source_set_priority(*ret, SD_EVENT_PRIORITY_IMPORTANT);
        return r < 0 ? log_error(r, "Failed to watch signals: %m") : 0;
}

static int set_up_signals(struct service *service) {
        static const int stop_signals[] = { SIGTERM, SIGINT, SIGQUIT };
        sigset_t watched;
        int r;

        (void) sigemptyset(&watched);
        for (size_t i = 0; i < ELEMENTSOF(stop_signals); i++)
                (void) sigaddset(&watched, stop_signals[i]);
        (void) sigaddset(&watched, SIGHUP);
        (void) sigaddset(&watched, SIGUSR2);
        (void) sigaddset(&watched, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &watched, NULL);
        (void) signal(SIGPIPE, SIG_IGN);

        for (size_t i = 0; i < ELEMENTSOF(stop_signals); i++) {
                r = watch_signal(service, &service->stop_signals[i], stop_signals[i], dispatch_stop_signal);
                if (r < 0)
                        return r;
        }
        r = watch_signal(service, &service->hangup, SIGHUP, dispatch_hangup);
        return r < 0 ? r : watch_signal(service, &service->upgrade_signal, SIGUSR2, dispatch_upgrade);
}

static int find_programs(struct service *service) {
        static const char *const names[] = {
                [PROCESS_AGENT] = "muster-agent",
                [PROCESS_WORKER] = "muster-worker",
                [PROCESS_COMPUTE] = "muster-compute",
        };
        const char *directory = getenv("MUSTER_LIBEXEC_DIR");

        if (!directory || !*directory)
                directory = MUSTER_LIBEXEC_DIR_DEFAULT;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (asprintf(&service->program[i], "%s/%s", directory, names[i]) < 0)
                        return log_oom();
        if (asprintf(&service->master_program, "%s/muster-master", directory) < 0)
                return log_oom();
        return 0;
}

static int set_up_positions(struct service *service, struct config *config) {
        int r;

        r = generation_new(&service->current, 1, config);
        if (r < 0) {
                config_free(config);
                return log_error(r, "Failed to copy the configuration: %m");
        }
        service->agent = (struct position){ .service = service, .role = PROCESS_AGENT, .number = -1 };
        return service_reserve_positions(service, PROCESS_WORKER, service->current->n_workers) < 0
                       ? log_oom()
                       : 0;
}

static int set_up_memory(struct service *service) {
        int r;

        r = scoreboard_create(&service->scoreboard, N_SLOTS);
        if (r < 0)
                return log_error(r, "Failed to create the scoreboard: %m");
        service->slots_used = calloc(N_SLOTS, sizeof(*service->slots_used));
        if (!service->slots_used)
                return log_oom();
        service->slots_used[SCOREBOARD_MASTER] = true;
        scoreboard_clear(&service->scoreboard, SCOREBOARD_MASTER);
        scoreboard_slot(&service->scoreboard, SCOREBOARD_MASTER)->pid = getpid();
        return 0;
}

static int set_up_budgets(struct service *service) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(service->budget) && r >= 0; i++)
                r = pool_budget_init(&service->budget[i], service->current->config->restart.limit,
                                     service->current->config->restart.interval);
        return r < 0 ? log_oom() : 0;
}

static int open_sockets(struct service *service) {
        _cleanup_fd_ int state_fd = -1;
        char *reason = NULL;
        int r;

        r = sockets_open(&service->current->sockets, service->current->config->http.listen, &state_fd,
                         &reason);
        if (r < 0) {
                log_error(0, "%s", reason ?: strerror(-r));
                free(service->failure);
                service->failure = reason;
                return r;
        }
        state_open(&service->state, TAKE_FD(state_fd));
        state_started(&service->state);
        return 0;
}

/* What a service begins with; one that another master has left has it. */
static int set_up_state(struct service *service) {
        int r;

        r = set_up_memory(service);
        r = r < 0 ? r : set_up_budgets(service);
        r = r < 0 ? r : open_sockets(service);
        if (r >= 0)
                upkeep_warn_idle(service, service->current->config);
        r = r < 0 ? r : service_quarantine_set_up(service);
        if (r >= 0)
                control_open(service, NULL);
        return r;
}

static int set_up(struct service *service) {
        int r;

        r = sd_event_new(&service->event);
        if (r < 0)
                log_error(r, "Failed to make the event loop: %m");
        r = r < 0 ? r : set_up_signals(service);
        r = r < 0 ? r : reap_watch(service);
        r = r < 0 ? r : find_programs(service);
        if (r >= 0)
                limits_open(service);
        r = r < 0 ? r : status_watch(service);
        r = r < 0 ? r : upkeep_watch(service);
        return r < 0 ? r : watchdog_start(service);
}

static void service_deinit(struct service *service) {
        control_free(service->control);
        LIST_FOREACH_SAFE(node, &service->processes)
                process_free(container_of(node, struct process, node));
        for (size_t i = 0; i < service->n_positions; i++)
                sd_event_source_disable_unref(service->workers[i].timer);
        for (size_t i = 0; i < service->n_compute_positions; i++)
                sd_event_source_disable_unref(service->computes[i].timer);
        compute_deinit(&service->compute);
        sd_event_source_disable_unref(service->agent.timer);
        sd_event_source_disable_unref(service->stop_timer);
        sd_event_source_disable_unref(service->status_timer);
        sd_event_source_disable_unref(service->quarantine_timer);
        sd_event_source_disable_unref(service->route.tell);
        sd_event_source_disable_unref(service->watch_timer);
        for (size_t i = 0; i < ELEMENTSOF(service->stop_signals); i++)
                sd_event_source_disable_unref(service->stop_signals[i]);
        sd_event_source_disable_unref(service->hangup);
        sd_event_source_disable_unref(service->upgrade_signal);
        upgrade_deinit(&service->upgrade);
        sd_event_source_disable_unref(service->sigchld);
        sd_event_source_disable_unref(service->round_timer);
        sd_event_source_disable_unref(service->replace_timer);
        sd_event_source_disable_unref(service->refused);
        sd_event_unref(service->event);
        for (size_t i = 0; i < ELEMENTSOF(service->budget); i++)
                pool_budget_deinit(&service->budget[i]);
        schedules_deinit(&service->schedules);
        scoreboard_deinit(&service->scoreboard);
        state_deinit(&service->state);
        cgroup_deinit(&service->cgroup);
        free(service->slots_used);
        free(service->workers);
        free(service->computes);
        for (size_t i = 0; i < ELEMENTSOF(service->program); i++)
                free(service->program[i]);
        free(service->master_program);
        free(service->failure);
        free(service->reload_failure);
        generation_free(service->next, service->current);
        generation_free(service->current, NULL);
}

static void log_report(const struct config_report *report) {
        for (size_t i = 0; i < report->n_lines; i++)
                log_full(report->lines[i].error ? LOG_ERR : LOG_WARNING, 0, "%s", report->lines[i].text);
}

static const char *first_error(const struct config_report *report) {
        for (size_t i = 0; i < report->n_lines; i++)
                if (report->lines[i].error)
                        return report->lines[i].text;
        return NULL;
}

int master_load_config(const struct master_arguments *arguments, struct config **ret, char **ret_reason) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        const char *reason;
        int r;

        *ret_reason = NULL;
        r = config_load(ret, arguments->config, arguments->instance, arguments->overrides, &report);
        log_report(&report);
        if (r >= 0)
                return 0;
        reason = first_error(&report);
        if (reason)
                *ret_reason = strdup(reason);
        else {
                (void) log_error(r, "Cannot read %s: %m", arguments->config);
                if (asprintf(ret_reason, "Cannot read %s: %s", arguments->config, strerror(-r)) < 0)
                        *ret_reason = NULL;
        }
        return r;
}

int master_run(const struct master_arguments *arguments, struct config *config) {
        _cleanup_(service_deinit) struct service service = {
                .arguments = arguments,
                .started = now_monotonic(),
                .scoreboard = SCOREBOARD_NULL,
                .cgroup = CGROUP_NULL,
                .state = STATE_NULL,
                .upgrade = UPGRADE_NULL,
        };
        int r;

        nofile_raise(); /* there are some for each child, and those that are passed on */
        list_init(&service.processes);
        compute_init(&service.compute);
        r = config ? set_up_positions(&service, config) : 0;
        r = r < 0 ? r : set_up(&service);
        if (config)
                r = r < 0 ? r : set_up_state(&service);
        else
                r = r < 0 ? r : takeover_restore(&service, arguments->handover_fd);
        r = r < 0 ? r : service_enter_sandbox(&service);
        if (r < 0 && !config)
                return MASTER_EXIT_FAILURE; /* those who are there finish by themselves */
        if (r >= 0) {
                if (config)
                        (void) service_start_agent(&service);
                else
                        takeover_continue(&service);
                r = sd_event_loop(service.event);
                if (r < 0)
                        log_error(r, "The event loop failed: %m");
        }
        reap_kill_all();
        state_served(&service.state, status_requests(&service));
        if (service.failure)
                status_failed(&service);
        log_info("Ended");
        (void) log_flush(LOG_FLUSH_AT_END);
        return r < 0 ? MASTER_EXIT_FAILURE : service.exit_status;
}
