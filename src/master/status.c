/* SPDX-License-Identifier: MIT */

/*
 * What systemd is told, and when: STATUS while starting and afterwards, READY once, STOPPING, and more time
 * for every process that is being started.
 *
 * The request rate comes from the slots, where each worker counts for itself; nobody sends it.
 */

#include <inttypes.h>
#include <stdio.h>

#include <systemd/sd-daemon.h>

#include "master/service.h"
#include "util/log.h"

#define STATUS_PERIOD (3 * USEC_PER_SEC)
#define EXTEND_MARGIN (POOL_BACKOFF_MAX + 5 * USEC_PER_SEC) /* a start may have to wait for the budget */

uint64_t status_requests(const struct service *service) {
        uint64_t total = service->requests_gone;

        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                total += scoreboard_slot(&service->scoreboard, process->slot)->requests;
        }
        return total;
}

void status_starting(struct service *service) {
        (void) sd_notifyf(0, "STATUS=starting: %u/%u workers ready\nEXTEND_TIMEOUT_USEC=%" PRIu64,
                          service_count(service, PROCESS_WORKER, PROCESS_READY), service->current->n_workers,
                          usec_add(service->current->config->worker.ready_timeout, EXTEND_MARGIN));
}

/* A reload takes longer the more processes there are, and systemd must not give up ExecReload= meanwhile. */
void status_rolling(struct service *service) {
        (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64,
                          usec_add(service->next->config->worker.ready_timeout, EXTEND_MARGIN));
}

/* While a reload rolls there may be more than are wanted. */
static unsigned int workers_ready(const struct service *service) {
        return MIN(service_count(service, PROCESS_WORKER, PROCESS_READY), service->current->n_workers);
}

/* Over the whole period between two looks, so that the figure means something. */
static void measure_rate(struct service *service) {
        uint64_t requests = status_requests(service), more = 0;
        usec_t now = now_monotonic(), span = now - service->shown_at;

        if (requests > service->requests_shown)
                more = requests - service->requests_shown;
        if (service->shown_at > 0 && span > 0)
                service->rate = (more * USEC_PER_SEC + span / 2) / span;
        service->requests_shown = requests;
        service->shown_at = now;
}

/* Of this master, and in all where there were others before it. */
static char *format_restarts(const struct service *service, char *buffer, size_t size) {
        const struct state *state = &service->state;

        if (state->totals.starts > 1)
                (void) snprintf(buffer, size, "%" PRIu64 " restarts (%" PRIu64 " since %s)",
                                service->restarts, state->totals.restarts, state->since);
        else
                (void) snprintf(buffer, size, "%" PRIu64 " restarts", service->restarts);
        return buffer;
}

/* Positions that an operator has emptied. */
static char *format_stopped(const struct service *service, char *buffer, size_t size) {
        unsigned int n = service_stopped(service);

        *buffer = '\0';
        if (n > 0)
                (void) snprintf(buffer, size, ", %u stopped", n);
        return buffer;
}

/* Where the application has anything to compute. */
static char *format_computes(const struct service *service, char *buffer, size_t size) {
        unsigned int wanted = service->current->n_computes, n_waiting = service->compute.queue.n_waiting;
        unsigned int ready = MIN(service_count(service, PROCESS_COMPUTE, PROCESS_READY), wanted);
        int n;

        *buffer = '\0';
        if (wanted == 0)
                return buffer;
        n = snprintf(buffer, size, ", %u/%u compute", ready, wanted);
        if (n_waiting > 0)
                (void) snprintf(buffer + n, size - (size_t) n, " with %u jobs waiting", n_waiting);
        return buffer;
}

void status_format(const struct service *service, char *buffer, size_t size) {
        unsigned int in_quarantine = quarantine_count(&service->quarantine);
        char restarts[96], stopped[32], computes[80], quarantined[32] = "";

        if (in_quarantine > 0)
                (void) snprintf(quarantined, sizeof(quarantined), ", %u in quarantine", in_quarantine);
        if (watch_withheld(&service->watch))
                (void) snprintf(buffer, size, "Watchdog not fed: %s", watch_withheld(&service->watch));
        else if (service->upgrade.failure)
                (void) snprintf(buffer, size, "Upgrade failed: %s", service->upgrade.failure);
        else if (service->reload_failure)
                (void) snprintf(buffer, size, "Reload failed: %s", service->reload_failure);
        else
                (void) snprintf(
                        buffer, size, "%u/%u workers ready%s%s, %s, %" PRIu64 " requests/s%s%s",
                        workers_ready(service), service->current->n_workers,
                        format_stopped(service, stopped, sizeof(stopped)),
                        format_computes(service, computes, sizeof(computes)),
                        format_restarts(service, restarts, sizeof(restarts)), service->rate, quarantined,
                        service_count(service, PROCESS_AGENT, PROCESS_READY) ? "" : ", agent missing");
}

void status_running(struct service *service) {
        char status[512];

        status_format(service, status, sizeof(status));
        (void) sd_notifyf(0, "STATUS=%s", status);
}

void status_ready(struct service *service) {
        char status[512];

        status_format(service, status, sizeof(status));
        (void) sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void status_stopping(struct service *service) {
        (void) sd_notifyf(0, "STOPPING=1\nSTATUS=stopping: %u workers finish their requests",
                          service_count(service, PROCESS_WORKER, PROCESS_LEAVING));
}

void status_failed(struct service *service) {
        (void) sd_notifyf(0, "STATUS=%s", service->failure);
}

void status_reloading(struct service *service) {
        (void) sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading", now_monotonic());
}

static int dispatch_status(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;

        measure_rate(service);
        (void) log_flush(0);
        state_served(&service->state, service->requests_shown);
        limits_look(service);
        if (service->phase == PHASE_RUNNING && !service->next)
                status_running(service);
        (void) sd_event_source_set_time(source, usec_add(now_monotonic(), STATUS_PERIOD));
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int status_watch(struct service *service) {
        int r;

        r = sd_event_add_time(service->event, &service->status_timer, CLOCK_MONOTONIC,
                              usec_add(now_monotonic(), STATUS_PERIOD), USEC_PER_SEC / 2, dispatch_status,
                              service);
        return r < 0 ? log_error(r, "Failed to start the status timer: %m") : 0;
}
