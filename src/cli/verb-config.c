/* SPDX-License-Identifier: MIT */

/*
 * musterctl config: every setting with its value and where it comes from, as the running service has it; of one that does
 * not run, as its files have it. And musterctl check, which reads files and says what is wrong with them.
 */

#include <errno.h>

#include "cli/instance.h"
#include "cli/listing.h"
#include "cli/verb.h"
#include "config/config.h"
#include "util/text.h"

/* ---- What is there ---- */

/* {section: {key: {Value, Origin}}} out of rows; sections come one after another. */
static int add_setting(const char *section, const char *key, const char *value, const char *origin,
                       void *userdata) {
        struct value *all = userdata;
        struct value *last = all->n_items > 0 ? &all->items[all->n_items - 1] : NULL;
        _cleanup_free_ char *clean = NULL;
        int r;

        if (!last || !streq(last->name, section))
                last = value_add(all, section, VALUE_DICTIONARY);
        last = last ? value_add(last, key, VALUE_DICTIONARY) : NULL;
        if (!last)
                return -ENOMEM;
        clean = text_hide_passwords(strdup(value));
        r = clean ? value_add_text(last, "Value", clean) : -ENOMEM;
        return r < 0 ? r : value_add_text(last, "Origin", origin);
}

static int from_service(struct client *client, struct value *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *section, *key, *value, *origin;
        int r;

        r = client_call(client, &reply, "GetConfiguration", "");
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssss)", &section, &key, &value, &origin)) > 0)
                r = add_setting(section, key, value, origin, ret);
        return r < 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- Files ---- */

static int load(const char *path, const char *instance, struct config **ret, bool quiet) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        int r;

        r = config_load(ret, path, instance, NULL, &report);
        for (size_t i = 0; i < report.n_lines; i++)
                if (!quiet || report.lines[i].error)
                        (void) fprintf(stderr, "%s: %s\n", report.lines[i].error ? "error" : "warning",
                                       report.lines[i].text);
        if (r < 0 && report.n_errors == 0)
                (void) fprintf(stderr, "musterctl: %s: %s\n", path, strerror(-r));
        return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int config_path(const char *instance, char **ret) {
        if (asprintf(ret, "%s/%s.conf", instance_config_directory(), instance) >= 0)
                return EXIT_OK;
        *ret = NULL;
        (void) fputs("musterctl: Out of memory\n", stderr);
        return EXIT_FAILED;
}

static int from_files(const char *instance, struct value *ret) {
        _cleanup_config_ struct config *config = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = config_path(instance, &path);
        r = r != EXIT_OK ? r : load(path, instance, &config, true);
        if (r != EXIT_OK)
                return r;
        (void) fprintf(stderr, "musterctl: %s is not running; this is what its files say\n", instance);
        return config_each(config, add_setting, ret) < 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- The verbs ---- */

static int print_config(const struct value *all) {
        static const struct column columns[] = {
                { "SETTING", false },
                { "VALUE", false },
                { "FROM", false },
        };
        _cleanup_listing_ struct listing listing = LISTING_NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < all->n_items; i++)
                for (size_t j = 0; j < all->items[i].n_items; j++) {
                        const struct value *setting = &all->items[i].items[j];

                        listing_add(&listing, "%s.%s", all->items[i].name, setting->name);
                        listing_add(&listing, "%s", value_text(setting, "Value"));
                        listing_add(&listing, "%s", value_text(setting, "Origin"));
                }
        return listing_print(&listing, stdout, 0);
}

int verb_config(const struct arguments *arguments) {
        _cleanup_client_ struct client client = { .may_be_absent = true };
        _cleanup_value_ struct value all = VALUE_NULL;
        int r;

        r = client_open(&client, arguments->instance);
        if (r == EXIT_NOT_RUNNING)
                r = from_files(arguments->instance, &all);
        else if (r == EXIT_OK)
                r = from_service(&client, &all);
        if (r != EXIT_OK)
                return r;
        if (arguments->json)
                value_write_json(&all, stdout);
        else if (print_config(&all) < 0)
                return EXIT_FAILED;
        return EXIT_OK;
}

/* Files are written with a slash or an ending, instances with neither. */
static bool is_path(const char *word) {
        size_t length = strlen(word);

        return strchr(word, '/') || (length > 5 && streq(word + length - 5, ".conf"));
}

static int check_file(const char *path, const char *instance) {
        _cleanup_config_ struct config *config = NULL;
        int r;

        r = load(path, instance, &config, false);
        if (r == EXIT_OK)
                (void) printf("%s: good\n", path);
        return r;
}

int verb_check(const struct arguments *arguments) {
        _cleanup_instances_ struct instances instances = INSTANCES_NULL;
        const char *word = arguments->n_words > 0 ? arguments->words[0] : arguments->instance;
        _cleanup_free_ char *path = NULL;
        int r = EXIT_OK;

        if (word && is_path(word))
                return check_file(word, NULL);
        if (word) {
                r = config_path(word, &path);
                return r == EXIT_OK ? check_file(path, word) : r;
        }
        /* All there are */
        if (instances_find(&instances) < 0)
                return EXIT_FAILED;
        for (size_t i = 0; i < instances.n; i++) {
                _cleanup_free_ char *each = NULL;

                if (!instances.all[i].has_configuration)
                        continue;
                if (config_path(instances.all[i].name, &each) != EXIT_OK ||
                    check_file(each, instances.all[i].name) != EXIT_OK)
                        r = EXIT_FAILED;
        }
        return r;
}
