/* SPDX-License-Identifier: MIT */

/*
 * Another number of workers while the service runs, by the load (scale.c decides) or by hand. Positions are added and
 * taken away at the upper end: those that are new get a worker at once, which costs nothing of the restart
 * budget, and whoever is beyond the end drains.
 *
 * A number set by hand holds until a reload or the next one. Between min_workers and max_workers it is where scaling
 * goes on from.
 */

#include <errno.h>
#include <stdio.h>

#include "master/service.h"
#include "util/log.h"

static void empty_positions(struct service *service, size_t begin) {
        for (size_t i = begin; i < service->n_positions; i++) {
                service->workers[i].timer = sd_event_source_disable_unref(service->workers[i].timer);
                service->workers[i].stopped = false;
        }
}

/* Those that stay may all be stopped, starting or waiting for their time: then nobody would serve. */
static bool has_ready_below(const struct service *service, unsigned int n) {
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_WORKER && process->state == PROCESS_READY &&
                    process->number < (int) n)
                        return true;
        }
        return false;
}

int service_resize(struct service *service, unsigned int n, const char *why) {
        unsigned int before = service->current->n_workers;
        int r;

        if (n == before)
                return 0;
        if (n < before && !has_ready_below(service, n))
                return -EBUSY;
        r = service_reserve_positions(service, PROCESS_WORKER, n);
        if (r < 0)
                return r;
        log_info("Scaling from %u to %u workers: %s", before, n, why);
        service->current->n_workers = n;
        scale_reset(&service->scale);
        empty_positions(service, n);
        reload_dismiss_others(service, service->current);
        service_start_wanted(service);
        status_running(service);
        return 0;
}

static int refuse(char **ret_reason, int error, char *text) {
        *ret_reason = text;
        return error;
}

static char *bounds_text(const struct scale_bounds *bounds) {
        char *text;

        if (asprintf(&text, "between min_workers and max_workers there are %u to %u", bounds->min,
                     bounds->max) < 0)
                return NULL;
        return text;
}

int service_scale(struct service *service, unsigned int n, char **ret_reason) {
        const struct scale_bounds *bounds = &service->current->bounds;
        bool automatic = bounds->min < bounds->max;
        int r;

        *ret_reason = NULL;
        if (service->phase != PHASE_RUNNING)
                return refuse(ret_reason, -EAGAIN, strdup("the service is starting or stopping"));
        if (service->next)
                return refuse(ret_reason, -EAGAIN, strdup("a reload is under way"));
        if (n < 1 || n > CONFIG_WORKERS_MAX)
                return refuse(ret_reason, -ERANGE, strdup("there are 1 to 256 workers"));
        if (automatic && (n < bounds->min || n > bounds->max))
                return refuse(ret_reason, -ERANGE, bounds_text(bounds));

        r = service_resize(service, n, "asked for");
        if (r == -EBUSY)
                return refuse(ret_reason, r, strdup("none of the workers that would stay is ready"));
        if (r < 0)
                return refuse(ret_reason, r, strdup(strerror(-r)));
        for (unsigned int i = 0; i < service->n_positions; i++)
                service->workers[i].stopped = false;
        service_start_wanted(service);
        status_running(service);
        return 0;
}
