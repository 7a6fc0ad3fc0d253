/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Exit statuses of the master, beside 0. */
#define MASTER_EXIT_FAILURE 1  /* the service could not start, or the master itself failed */
#define MASTER_EXIT_LIMIT   70 /* [restart] on_limit = exit, and the limit is reached */
#define MASTER_EXIT_CONFIG  78 /* the configuration can't be used */

/* What the command line says; a reload reads the same files with the same overrides. */
struct master_arguments {
        const char *config;
        const char *instance;
        bool check;
        const char **overrides; /* NULL-terminated */
        size_t n_overrides;
        int handover_fd; /* of the master this one takes over from, or -1 */
};

/* Runs the service until it is told to stop. Takes over the configuration, which was loaded by these
 * arguments; NULL to go on with what arguments->handover_fd holds. Returns the exit status. */
int master_run(const struct master_arguments *arguments, struct config *config);

/* Loads the configuration the arguments name and logs everything that is wrong with it. On failure,
 * *ret_reason is the first error in one line (the caller frees it). */
int master_load_config(const struct master_arguments *arguments, struct config **ret, char **ret_reason);
