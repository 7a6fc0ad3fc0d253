/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/process.h"
#include "util/time.h"

/* Fair shares of new connections among the workers. See balance.c. */

#define BALANCE_PEERS_MAX 256U

struct balance {
        usec_t look_again; /* when the list of peers is made anew */
        size_t n_peers;
        uint32_t peers[BALANCE_PEERS_MAX]; /* their slots, this worker's own too */
        unsigned int n_declined;           /* in a row */
};

/* Whether a worker with `own` connections has so many more than its share of `sum`, those of all `n` workers, that
 * another one should take the next. */
bool balance_is_ahead(unsigned int own, uint64_t sum, size_t n);

/* Whether the connection that waits had better be left to another worker this time. `own` is how many this one
 * has. */
bool balance_declines(struct balance *balance, const struct muster *muster, unsigned int own, usec_t now);
