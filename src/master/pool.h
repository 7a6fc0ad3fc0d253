/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"
#include "util/time.h"

/* When a process that was lost may be replaced. Pure decisions over given times; see pool.c. */

#define POOL_BACKOFF_MIN (100 * USEC_PER_MSEC)
#define POOL_BACKOFF_MAX (30 * USEC_PER_SEC)
#define POOL_HEALTHY     (30 * USEC_PER_SEC)

struct pool_budget {
        unsigned int limit; /* this many restarts … */
        usec_t interval;    /* … within this span are free */
        usec_t *history;    /* of the last `limit` restarts, a ring */
        size_t next;
        size_t n_history;
        usec_t backoff; /* the last wait, 0: none since all was well */
        usec_t allowed; /* no restart before this */
        usec_t well; /* since then a restarted process has been ready and none was lost; USEC_NEVER: not yet */
};

int pool_budget_init(struct pool_budget *budget, unsigned int limit, usec_t interval);
void pool_budget_deinit(struct pool_budget *budget);

/* A process was lost at `now`: when may the replacement start? `now` itself within the budget; later once it
 * is spent. *ret_over tells that it is. Times must not go backwards. */
usec_t pool_budget_spend(struct pool_budget *budget, usec_t now, bool *ret_over);

/* A process that was started has become ready at `now`. */
void pool_budget_ready(struct pool_budget *budget, usec_t now);

/* The restart number i of those it remembers (n_history), the oldest first. */
usec_t pool_budget_restart(const struct pool_budget *budget, size_t i);

/* Counts a restart that another master has seen, in the order they came. */
void pool_budget_remember(struct pool_budget *budget, usec_t when);

/* How many restarts are left of the budget at `now`. */
unsigned int pool_budget_left(const struct pool_budget *budget, usec_t now);
