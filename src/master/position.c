/* SPDX-License-Identifier: MIT */

/*
 * Positions: the places that have to be filled, one for the agent and one for each worker and each compute process.
 *
 * A position is wanted when the current generation has it, nobody is there or on the way, and no operator has
 * emptied it. Whoever is lost leaves such a one behind; when it is filled again is decided by the budget of its role
 * (pool.c), and until then a timer stands in it.
 */

#include <errno.h>

#include "master/service.h"
#include "util/log.h"
#include "util/log-id.h"

static int start_position(struct position *position);

/* Whether a position of the current generation has nobody, and nobody on the way. */
static bool is_wanted(const struct position *position) {
        const struct generation *current = position->service->current;

        if (service_is_stopping(position->service))
                return false;
        if (position->role == PROCESS_WORKER && position->number >= (int) current->n_workers)
                return false;
        if (position->role == PROCESS_COMPUTE && position->number >= (int) current->n_computes)
                return false;
        if (position->stopped)
                return false;
        LIST_FOREACH(node, &position->service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == position->role && process->number == position->number &&
                    process->generation == current->number && process->state != PROCESS_LEAVING)
                        return false;
        }
        return !position->timer;
}

static int dispatch_start(sd_event_source *source, uint64_t when, void *userdata) {
        struct position *position = userdata;

        position->timer = sd_event_source_disable_unref(position->timer);
        if (is_wanted(position))
                (void) start_position(position);
        return 0;
}

/* A process that can't even be started is a loss like any other: the budget says when to try again. */
static int start_position(struct position *position) {
        int r;

        r = service_spawn(position, position->service->current);
        if (r >= 0)
                return 0;
        (void) log_error(r, "Failed to start a process for %s %d: %m", process_role_name(position->role),
                         position->number);
        if (position->service->phase < PHASE_RUNNING &&
            !service_was_ready(position->service, position->role))
                service_fail(position->service, MASTER_EXIT_FAILURE, "Cannot start a process: %s",
                             strerror(-r));
        else
                service_position_lost(position, POOL_BACKOFF_MIN);
        return r;
}

int service_start_agent(struct service *service) {
        return start_position(&service->agent);
}

void service_start_now(struct position *position) {
        position->timer = sd_event_source_disable_unref(position->timer);
        if (is_wanted(position))
                (void) start_position(position);
}

void service_start_wanted(struct service *service) {
        for (size_t i = 0; i < service->n_positions; i++)
                if (is_wanted(&service->workers[i]))
                        (void) start_position(&service->workers[i]);
        for (size_t i = 0; i < service->n_compute_positions; i++)
                if (is_wanted(&service->computes[i]))
                        (void) start_position(&service->computes[i]);
}

unsigned int service_stopped(const struct service *service) {
        unsigned int count = 0;

        for (unsigned int i = 0; i < service->current->n_workers; i++)
                count += service->workers[i].stopped;
        return count;
}

int service_reserve_positions(struct service *service, enum process_role role, size_t n) {
        bool compute = role == PROCESS_COMPUTE;
        struct position **positions = compute ? &service->computes : &service->workers, *moved;
        size_t *n_positions = compute ? &service->n_compute_positions : &service->n_positions;

        if (n <= *n_positions)
                return 0;
        moved = reallocarray(*positions, n, sizeof(*moved));
        if (!moved)
                return -ENOMEM;
        *positions = moved;
        for (size_t i = 0; i < n; i++)
                if (i >= *n_positions)
                        moved[i] = (struct position){ service, role, (int) i, 0, NULL, false };
                else if (moved[i].timer)
                        (void) sd_event_source_set_userdata(moved[i].timer, &moved[i]);
        *n_positions = n;
        return 0;
}

/* ---- Replacing ---- */

static void log_limit(struct service *service, const struct position *position, usec_t wait) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_RESTART_LIMIT), NULL };
        char interval[64], text[64];

        (void) log_fields(
                LOG_ERR, 0, fields, "More than %u restarts of %s in %s, the next one in %s",
                service->current->config->restart.limit,
                position->role == PROCESS_AGENT    ? "the agent"
                : position->role == PROCESS_WORKER ? "workers"
                                                   : "compute processes",
                usec_format(service->current->config->restart.interval, interval, sizeof(interval)),
                usec_format(wait, text, sizeof(text)));
}

int service_wait_start(struct position *position, usec_t when) {
        return sd_event_add_time(position->service->event, &position->timer, CLOCK_MONOTONIC, when,
                                 USEC_PER_MSEC, dispatch_start, position);
}

/* Fills the position, if there is need, after `pause` or when the budget allows. */
void service_position_lost(struct position *position, usec_t pause) {
        struct service *service = position->service;
        usec_t now = now_monotonic(), when;
        bool over;
        int r;

        if (!is_wanted(position))
                return;
        service->restarts++;
        state_restarted(&service->state);
        position->restarts++;
        when = pool_budget_spend(&service->budget[position->role], now, &over);
        if (over && service->current->config->restart.on_limit == CONFIG_ON_LIMIT_EXIT) {
                service_fail(service, MASTER_EXIT_LIMIT,
                             "More than %u restarts, giving up as [restart] on_limit says",
                             service->current->config->restart.limit);
                return;
        }
        if (over)
                log_limit(service, position, when - now);
        when = MAX(when, now + pause);
        if (when <= now) {
                (void) start_position(position);
                return;
        }
        r = service_wait_start(position, when);
        if (r < 0)
                log_error(r, "Failed to wait for the next start: %m");
}

void service_fill_positions(struct service *service, enum process_role role) {
        if (role == PROCESS_COMPUTE) {
                for (size_t i = 0; i < service->n_compute_positions; i++)
                        service_position_lost(&service->computes[i], 0);
                return;
        }
        service_position_lost(&service->agent, 0);
        for (size_t i = 0; i < service->n_positions; i++)
                service_position_lost(&service->workers[i], 0);
}

void service_cancel_starts(struct service *service) {
        service->agent.timer = sd_event_source_disable_unref(service->agent.timer);
        for (size_t i = 0; i < service->n_positions; i++)
                service->workers[i].timer = sd_event_source_disable_unref(service->workers[i].timer);
        for (size_t i = 0; i < service->n_compute_positions; i++)
                service->computes[i].timer = sd_event_source_disable_unref(service->computes[i].timer);
}
