/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Exit statuses of the master, beside 0. */
#define MASTER_EXIT_FAILURE 1  /* the service could not start, or the master itself failed */
#define MASTER_EXIT_LIMIT   70 /* [restart] on_limit = exit, and the limit is reached */
#define MASTER_EXIT_CONFIG  78 /* the configuration can't be used */

/* Runs the service until it is told to stop. Takes over the configuration. Returns the exit status. */
int master_run(struct config *config);
