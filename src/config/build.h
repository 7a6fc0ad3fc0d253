/* SPDX-License-Identifier: MIT */
#pragma once

/* What fills in a struct config: for load.c, serialize.c and save.c, nobody else. */

#include <stdbool.h>
#include <stdio.h>

struct config;
struct config_key;

#define CONFIG_INSTANCE_MAX   64
#define CONFIG_ORIGIN_DEFAULT "default"

/* An instance's name becomes a directory under /run and part of a unit's name. */
bool config_instance_valid(const char *name);

/* A key of [app] has the form that any key in a file has. */
bool config_app_key_valid(const char *key);

/* Each copies what it is given. Return 0, -ENOMEM, or -EINVAL for a bad instance. */
int config_set_instance(struct config *config, const char *name);
int config_set_origin(struct config *config, const struct config_key *key, const char *origin);
int config_set_app(struct config *config, const char *key, const char *value, const char *origin);

/* An empty value unsets the key. Also what config_key_set() returns. */
int config_set_schedule(struct config *config, const char *name, const struct config_key *key,
                        const char *value, const char *origin);
void config_free_schedules(struct config *config);

/* Sets a key of a section [schedule:NAME]. -EBADMSG for what is none or has been set already. */
int config_restore_schedule(struct config *config, const char *section, const char *name, const char *value,
                            const char *origin);

/* What `write` writes, as a text that the caller frees; ret_size may be NULL. Returns 0, what `write` says, or -ENOMEM. */
int config_write_text(const struct config *config, int (*write)(const struct config *config, FILE *file),
                      char **ret_text, size_t *ret_size);

/* One "section.key=value" line, with newline and backslash in the value escaped; section may be NULL. */
void config_write_line(FILE *file, const char *section, const char *key, const char *value);

/* Cuts one line off the text, and undoes the escapes in place. Returns 0 or -EBADMSG. */
int config_next_line(char **text, char **ret_name, char **ret_value);
