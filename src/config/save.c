/* SPDX-License-Identifier: MIT */

/*
 * The configuration as it passes from one version of the master to another, in an upgrade.
 *
 * What children get (serialize.c) is bound to one version: every key, in the table's order. Here the two
 * sides may have different tables, so keys are found by name, and only those that somebody has set are written,
 * each after its origin: the others have the defaults of whoever reads it, as they would after a restart. A key
 * that the reader does not know, or a value that it does not allow, is refused with the whole: to drop it would
 * lift a limit in silence.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/build.h"
#include "config/config.h"
#include "config/table.h"

static int write_setting(const char *section, const char *key, const char *value, const char *origin,
                         void *userdata) {
        if (streq(origin, CONFIG_ORIGIN_DEFAULT))
                return 0;
        config_write_line(userdata, NULL, "origin", origin);
        config_write_line(userdata, section, key, value);
        return 0;
}

static int write_keys(const struct config *config, FILE *file) {
        config_write_line(file, NULL, "instance", config->instance);
        return config_each(config, write_setting, file);
}

int config_save(const struct config *config, char **ret_text) {
        return config_write_text(config, write_keys, ret_text, NULL);
}

static int _printf_(2, 3) refuse(char **ret_reason, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(ret_reason, format, arguments) < 0)
                *ret_reason = NULL;
        va_end(arguments);
        return *ret_reason ? -EINVAL : -ENOMEM;
}

static int restore_key(struct config *config, char *name, const char *value, const char *origin,
                       char **ret_reason) {
        char *dot = strchr(name, '.');
        const struct config_key *key;
        int r;

        if (!dot)
                return -EBADMSG;
        *dot++ = '\0';
        if (streq(name, "app"))
                return config_app_key_valid(dot) && !config_app(config, dot)
                               ? config_set_app(config, dot, value, origin)
                               : -EBADMSG;
        key = config_key_find(name, dot);
        if (!key)
                return refuse(ret_reason, "%s: it does not know [%s] %s", origin, name, dot);
        if (config_section_schedule(name)) {
                r = config_restore_schedule(config, name, dot, value, origin);
                if (r == -ENOMEM || r == -EBADMSG)
                        return r;
                return r < 0 ? refuse(ret_reason, "%s: it does not allow [%s] %s = %s", origin, name, dot,
                                      value)
                             : 0;
        }
        if (config->origins[key - config_table])
                return -EBADMSG;
        r = config_key_set(key, config, value);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(ret_reason, "%s: it does not allow [%s] %s = %s", origin, name, dot, value);
        return config_set_origin(config, key, origin);
}

static int restore_keys(struct config *config, char **text, char **ret_reason) {
        while (**text) {
                char *name, *value, *origin;
                int r;

                r = config_next_line(text, &name, &origin);
                if (r >= 0 && !streq(name, "origin"))
                        r = -EBADMSG;
                r = r < 0 ? r : config_next_line(text, &name, &value);
                r = r < 0 ? r : restore_key(config, name, value, origin, ret_reason);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_required(const struct config *config, char **ret_reason) {
        for (size_t i = 0; i < config_table_size; i++)
                if (config_table[i].required && !config->origins[i])
                        return refuse(ret_reason, "it wants [%s] %s to be set", config_table[i].section,
                                      config_table[i].name);
        return 0;
}

int config_restore(struct config **ret, const char *text, char **ret_reason) {
        _cleanup_config_ struct config *config = NULL;
        _cleanup_free_ char *copy = NULL;
        char *rest, *name, *value;
        int r;

        *ret_reason = NULL;
        rest = copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        r = config_new(&config);
        if (r < 0)
                return r;
        r = config_next_line(&rest, &name, &value);
        if (r < 0)
                return r;
        if (!streq(name, "instance") || !config_instance_valid(value))
                return -EBADMSG;
        r = config_set_instance(config, value);
        r = r < 0 ? r : restore_keys(config, &rest, ret_reason);
        r = r < 0 ? r : check_required(config, ret_reason);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(config);
        return 0;
}
