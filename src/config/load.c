/* SPDX-License-Identifier: MIT */

/*
 * Loading: the file, its drop-ins, the command line, and then the questions about the whole.
 *
 * Later sources win over earlier ones, key by key. Nothing is guessed and nothing is skipped: a section
 * or key that is not in the table is an error, as it is mostly one that was mistyped and whose writer
 * believes to have set a limit. An error does not end the reading, so one --check tells everything, and
 * a value that was refused leaves the one before in place so that the later questions make sense.
 * What is only doubtful (a drain that is longer than the stop that contains it) is a warning.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "config/build.h"
#include "config/config.h"
#include "config/ini.h"
#include "config/table.h"
#include "util/text.h"

#define VALUE_SHOWN 80 /* bytes of a bad value that an error repeats */
#define REASON_MAX  160

struct loader {
        struct config *config;
        struct config_report *report;
        bool unreadable; /* a file could not be read, so a key that is missing may stand in it */
};

static int report_unknown_section(struct loader *loader, const char *origin, const char *section) {
        const char *nearest = config_nearest_section(section);

        if (nearest)
                return config_report_error(loader->report, "%s: [%s]: unknown section, did you mean [%s]?",
                                           origin, section, nearest);
        return config_report_error(loader->report, "%s: [%s]: unknown section", origin, section);
}

static const char *shown(const char *value, char *buffer, size_t size) {
        _cleanup_free_ char *clean = text_hide_passwords(strdup(value));
        bool cut = clean && strlen(clean) > VALUE_SHOWN;

        (void) snprintf(buffer, size, "%.*s%s", VALUE_SHOWN, clean ?: "", cut ? "…" : "");
        return buffer;
}

static int report_unknown_key(struct loader *loader, const char *origin, const char *section,
                              const char *key, const char *value) {
        const char *other = config_other_section(key), *nearest = config_nearest_key(section, key);
        char text[VALUE_SHOWN + 8];

        shown(value, text, sizeof(text));
        if (other)
                return config_report_error(loader->report,
                                           "%s: [%s] %s = %s: unknown key, it belongs in [%s]", origin,
                                           section, key, text, other);
        if (nearest)
                return config_report_error(loader->report, "%s: [%s] %s = %s: unknown key, did you mean %s?",
                                           origin, section, key, text, nearest);
        return config_report_error(loader->report, "%s: [%s] %s = %s: unknown key", origin, section, key,
                                   text);
}

static int report_bad_value(struct loader *loader, const char *origin, const char *section,
                            const struct config_key *key, const char *value, int error) {
        _cleanup_free_ char *allowed = NULL;
        char text[VALUE_SHOWN + 8], why[REASON_MAX] = "";
        int r;

        if (key->explain && error == -EINVAL) {
                key->explain(value, why, sizeof(why));
                return config_report_error(loader->report, "%s: [%s] %s = %s: %s", origin, section,
                                           key->name, shown(value, text, sizeof(text)), why);
        }
        r = config_key_allowed(key, &allowed);
        if (r < 0)
                return r;
        if (error == -ERANGE)
                return config_report_error(loader->report, "%s: [%s] %s = %s: out of range, allowed are %s",
                                           origin, section, key->name, shown(value, text, sizeof(text)),
                                           allowed);
        return config_report_error(loader->report, "%s: [%s] %s = %s: not a valid %s, allowed are %s",
                                   origin, section, key->name, shown(value, text, sizeof(text)),
                                   config_type_name(key->type), allowed);
}

static int set_of_schedule(struct loader *loader, const char *origin, const char *section,
                           const struct config_key *key, const char *value) {
        int r;

        r = config_set_schedule(loader->config, config_section_schedule(section), key, value, origin);
        if (r == -E2BIG)
                return config_report_error(loader->report, "%s: [%s]: more than %u such sections", origin,
                                           section, CONFIG_SCHEDULES_MAX);
        return r < 0 && r != -ENOMEM ? report_bad_value(loader, origin, section, key, value, r) : r;
}

static int set_value(struct loader *loader, const char *origin, const char *section, const char *name,
                     const char *value) {
        const struct config_key *key;
        int r;

        if (strcasecmp(section, "app") == 0 && !config_app_key_valid(name))
                return config_report_error(
                        loader->report, "%s: [app] %s: a key's name is made of letters, digits, _, - and .",
                        origin, name);
        if (strcasecmp(section, "app") == 0)
                return config_set_app(loader->config, name, value, origin);
        key = config_key_find(section, name);
        if (!key)
                return report_unknown_key(loader, origin, section, name, value);
        if (config_section_schedule(section))
                return set_of_schedule(loader, origin, section, key, value);
        r = config_key_set(key, loader->config, value);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                r = report_bad_value(loader, origin, key->section, key, value, r);
                if (r < 0)
                        return r;
        }
        return config_set_origin(loader->config, key, origin);
}

