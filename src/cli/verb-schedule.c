/* SPDX-License-Identifier: MIT */

/*
 * musterctl schedule: what runs when, and how it went; runs one now, pauses it, lets it go on.
 */

#include <inttypes.h>

#include "cli/format.h"
#include "cli/listing.h"
#include "cli/verb.h"

/* In words or in how long; realtime 0 is never. */
static void add_time(struct listing *listing, usec_t when, usec_t now, bool past) {
        char span[FORMAT_MAX];

        if (when == 0)
                listing_add(listing, "-");
        else if (past)
                listing_add(listing, "%s ago", format_span(now > when ? now - when : 0, span, sizeof(span)));
        else
                listing_add(listing, "in %s", format_span(when > now ? when - now : 0, span, sizeof(span)));
}

static void add_row(struct listing *listing, const struct value *schedule, usec_t now) {
        char took[FORMAT_MAX];

        listing_add(listing, "%s", value_text(schedule, "Name"));
        listing_add(listing, "%s", value_text(schedule, "When"));
        listing_add(listing, "%s", value_text(schedule, "Type"));
        listing_add(listing, "%s", value_text(schedule, "State"));
        add_time(listing, value_number(schedule, "NextUsec"), now, false);
        add_time(listing, value_number(schedule, "BeganUsec"), now, true);
        if (value_number(schedule, "EndedUsec") > 0)
                listing_add(listing, "%s",
                            format_span(value_number(schedule, "TookUsec"), took, sizeof(took)));
        else
                listing_add(listing, "-");
        listing_add(listing, "%" PRIu64, value_number(schedule, "Runs"));
        listing_add(listing, "%" PRIu64, value_number(schedule, "Failures"));
        listing_add(listing, "%" PRIu64, value_number(schedule, "Skipped"));
        listing_add(listing, "%" PRIu64, value_number(schedule, "Missed"));
        listing_add(listing, "%s", value_text(schedule, "Result"));
}

static int list(const struct arguments *arguments, struct client *client) {
        static const struct column columns[] = {
                { "SCHEDULE", false }, { "WHEN", false },    { "TYPE", false },  { "STATE", false },
                { "NEXT", true },      { "LAST", true },     { "TOOK", true },   { "RUNS", true },
                { "FAILED", true },    { "LEFT OUT", true }, { "MISSED", true }, { "RESULT", false },
        };
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        _cleanup_value_ struct value status = VALUE_NULL;
        const struct value *schedules;
        int r;

        r = client_get_status(client, &status);
        if (r != EXIT_OK)
                return r;
        schedules = value_list(&status, "Schedules");
        if (arguments->json) {
                value_write_json(schedules, stdout);
                return EXIT_OK;
        }
        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < schedules->n_items; i++)
                add_row(&listing, &schedules->items[i], now_realtime());
        return listing_print(&listing, stdout, 0) < 0 ? EXIT_FAILED : EXIT_OK;
}

static int run(const struct arguments *arguments, struct client *client, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *clean = NULL;
        uint32_t succeeded, failed;
        const char *result;
        char span[FORMAT_MAX];
        uint64_t took;
        int ok, r;

        r = client_call(client, &reply, "RunSchedule", "s", name);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_read(reply, "btsuu", &ok, &took, &result, &succeeded, &failed);
        if (r < 0)
                return EXIT_FAILED;
        clean = format_clean(strdup(result));
        (void) fprintf(ok ? stdout : stderr, "%s: %s %s, took %s (%" PRIu32 " of %" PRIu32 " workers)\n",
                       arguments->instance, name, clean ?: "?", format_span(took, span, sizeof(span)),
                       succeeded, succeeded + failed);
        return ok ? EXIT_OK : EXIT_FAILED;
}

static int set(const struct arguments *arguments, struct client *client, const char *method,
               const char *name, const char *done) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = client_call(client, &reply, method, "s", name);
        if (r == EXIT_OK)
                (void) printf("%s: %s is %s\n", arguments->instance, name, done);
        return r;
}

const char *const schedule_actions[] = { "list", "run", "pause", "resume", NULL };

static bool is_action(const char *word) {
        for (size_t i = 0; schedule_actions[i]; i++)
                if (streq(schedule_actions[i], word))
                        return true;
        return false;
}

int verb_schedule(const struct arguments *arguments) {
        const char *action = arguments->n_words > 0 ? arguments->words[0] : "list";
        const char *name = arguments->n_words > 1 ? arguments->words[1] : NULL;
        _cleanup_client_ struct client client = CLIENT_NULL;
        int r;

        if (!is_action(action)) {
                (void) fprintf(stderr, "musterctl: %s: neither list, run, pause nor resume\n", action);
                return EXIT_USAGE;
        }
        if (streq(action, "list") != !name) {
                (void) fprintf(stderr, "musterctl: schedule %s wants %s\n", action,
                               name ? "no name of a schedule" : "the name of a schedule");
                return EXIT_USAGE;
        }
        r = client_open(&client, arguments->instance);
        if (r != EXIT_OK)
                return r;
        if (!name)
                return list(arguments, &client);
        if (streq(action, "run"))
                return run(arguments, &client, name);
        if (streq(action, "pause"))
                return set(arguments, &client, "PauseSchedule", name, "paused");
        return set(arguments, &client, "ResumeSchedule", name, "resumed");
}
