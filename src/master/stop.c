/* SPDX-License-Identifier: MIT */

/*
 * The orderly end: the workers finish what they have accepted, for which they may need the compute processes; then
 * those and the agent end, then the loop.
 * `stop_timeout` holds for all of it, and a second signal means that nobody wants to wait.
 */

#include "master/service.h"
#include "util/log.h"

bool service_is_stopping(const struct service *service) {
        return service->phase >= PHASE_STOPPING;
}

static void leave_all(struct service *service, enum process_role role) {
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role == role)
                        process_leave(process, MESSAGE_STOP);
        }
}

static bool has_any(const struct service *service, enum process_role role) {
        LIST_FOREACH(node, &service->processes)
                if (container_of(node, struct process, node)->role == role)
                        return true;
        return false;
}

void service_proceed_stop(struct service *service) {
        if (service->phase == PHASE_STOPPING && !has_any(service, PROCESS_WORKER)) {
                service->phase = PHASE_STOPPING_AGENT;
                leave_all(service, PROCESS_AGENT);
                leave_all(service, PROCESS_COMPUTE);
        }
        if (list_empty(&service->processes))
                (void) sd_event_exit(service->event, service->exit_status);
}

static void kill_all(struct service *service, enum process_role role) {
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role == role)
                        process_kill(process, SIGKILL);
        }
}

static int dispatch_stop_timeout(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;
        char timeout[USEC_FORMAT_MAX];

        log_warning(0, "Not everything has ended within stop_timeout (%s), killing the rest",
                    usec_format(service->current->config->muster.stop_timeout, timeout, sizeof(timeout)));
        kill_all(service, PROCESS_WORKER);
        kill_all(service, PROCESS_COMPUTE);
        kill_all(service, PROCESS_AGENT);
        return 0;
}

/* A second signal: no more waiting for requests, but the agent has nothing to do with them. A third: for nothing. */
static void hurry(struct service *service) {
        log_notice("Told to stop again, not waiting for %s", service->hurried ? "anything" : "requests");
        kill_all(service, PROCESS_WORKER);
        kill_all(service, PROCESS_COMPUTE);
        if (service->hurried)
                kill_all(service, PROCESS_AGENT);
        service->hurried = true;
}

void service_stop(struct service *service) {
        usec_t end = usec_add(now_monotonic(), service->current->config->muster.stop_timeout);
        int r;

        if (service_is_stopping(service)) {
                hurry(service);
                return;
        }
        service->phase = PHASE_STOPPING;
        service_cancel_starts(service);
        leave_all(service, PROCESS_WORKER);
        status_stopping(service);
        control_stopping(service);
        r = sd_event_add_time(service->event, &service->stop_timer, CLOCK_MONOTONIC, end, USEC_PER_MSEC,
                              dispatch_stop_timeout, service);
        if (r < 0)
                log_error(r, "Failed to time the stop: %m");
        service_proceed_stop(service);
}