static int load_entry(struct loader *loader, const char *path, const struct ini_entry *entry) {
        _cleanup_free_ char *origin = NULL;

        if (asprintf(&origin, "%s:%u", path, entry->line) < 0) {
                origin = NULL;
                return -ENOMEM;
        }
        if (!config_section_known(entry->section))
                return entry->key ? 0 : report_unknown_section(loader, origin, entry->section);
        return entry->key ? set_value(loader, origin, entry->section, entry->key, entry->value) : 0;
}

static int load_file(struct loader *loader, const char *path) {
        _cleanup_ini_ struct ini ini = INI_NULL;
        int r;

        r = ini_read(&ini, path, loader->report);
        if (r == -EINVAL) {
                loader->unreadable = true;
                return 0;
        }
        if (r < 0)
                return r;
        for (size_t i = 0; i < ini.n_entries; i++) {
                r = load_entry(loader, path, &ini.entries[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int is_drop_in(const struct dirent *entry) {
        size_t length = strlen(entry->d_name);

        return entry->d_name[0] != '.' && length > 5 && streq(entry->d_name + length - 5, ".conf");
}

/* alphasort() would follow the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_in(struct loader *loader, const char *directory, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return load_file(loader, path);
}

static int load_drop_ins(struct loader *loader, const char *path) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        if (asprintf(&directory, "%s.d", path) < 0) {
                directory = NULL;
                return -ENOMEM;
        }
        n = scandir(directory, &entries, is_drop_in, by_bytes);
        if (n < 0 && errno == ENOENT)
                return 0;
        if (n < 0 && errno == ENOMEM)
                return -ENOMEM;
        if (n < 0) {
                loader->unreadable = true;
                return config_report_error(loader->report, "%s: %s", directory, strerror(errno));
        }

        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = load_drop_in(loader, directory, entries[i]->d_name);
                free(entries[i]);
        }
        free((void *) entries);
        return r;
}

/* "SECTION.KEY=VALUE"; a section's name has no dot, so the first one divides. The value is taken as it
 * is: quotes and comments are the shell's business. */
static int load_override(struct loader *loader, const char *override) {
        _cleanup_free_ char *section = NULL;
        char *equals, *dot;

        section = strdup(override);
        if (!section)
                return -ENOMEM;
        equals = strchr(section, '=');
        if (equals)
                *equals = '\0';
        dot = strchr(section, '.');
        if (!equals || !dot || dot == section || !dot[1])
                return config_report_error(loader->report, "-o: %s: not of the form SECTION.KEY=VALUE",
                                           override);
        *dot = '\0';
        for (const char *p = override; *p; p++)
                if (((unsigned char) *p < ' ' && *p != '\t') || *p == '\x7f')
                        return config_report_error(loader->report,
                                                   "-o: [%s] %s: a control byte in the value", section,
                                                   dot + 1);

        if (!config_section_known(section))
                return report_unknown_section(loader, "-o", section);
        return set_value(loader, "-o", section, dot + 1, equals + 1);
}

static int check_required(struct loader *loader, const char *path) {
        for (size_t i = 0; i < config_table_size; i++) {
                const struct config_key *key = &config_table[i];
                int r;

                /* A key that was set badly has been reported already, and has an origin. */
                if (!key->required || loader->config->origins[i] || loader->unreadable)
                        continue;
                r = config_report_error(loader->report, "%s: [%s] %s: must be set, to %s", path,
                                        key->section, key->name, key->allowed);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A number that was written must be kept to; one that only follows from another (`auto`, `workers`) gives way. */
static int check_worker_numbers(struct loader *loader, const char *path) {
        unsigned int workers = loader->config->worker.workers, min = loader->config->worker.min_workers;
        unsigned int max = loader->config->worker.max_workers;
        int r = 0;

        if (min > 0 && max > 0 && min > max)
                r = config_report_error(loader->report,
                                        "%s: [worker] min_workers (%u) is more than max_workers (%u)", path,
                                        min, max);
        if (r == 0 && workers > 0 && min > workers)
                r = config_report_error(loader->report,
                                        "%s: [worker] workers (%u) is less than min_workers (%u)", path,
                                        workers, min);
        if (r == 0 && workers > 0 && max > 0 && max < workers)
                r = config_report_error(loader->report,
                                        "%s: [worker] workers (%u) is more than max_workers (%u)", path,
                                        workers, max);
        return r;
}

/* Which of two it should be, the order of the files does not tell. */
static int check_schedules(struct loader *loader) {
        int r = 0;

        for (size_t i = 0; i < loader->config->n_schedules && r == 0; i++) {
                const struct config_schedule *schedule = &loader->config->schedules[i];
                char section[sizeof(CONFIG_SCHEDULE_SECTION) + CONFIG_SCHEDULE_NAME_MAX];

                (void) stpcpy(stpcpy(section, CONFIG_SCHEDULE_SECTION), schedule->name);
                if (config_schedule_sets(schedule, "interval") && config_schedule_sets(schedule, "cron"))
                        r = config_report_error(
                                loader->report,
                                "%s: [%s] cron: interval is set too (%s); unset one of them, as in \"interval =\"",
                                config_origin(loader->config, section, "cron"), section,
                                config_origin(loader->config, section, "interval"));
                if (r == 0 && config_schedule_sets(schedule, "interval") &&
                    config_schedule_sets(schedule, "jitter") && schedule->jitter > schedule->interval)
                        r = config_report_error(loader->report, "%s: [%s] jitter is longer than interval",
                                                config_origin(loader->config, section, "jitter"), section);
        }
        return r;
}

static int check_broker(struct loader *loader, const char *path) {
        const struct config *c = loader->config;

        if (!*c->broker.tls_certificate == !*c->broker.tls_key)
                return 0;
        return config_report_error(
                loader->report, "%s: [broker] tls_certificate and tls_key go together, and only one is set",
                path);
}

/* What makes sense key by key, but not together. */
static int check_together(struct loader *loader, const char *path) {
        const struct config *c = loader->config;
        int r = check_worker_numbers(loader, path);

        r = r == 0 ? check_schedules(loader) : r;

        if (r == 0 && c->muster.stop_timeout < c->worker.drain_timeout)
                r = config_report_warning(
                        loader->report,
                        "%s: [muster] stop_timeout is shorter than [worker] drain_timeout, "
                        "which will be cut short when the service stops",
                        path);
        if (r == 0 && c->http.request_timeout < c->http.header_timeout)
                r = config_report_warning(loader->report,
                                          "%s: [http] request_timeout is shorter than header_timeout, "
                                          "which will never pass",
                                          path);
        if (r == 0)
                r = check_broker(loader, path);
        if (r == 0 && c->log.slow != USEC_NEVER && c->log.slow > c->http.request_timeout)
                r = config_report_warning(loader->report,
                                          "%s: [log] slow is longer than [http] request_timeout, "
                                          "so no request will be logged as slow",
                                          path);
        return r;
}

static int name_instance(struct loader *loader, const char *path, const char *instance) {
        _cleanup_free_ char *name = NULL;
        const char *slash = strrchr(path, '/');
        size_t length;
        int r;

        name = strdup(instance ? instance : slash ? slash + 1 : path);
        if (!name)
                return -ENOMEM;
        length = strlen(name);
        if (!instance && length > 5 && streq(name + length - 5, ".conf"))
                name[length - 5] = '\0';
        r = config_set_instance(loader->config, name);
        if (r == -EINVAL)
                return config_report_error(
                        loader->report,
                        "%s: the instance's name \"%s\" is not made of up to %i letters, digits "
                        "and : - _ . \\ @, or begins with a dot",
                        path, name, CONFIG_INSTANCE_MAX);
        return r;
}

static int load_all(struct loader *loader, const char *path, const char *instance,
                    const char *const *overrides) {
        int r;

        r = name_instance(loader, path, instance);
        if (r < 0)
                return r;
        r = load_file(loader, path);
        if (r < 0)
                return r;
        r = load_drop_ins(loader, path);
        if (r < 0)
                return r;
        for (; overrides && *overrides; overrides++) {
                r = load_override(loader, *overrides);
                if (r < 0)
                        return r;
        }
        r = check_required(loader, path);
        if (r < 0)
                return r;
        return check_together(loader, path);
}

int config_load(struct config **ret, const char *path, const char *instance, const char *const *overrides,
                struct config_report *report) {
        _cleanup_config_ struct config *config = NULL;
        struct loader loader = { .report = report };
        int r;

        r = config_new(&config);
        if (r < 0)
                return r;
        loader.config = config;
        r = load_all(&loader, path, instance, overrides);
        if (r < 0)
                return r;
        if (report->n_errors > 0)
                return -EINVAL;
        *ret = TAKE_PTR(config);
        return 0;
}
