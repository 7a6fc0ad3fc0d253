/* SPDX-License-Identifier: MIT */

/*
 * The configuration as one typed struct: how it comes to be, how it goes, and how it is asked.
 *
 * A new one has every default, so no reader of config->http.max_body ever has to think of "not set".
 * For each key it is kept where the value came from, because with drop-ins and -o the first question to
 * a surprising value is which file it stands in. [app] is not ours: its keys are kept as they are and
 * nobody but the application judges them.
 */

#include <errno.h>
#include <strings.h>

#include "config/build.h"
#include "config/config.h"
#include "config/table.h"

int config_new(struct config **ret) {
        _cleanup_config_ struct config *config = NULL;
        int r;

        config = calloc(1, sizeof(*config));
        if (!config)
                return -ENOMEM;
        config->origins = (char **) calloc(config_table_size, sizeof(*config->origins));
        config->instance = strdup("");
        if (!config->origins || !config->instance)
                return -ENOMEM;

        for (size_t i = 0; i < config_table_size; i++) {
                if (!config_table[i].fallback)
                        continue;
                r = config_key_set(&config_table[i], config, config_table[i].fallback);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(config);
        return 0;
}

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config_table_size; i++) {
                config_key_clear(&config_table[i], config);
                if (config->origins)
                        free(config->origins[i]);
        }
        for (size_t i = 0; i < config->n_app; i++) {
                free(config->app[i].key);
                free(config->app[i].value);
                free(config->app[i].origin);
        }
        free(config->app);
        config_free_schedules(config);
        free((void *) config->origins);
        free(config->instance);
        free(config);
        return NULL;
}

bool config_instance_valid(const char *name) {
        static const char allowed[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
        size_t length = strlen(name);

        return length > 0 && length <= CONFIG_INSTANCE_MAX && name[0] != '.' &&
               strspn(name, allowed) == length;
}

bool config_app_key_valid(const char *key) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

        return key[0] && key[strspn(key, allowed)] == '\0';
}

int config_set_instance(struct config *config, const char *name) {
        char *copy;

        if (!config_instance_valid(name))
                return -EINVAL;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        free(config->instance);
        config->instance = copy;
        return 0;
}

int config_set_origin(struct config *config, const struct config_key *key, const char *origin) {
        char *copy = strdup(origin);
        size_t i = (size_t) (key - config_table);

        if (!copy)
                return -ENOMEM;
        free(config->origins[i]);
        config->origins[i] = copy;
        return 0;
}

static struct config_app *find_app(const struct config *config, const char *key) {
        for (size_t i = 0; i < config->n_app; i++)
                if (strcasecmp(config->app[i].key, key) == 0)
                        return &config->app[i];
        return NULL;
}

static int add_app(struct config *config, const char *key, struct config_app **ret) {
        struct config_app *larger;
        char *copy;

        larger = reallocarray(config->app, config->n_app + 1, sizeof(*larger));
        if (!larger)
                return -ENOMEM;
        config->app = larger;
        copy = strdup(key);
        if (!copy)
                return -ENOMEM;
        for (char *p = copy; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
        larger[config->n_app] = (struct config_app){ .key = copy };
        *ret = &larger[config->n_app++];
        return 0;
}

int config_set_app(struct config *config, const char *key, const char *value, const char *origin) {
        _cleanup_free_ char *value_copy = strdup(value), *origin_copy = strdup(origin);
        struct config_app *app;
        int r;

        if (!value_copy || !origin_copy)
                return -ENOMEM;
        app = find_app(config, key);
        if (!app) {
                r = add_app(config, key, &app);
                if (r < 0)
                        return r;
        }
        free(app->value);
        free(app->origin);
        app->value = TAKE_PTR(value_copy);
        app->origin = TAKE_PTR(origin_copy);
        return 0;
}

const char *config_app(const struct config *config, const char *key) {
        const struct config_app *app = find_app(config, key);

        return app ? app->value : NULL;
}

/* The section of a schedule's key, and the place in it; NULL where nothing is set. */
static const struct config_schedule *find_schedule(const struct config *config, const char *section,
                                                   const struct config_key *key) {
        const char *name = config_section_schedule(section);
        const struct config_schedule *schedule = name ? config_schedule(config, name) : NULL;

        return schedule && key && config_schedule_sets(schedule, key->name) ? schedule : NULL;
}

const char *config_origin(const struct config *config, const char *section, const char *name) {
        const struct config_key *key;
        const char *origin;

        if (strcasecmp(section, "app") == 0) {
                const struct config_app *app = find_app(config, name);

                return app ? app->origin : NULL;
        }
        key = config_key_find(section, name);
        if (!key)
                return NULL;
        if (config_section_schedule(section)) {
                const struct config_schedule *schedule = find_schedule(config, section, key);

                return schedule ? schedule->origins[key - config_schedule_table] : NULL;
        }
        origin = config->origins[key - config_table];
        return origin ? origin : CONFIG_ORIGIN_DEFAULT;
}

int config_get_text(const struct config *config, const char *section, const char *name, char **ret) {
        const struct config_key *key;
        const char *value;
        char *copy;

        if (config_section_schedule(section)) {
                const struct config_schedule *schedule;

                key = config_key_find(section, name);
                schedule = find_schedule(config, section, key);
                return schedule ? config_key_get(key, schedule, ret) : -ENOENT;
        }
        if (strcasecmp(section, "app") != 0) {
                key = config_key_find(section, name);
                return key ? config_key_get(key, config, ret) : -ENOENT;
        }
        value = config_app(config, name);
        if (!value)
                return -ENOENT;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

typedef int (*each_t)(const char *section, const char *key, const char *value, const char *origin,
                      void *userdata);

static int each_key(const struct config *config, const struct config_key *key, each_t each, void *userdata) {
        _cleanup_free_ char *value = NULL;
        int r;

        r = config_key_get(key, config, &value);
        return r < 0 ? r
                     : each(key->section, key->name, value, config_origin(config, key->section, key->name),
                            userdata);
}

static int each_of_schedule(const struct config_schedule *schedule, each_t each, void *userdata) {
        char section[sizeof(CONFIG_SCHEDULE_SECTION) + CONFIG_SCHEDULE_NAME_MAX];
        int r = 0;

        (void) stpcpy(stpcpy(section, CONFIG_SCHEDULE_SECTION), schedule->name);
        for (size_t i = 0; i < config_schedule_table_size && r >= 0; i++) {
                _cleanup_free_ char *value = NULL;

                if (!schedule->origins[i])
                        continue;
                r = config_key_get(&config_schedule_table[i], schedule, &value);
                r = r < 0 ? r
                          : each(section, config_schedule_table[i].name, value, schedule->origins[i],
                                 userdata);
        }
        return r;
}

int config_each(const struct config *config, each_t each, void *userdata) {
        int r = 0;

        for (size_t i = 0; i < config_table_size && r >= 0; i++)
                r = each_key(config, &config_table[i], each, userdata);
        for (size_t i = 0; i < config->n_schedules && r >= 0; i++)
                r = each_of_schedule(&config->schedules[i], each, userdata);
        for (size_t i = 0; i < config->n_app && r >= 0; i++)
                r = each("app", config->app[i].key, config->app[i].value, config->app[i].origin, userdata);
        return r;
}
