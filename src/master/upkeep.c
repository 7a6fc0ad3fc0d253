/* SPDX-License-Identifier: MIT */

/*
 * The round that the master makes once a second: it looks what every process has done and takes (usage.c), and acts
 * on it. Is there a worker to recycle (recycle.c), should there be more or fewer (scale.c), has nobody asked for
 * anything for so long that the service can end? What is not simple is decided there, here it is done.
 *
 * Recycling waits until the one before has gone, its drain too, so that there is never more than one process over.
 *
 * The service ends for idleness only when its sockets are systemd's. Who connects while it ends waits in the socket's
 * queue, and systemd starts the service again for it as soon as it is gone; the exit status is that of a stop, so Restart=on-failure
 * does not.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "master/recycle.h"
#include "master/service.h"
#include "util/log.h"
#include "util/parse.h"

#define ROUND          USEC_PER_SEC
#define ROUND_ACCURACY (USEC_PER_SEC / 10)
#define PERMILLE       1000U

static void measure(struct service *service, usec_t now) {
        struct slot slot;

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (scoreboard_read(&service->scoreboard, process->slot, &slot) >= 0 &&
                    slot.pid == process->pid)
                        usage_update(&process->usage, &slot, process->started, now);
                if (process->was_ready)
                        usage_update_rss(&process->usage, process->pid);
        }
}

/* A worker that takes part: of the current generation, and ready. */
static bool serves(const struct service *service, const struct process *process) {
        return process->role == PROCESS_WORKER && process->state == PROCESS_READY &&
               process->generation == service->current->number;
}

/* ---- Recycling ---- */

static void warn_large(struct service *service, const struct recycle_limits *limits,
                       const struct recycle_candidate *candidate) {
        char limit[32];

        if (!recycle_is_large(limits, candidate) || service->large_told == service->current->number)
                return;
        service->large_told = service->current->number;
        log_warning(0, "[worker] max_rss is %s, but a worker takes %" PRIu64 "K when it is new",
                    format_size(limits->rss, limit, sizeof(limit)), candidate->rss_first / 1024);
}

static void say_why(enum recycle_reason reason, const struct recycle_candidate *candidate, char *buffer,
                    size_t size) {
        char age[USEC_FORMAT_MAX];

        if (reason == RECYCLE_REQUESTS)
                (void) snprintf(buffer, size, "it has answered %" PRIu64 " requests", candidate->requests);
        else if (reason == RECYCLE_AGE)
                (void) snprintf(buffer, size, "it has been there for %s",
                                usec_format(candidate->age / USEC_PER_SEC * USEC_PER_SEC, age, sizeof(age)));
        else
                (void) snprintf(buffer, size, "it takes %" PRIu64 "K of memory", candidate->rss / 1024);
}

static void recycle(struct service *service, usec_t now) {
        const struct config *config = service->current->config;
        const struct recycle_limits limits = {
                .requests = config->worker.max_requests,
                .age = config->worker.max_age,
                .rss = config->worker.max_rss,
        };
        struct recycle_candidate candidates[CONFIG_WORKERS_MAX];
        enum recycle_reason reason;
        char why[128];
        size_t n = 0, i;

        if (replace_is_going_on(service))
                return;
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (!serves(service, process) || n >= ELEMENTSOF(candidates))
                        continue;
                candidates[n] = (struct recycle_candidate){
                        .seed = (unsigned int) process->number,
                        .age = now - process->started,
                        .requests = process->usage.requests,
                        .rss = process->usage.rss,
                        .rss_first = process->usage.rss_first,
                };
                warn_large(service, &limits, &candidates[n++]);
        }
        reason = recycle_choose(&limits, candidates, n, &i);
        if (reason == RECYCLE_NONE)
                return;
        say_why(reason, &candidates[i], why, sizeof(why));
        (void) service_replace(service, candidates[i].seed, why);
}

/* ---- Scaling ---- */

/* A worker with nearly as many connections as it may have has no room, however little they ask. */
static unsigned int business_of(const struct process *process, unsigned int max_connections) {
        uint64_t room = (uint64_t) process->usage.connections * PERMILLE / max_connections;

        return MAX(process->usage.business, (unsigned int) MIN(room, (uint64_t) PERMILLE));
}

static void scale(struct service *service, usec_t span) {
        const struct generation *current = service->current;
        struct scale_sample sample = { .span = span, .wanted = current->n_workers };
        unsigned int n, stopped = service_stopped(service), business = 0;
        char why[64];

        if (current->bounds.min == current->bounds.max)
                return;
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (!serves(service, process))
                        continue;
                business += business_of(process, current->config->http.max_connections);
                sample.ready++;
        }
        if (sample.ready == 0)
                return;
        sample.business = business / sample.ready;
        sample.ready += stopped;
        n = scale_decide(&service->scale, &current->bounds, &sample, &business);
        if (n == sample.wanted)
                return;
        (void) snprintf(why, sizeof(why), "they were busy for %u %% of the time", business / 10);
        if (service_resize(service, n, why) == -ENOMEM)
                log_oom();
}

/* ---- Ending when idle ---- */

void upkeep_warn_idle(const struct service *service, const struct config *config) {
        if (config->muster.exit_idle != USEC_NEVER && !sockets_from_systemd(&service->current->sockets))
                log_warning(0, "[muster] exit_idle is ignored: the sockets are not systemd's, "
                               "nobody would start the service again");
}

/* Somebody whom no worker has taken yet. */
static bool is_awaited(const struct sockets *sockets) {
        for (size_t i = 0; i < sockets->n; i++) {
                struct pollfd waiting = { .fd = sockets->fds[i], .events = POLLIN };

                if (poll(&waiting, 1, 0) > 0)
                        return true;
        }
        return false;
}

/* Connections that are open and silent do not count: their clients keep them for later and are used to servers that close
 * them, and those that ask once more while the service ends still get their answer from the drain. */
static bool is_active(const struct service *service) {
        LIST_FOREACH(node, &service->processes)
                if (container_of(node, struct process, node)->usage.active)
                        return true;
        return false;
}

static void end_when_idle(struct service *service, usec_t now) {
        usec_t limit = service->current->config->muster.exit_idle;
        char text[USEC_FORMAT_MAX];

        if (service->active_at == 0 || is_active(service) || schedules_running(&service->schedules, 0) > 0)
                service->active_at = now;
        if (limit == USEC_NEVER || now < usec_add(service->active_at, limit) ||
            !sockets_from_systemd(&service->current->sockets) || service->next ||
            is_awaited(&service->current->sockets))
                return;
        log_info("No request for %s (exit_idle), stopping until somebody connects",
                 usec_format(limit, text, sizeof(text)));
        service_stop(service);
}

static int dispatch_round(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;
        usec_t now = now_monotonic(), span = now - service->round_at;

        service->round_at = now;
        measure(service, now);
        if (service->phase == PHASE_RUNNING && !service->next) {
                recycle(service, now);
                compute_recycle(service, now);
                scale(service, span);
        }
        service_schedule_dispatch(service);
        if (service->phase == PHASE_RUNNING)
                end_when_idle(service, now);
        (void) sd_event_source_set_time(source, usec_add(now, ROUND));
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int upkeep_watch(struct service *service) {
        int r;

        service->round_at = now_monotonic();
        r = sd_event_add_time(service->event, &service->round_timer, CLOCK_MONOTONIC,
                              usec_add(service->round_at, ROUND), ROUND_ACCURACY, dispatch_round, service);
        return r < 0 ? log_error(r, "Failed to start the timer of the rounds: %m") : 0;
}
