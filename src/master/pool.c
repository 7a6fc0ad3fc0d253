/* SPDX-License-Identifier: MIT */

/*
 * The restart budget.
 *
 * A worker that is lost is replaced at once, `limit` times within `interval`. Whoever loses more than that
 * has a problem that restarting does not solve, and restarting it as fast as the machine can would hurt the
 * workers that still serve. So past the budget each start waits, twice as long as the one before up to half
 * a minute; after half a minute of health it begins anew, and is immediate again when the budget has room.
 * It never gives up: a service that systemd has given up on would take its socket down with it.
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

static void remember(struct pool_budget *budget, usec_t when) {
        budget->history[budget->next] = when;
        budget->next = (budget->next + 1) % budget->limit;
        if (budget->n_history < budget->limit)
                budget->n_history++;
}

/* The next wait. Losses during a wait join it: many workers that fail together come back together, and count
 * as one failure. */
static usec_t back_off(struct pool_budget *budget, usec_t now) {
        if (now < budget->allowed)
                return budget->allowed;
        if (budget->backoff == 0 || now >= usec_add(budget->allowed, POOL_HEALTHY))
                budget->backoff = POOL_BACKOFF_MIN;
        else
                budget->backoff = MIN(budget->backoff * 2, POOL_BACKOFF_MAX);
        return usec_add(now, budget->backoff);
}

usec_t pool_budget_spend(struct pool_budget *budget, usec_t now, bool *ret_over) {
        usec_t when = now;

        *ret_over = is_spent(budget, now);
        if (*ret_over)
                budget->allowed = when = back_off(budget, now);
        else
                budget->backoff = 0;
        remember(budget, when);
        return when;
}

unsigned int pool_budget_left(const struct pool_budget *budget, usec_t now) {
        unsigned int used = 0;

        for (size_t i = 0; i < budget->n_history; i++)
                if (usec_add(budget->history[i], budget->interval) > now)
                        used++;
        return budget->limit - used;
}
