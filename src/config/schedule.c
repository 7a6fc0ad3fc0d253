/* SPDX-License-Identifier: MIT */

/*
 * The sections [schedule:NAME], of which there are as many as somebody writes.
 *
 * Which schedules there are, the application says, and with them their settings; here is only what an operator wants
 * otherwise. So no key has a default, each knows whether it is set, and an empty value unsets it, for a drop-in that
 * takes back what the file before it says. Whether there is such a schedule only the agent can tell, which has the
 * application: it refuses to start with a section that means none.
 */

#include <errno.h>
#include <strings.h>

#include "config/build.h"
#include "config/config.h"
#include "config/table.h"

bool config_schedule_name_valid(const char *name) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
        size_t length = strlen(name);

        return length > 0 && length <= CONFIG_SCHEDULE_NAME_MAX && strspn(name, allowed) == length;
}

const char *config_section_schedule(const char *section) {
        size_t length = strlen(CONFIG_SCHEDULE_SECTION);

        if (strncasecmp(section, CONFIG_SCHEDULE_SECTION, length) != 0 ||
            !config_schedule_name_valid(section + length))
                return NULL;
        return section + length;
}

static struct config_schedule *find(const struct config *config, const char *name) {
        for (size_t i = 0; i < config->n_schedules; i++)
                if (strcasecmp(config->schedules[i].name, name) == 0)
                        return &config->schedules[i];
        return NULL;
}

const struct config_schedule *config_schedule(const struct config *config, const char *name) {
        return find(config, name);
}

bool config_schedule_sets(const struct config_schedule *schedule, const char *key) {
        for (size_t i = 0; i < config_schedule_table_size; i++)
                if (streq(config_schedule_table[i].name, key))
                        return schedule->origins[i];
        return false;
}

static int add(struct config *config, const char *name, struct config_schedule **ret) {
        struct config_schedule *larger;
        char *copy;

        if (config->n_schedules >= CONFIG_SCHEDULES_MAX)
                return -E2BIG;
        larger = reallocarray(config->schedules, config->n_schedules + 1, sizeof(*larger));
        if (!larger)
                return -ENOMEM;
        config->schedules = larger;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        for (char *p = copy; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
        larger[config->n_schedules] = (struct config_schedule){ .name = copy };
        *ret = &larger[config->n_schedules++];
        return 0;
}

static void unset(struct config_schedule *schedule, const struct config_key *key) {
        size_t i = (size_t) (key - config_schedule_table);

        config_key_clear(key, schedule);
        free(schedule->origins[i]);
        schedule->origins[i] = NULL;
}

static bool sets_nothing(const struct config_schedule *schedule) {
        for (size_t i = 0; i < CONFIG_SCHEDULE_KEYS; i++)
                if (schedule->origins[i])
                        return false;
        return true;
}

/* Those that set nothing are none. */
static void drop_empty(struct config *config, struct config_schedule *schedule) {
        size_t i = (size_t) (schedule - config->schedules);

        if (!sets_nothing(schedule))
                return;
        free(schedule->name);
        config->n_schedules--;
        memmove(schedule, schedule + 1, (config->n_schedules - i) * sizeof(*schedule));
}

static int set(struct config_schedule *schedule, const struct config_key *key, const char *value,
               const char *origin) {
        size_t i = (size_t) (key - config_schedule_table);
        char *copy;
        int r;

        copy = strdup(origin);
        if (!copy)
                return -ENOMEM;
        r = config_key_set(key, schedule, value);
        if (r < 0) {
                free(copy);
                return r;
        }
        free(schedule->origins[i]);
        schedule->origins[i] = copy;
        return 0;
}

int config_set_schedule(struct config *config, const char *name, const struct config_key *key,
                        const char *value, const char *origin) {
        struct config_schedule *schedule = find(config, name);
        int r = 0;

        if (!schedule && *value)
                r = add(config, name, &schedule);
        if (r < 0 || !schedule)
                return r;
        if (*value)
                r = set(schedule, key, value, origin);
        else
                unset(schedule, key);
        drop_empty(config, schedule);
        return r;
}

int config_restore_schedule(struct config *config, const char *section, const char *name, const char *value,
                            const char *origin) {
        const struct config_key *key = config_key_find(section, name);
        const char *schedule_name = config_section_schedule(section);
        const struct config_schedule *schedule = schedule_name ? find(config, schedule_name) : NULL;

        if (!key || !schedule_name || !*value || (schedule && config_schedule_sets(schedule, key->name)))
                return -EBADMSG;
        return config_set_schedule(config, schedule_name, key, value, origin);
}

void config_free_schedules(struct config *config) {
        for (size_t i = 0; i < config->n_schedules; i++) {
                for (size_t j = 0; j < config_schedule_table_size; j++)
                        unset(&config->schedules[i], &config_schedule_table[j]);
                free(config->schedules[i].name);
        }
        free(config->schedules);
}
