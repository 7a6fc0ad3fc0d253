/* SPDX-License-Identifier: MIT */

/*
 * The restart budget.
 *
 * A worker that is lost is replaced at once, `limit` times within `interval`. Whoever loses more than that
 * has a problem that restarting does not solve, and restarting it as fast as the machine can would hurt the
 * workers that still serve. So past the budget each start waits, twice as long as the one before up to half
 * a minute. It never gives up: a service that systemd has given up on would take its socket down with it.
 *
 * Two things end the waiting, and they are not the same. When the budget has room again a restart is immediate:
 * losses that keep within it are what it is there for, and nobody who crashes the service now and then can make it
 * slower for that. But the length of the waits is forgotten only after half a minute of health, in which a process
 * that was restarted has been ready and none was lost. A storm that outlasts `interval`, so that the budget
 * has room for another burst, goes on where it was; and that a start takes long is not taken for health.
 */

#include <errno.h>

#include "master/pool.h"

int pool_budget_init(struct pool_budget *budget, unsigned int limit, usec_t interval) {
        usec_t *history;

        history = calloc(limit, sizeof(*history));
        if (!history)
                return -ENOMEM;
        *budget = (struct pool_budget){ .limit = limit, .interval = interval, .history = history };
        return 0;
}

void pool_budget_deinit(struct pool_budget *budget) {
        free(budget->history);
        *budget = (struct pool_budget){};
}

/* The ring holds the last `limit` restarts: it is spent while even the oldest of them is recent. */
static bool is_spent(const struct pool_budget *budget, usec_t now) {
        return budget->n_history == budget->limit &&
               usec_add(budget->history[budget->next], budget->interval) > now;
}

void pool_budget_remember(struct pool_budget *budget, usec_t when) {
        budget->history[budget->next] = when;
        budget->next = (budget->next + 1) % budget->limit;
        if (budget->n_history < budget->limit)
                budget->n_history++;
}

usec_t pool_budget_restart(const struct pool_budget *budget, size_t i) {
        size_t oldest = budget->n_history < budget->limit ? 0 : budget->next;

        return budget->history[(oldest + i) % budget->limit];
}

static bool is_healthy(const struct pool_budget *budget, usec_t now) {
        return now >= usec_add(budget->well, POOL_HEALTHY);
}

/* The next wait. Losses during a wait join it: many workers that fail together come back together, and count
 * as one failure. */
static usec_t back_off(struct pool_budget *budget, usec_t now) {
        if (now < budget->allowed)
                return budget->allowed;
        if (budget->backoff == 0)
                budget->backoff = POOL_BACKOFF_MIN;
        else
                budget->backoff = MIN(budget->backoff * 2, POOL_BACKOFF_MAX);
        return usec_add(now, budget->backoff);
}

usec_t pool_budget_spend(struct pool_budget *budget, usec_t now, bool *ret_over) {
        usec_t when = now;

        if (is_healthy(budget, now))
                budget->backoff = 0;
        *ret_over = is_spent(budget, now);
        if (*ret_over)
                budget->allowed = when = back_off(budget, now);
        budget->well = USEC_NEVER;
        pool_budget_remember(budget, when);
        return when;
}

void pool_budget_ready(struct pool_budget *budget, usec_t now) {
        if (budget->well == USEC_NEVER)
                budget->well = now;
}

unsigned int pool_budget_left(const struct pool_budget *budget, usec_t now) {
        unsigned int used = 0;

        for (size_t i = 0; i < budget->n_history; i++)
                if (usec_add(budget->history[i], budget->interval) > now)
                        used++;
        return budget->limit - used;
}
