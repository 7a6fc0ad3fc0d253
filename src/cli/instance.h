/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

/* Which instances there are on this machine. See instance.c. */

struct instance {
        char *name;
        bool has_socket; /* it runs, or did until it was killed */
        bool has_configuration;
};

struct instances {
        struct instance *all; /* by name */
        size_t n;
};

#define INSTANCES_NULL                                                                                      \
        { 0 }

int instances_find(struct instances *ret);
void instances_deinit(struct instances *instances);
#define _cleanup_instances_ _cleanup_(instances_deinit)

/* The one that is meant when none is named: the only one that runs, or where none does the only one that is configured.
 * NULL where there is no such one. */
const struct instance *instances_only(const struct instances *instances);

/* Whether there is one of that name. */
bool instances_know(const struct instances *instances, const char *name);

/* Where the configuration files are: $MUSTER_CONFIG_DIR, or /etc/muster. */
const char *instance_config_directory(void);
