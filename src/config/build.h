/* SPDX-License-Identifier: MIT */
#pragma once

/* What fills in a struct config: for load.c and serialize.c, nobody else. */

#include <stdbool.h>

struct config;
struct config_key;

#define CONFIG_INSTANCE_MAX 64

/* An instance's name becomes a directory under /run and part of a unit's name. */
bool config_instance_valid(const char *name);

/* A key of [app] has the form that any key in a file has. */
bool config_app_key_valid(const char *key);

/* Each copies what it is given. Return 0, -ENOMEM, or -EINVAL for a bad instance. */
int config_set_instance(struct config *config, const char *name);
int config_set_origin(struct config *config, const struct config_key *key, const char *origin);
int config_set_app(struct config *config, const char *key, const char *value, const char *origin);
