/* SPDX-License-Identifier: MIT */

/*
 * musterctl status, and list, which is the same for everyone in short.
 */

#include <errno.h>
#include <inttypes.h>

#include "cli/format.h"
#include "cli/instance.h"
#include "cli/listing.h"
#include "cli/screen.h"
#include "cli/verb.h"
#include "cli/view.h"

static int out_of_memory(void) {
        (void) fputs("musterctl: Out of memory\n", stderr);
        return EXIT_FAILED;
}

int verb_status(const struct arguments *arguments) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        _cleanup_value_ struct value status = VALUE_NULL;
        int r;

        r = client_open(&client, arguments->instance);
        r = r != EXIT_OK ? r : client_get_status(&client, &status);
        if (r != EXIT_OK)
                return r;
        if (arguments->json) {
                value_write_json(&status, stdout);
                return EXIT_OK;
        }
        return view_status(&status, now_realtime(), stdout, screen_width()) < 0 ? out_of_memory() : EXIT_OK;
}

/* ---- All of them ---- */

/* What is known of an instance, whether it answers or not, as a dictionary. */
static int describe(const struct instance *instance, struct value *all) {
        _cleanup_client_ struct client client = { .quiet = true };
        _cleanup_value_ struct value status = VALUE_NULL;
        static const char *const numbers[] = { "Pid",           "UptimeUsec", "WorkersReady",
                                               "WorkersWanted", "Restarts",   "RequestsPerSecond" };
        struct value *item;
        const char *state;
        int r, error = 0;

        r = client_open(&client, instance->name);
        r = r != EXIT_OK ? r : client_get_status(&client, &status);
        state = r == EXIT_OK            ? value_text(&status, "State")
                : r == EXIT_NOT_RUNNING ? "stopped"
                : r == EXIT_PERMISSION  ? "not permitted"
                                        : "not answering";
        item = value_add(all, NULL, VALUE_DICTIONARY);
        if (!item)
                return -ENOMEM;
        error = value_add_text(item, "Instance", instance->name);
        error = error < 0 ? error : value_add_text(item, "State", state);
        for (size_t i = 0; i < ELEMENTSOF(numbers) && r == EXIT_OK && error >= 0; i++)
                error = value_add_number(item, numbers[i], value_number(&status, numbers[i]));
        if (r == EXIT_OK && error >= 0)
                error = value_add_text(item, "Module", value_text(&status, "Module"));
        return error;
}

static void add_row(struct listing *listing, const struct value *item) {
        char span[FORMAT_MAX];

        listing_add(listing, "%s", value_text(item, "Instance"));
        listing_add(listing, "%s", value_text(item, "State"));
        if (!value_get(item, "Pid")) {
                for (unsigned int i = 0; i < 6; i++)
                        listing_add(listing, "%s", i < 5 ? "-" : "");
                return;
        }
        listing_add(listing, "%" PRIu64, value_number(item, "Pid"));
        listing_add(listing, "%" PRIu64 "/%" PRIu64, value_number(item, "WorkersReady"),
                    value_number(item, "WorkersWanted"));
        listing_add(listing, "%" PRIu64, value_number(item, "Restarts"));
        listing_add(listing, "%" PRIu64, value_number(item, "RequestsPerSecond"));
        listing_add(listing, "%s", format_span(value_number(item, "UptimeUsec"), span, sizeof(span)));
        listing_add(listing, "%s", value_text(item, "Module"));
}

static int print_list(const struct value *all) {
        static const struct column columns[] = {
                { "INSTANCE", false }, { "STATE", false },     { "PID", true },    { "WORKERS", true },
                { "RESTARTS", true },  { "REQUESTS/S", true }, { "UPTIME", true }, { "APPLICATION", false },
        };
        _cleanup_listing_ struct listing listing = LISTING_NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < all->n_items; i++)
                add_row(&listing, &all->items[i]);
        return listing_print(&listing, stdout, screen_width());
}

int verb_list(const struct arguments *arguments) {
        _cleanup_instances_ struct instances instances = INSTANCES_NULL;
        _cleanup_value_ struct value all = { .kind = VALUE_LIST };

        if (instances_find(&instances) < 0)
                return out_of_memory();
        for (size_t i = 0; i < instances.n; i++)
                if (describe(&instances.all[i], &all) < 0)
                        return out_of_memory();
        if (arguments->json) {
                value_write_json(&all, stdout);
                return EXIT_OK;
        }
        return print_list(&all) < 0 ? out_of_memory() : EXIT_OK;
}
