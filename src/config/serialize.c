/* SPDX-License-Identifier: MIT */

/*
 * The configuration as children get it: text in a sealed memfd.
 *
 * A child does not read the files again, as they may have changed since the master read them, and one
 * generation shall have one configuration. The text is "instance=NAME", then every key of the table in
 * the table's order, then those that [schedule:NAME] sections set, then those of [app], one "section.key=value" line each, with newline and backslash
 * in a value escaped. The order is part of the format: whatever is missing, twice, unknown, out of place
 * or out of range is no work of config_serialize() and is refused as a whole, since a child that runs with
 * half of a configuration is worse than one that does not start.
 */

#include <errno.h>
#include <stdio.h>

#include "config/build.h"
#include "config/config.h"
#include "config/table.h"
#include "util/text.h"

void config_write_line(FILE *file, const char *section, const char *key, const char *value) {
        if (section)
                (void) fprintf(file, "%s.", section);
        (void) fprintf(file, "%s=", key);
        text_write_escaped(file, value);
        (void) fputc('\n', file);
}

static int write_setting(const char *section, const char *key, const char *value, const char *origin,
                         void *userdata) {
        const struct config_key *known = config_key_find(section, key);

        if (known && known->required && !*value)
                return -EINVAL;
        config_write_line(userdata, section, key, value);
        return 0;
}

static int write_all(const struct config *config, FILE *file) {
        config_write_line(file, NULL, "instance", config->instance);
        return config_each(config, write_setting, file);
}

int config_write_text(const struct config *config, int (*write)(const struct config *config, FILE *file),
                      char **ret_text, size_t *ret_size) {
        char *text = NULL;
        size_t size;
        FILE *file;
        int r;

        file = open_memstream(&text, &size);
        if (!file)
                return -ENOMEM;
        r = write(config, file);
        if (ferror(file) && r == 0)
                r = -ENOMEM;
        if (fclose(file) != 0 && r == 0)
                r = -ENOMEM;
        if (r < 0) {
                free(text);
                return r;
        }
        *ret_text = text;
        if (ret_size)
                *ret_size = size;
        return 0;
}

int config_serialize(const struct config *config, char **ret_text, size_t *ret_size) {
        if (!config_instance_valid(config->instance))
                return -EINVAL;
        return config_write_text(config, write_all, ret_text, ret_size);
}

int config_next_line(char **text, char **ret_name, char **ret_value) {
        char *line = *text, *end, *equals;

        end = strchr(line, '\n');
        if (!end)
                return -EBADMSG;
        *end = '\0';
        equals = strchr(line, '=');
        if (!equals)
                return -EBADMSG;
        *equals = '\0';

        *text = end + 1;
        *ret_name = line;
        *ret_value = equals + 1;
        return text_unescape(equals + 1);
}

static bool is_name_of(const struct config_key *key, const char *name) {
        size_t length = strlen(key->section);

        return startswith(name, key->section) && name[length] == '.' && streq(name + length + 1, key->name);
}

static int read_keys(struct config *config, char **text) {
        char *name, *value;
        int r;

        for (size_t i = 0; i < config_table_size; i++) {
                r = config_next_line(text, &name, &value);
                if (r < 0)
                        return r;
                if (!is_name_of(&config_table[i], name))
                        return -EBADMSG;
                r = config_key_set(&config_table[i], config, value);
                if (r < 0)
                        return r == -ENOMEM ? r : -EBADMSG;
        }
        return 0;
}

static int read_schedule(struct config *config, char *name, const char *value) {
        char *dot = strchr(name, '.');
        int r;

        if (!dot)
                return -EBADMSG;
        *dot = '\0';
        r = config_restore_schedule(config, name, dot + 1, value, "master");
        return r < 0 && r != -ENOMEM ? -EBADMSG : r;
}

/* What comes after the keys of the table. That it is in order is found by writing it again. */
static int read_others(struct config *config, char **text) {
        char *name, *value;
        int r;

        while (**text) {
                r = config_next_line(text, &name, &value);
                if (r < 0)
                        return r;
                if (startswith(name, CONFIG_SCHEDULE_SECTION)) {
                        r = read_schedule(config, name, value);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (!startswith(name, "app.") || !config_app_key_valid(name + 4) ||
                    config_app(config, name + 4))
                        return -EBADMSG;
                r = config_set_app(config, name + 4, value, "master");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Writing it again must give the same text: so no second spelling of a value is let in. */
static int check_canonical(const struct config *config, const char *text, size_t size) {
        _cleanup_free_ char *again = NULL;
        size_t again_size = 0;
        int r;

        r = config_serialize(config, &again, &again_size);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        return again_size == size && memcmp(again, text, size) == 0 ? 0 : -EBADMSG;
}

int config_deserialize(struct config **ret, const char *text, size_t size) {
        _cleanup_config_ struct config *config = NULL;
        _cleanup_free_ char *copy = NULL;
        char *rest, *name, *value;
        int r;

        if (memchr(text, '\0', size))
                return -EBADMSG;
        copy = strndup(text, size);
        if (!copy)
                return -ENOMEM;
        r = config_new(&config);
        if (r < 0)
                return r;

        rest = copy;
        r = config_next_line(&rest, &name, &value);
        if (r < 0)
                return r;
        if (!streq(name, "instance") || !config_instance_valid(value))
                return -EBADMSG;
        r = config_set_instance(config, value);
        if (r < 0)
                return r;
        r = read_keys(config, &rest);
        if (r < 0)
                return r;
        r = read_others(config, &rest);
        if (r < 0)
                return r;
        r = check_canonical(config, text, size);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(config);
        return 0;
}
