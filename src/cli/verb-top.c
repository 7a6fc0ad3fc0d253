/* SPDX-License-Identifier: MIT */

/*
 * musterctl top: what the workers do from moment to moment, drawn again and again until somebody presses q.
 *
 * Rates are those between two looks of ours, worked out of the counters that only grow, so they hold for exactly the
 * time between two drawings. Where the output is no terminal, or with --batch, one drawing follows the other as text.
 */

#include <errno.h>
#include <inttypes.h>

#include "cli/format.h"
#include "cli/listing.h"
#include "cli/rates.h"
#include "cli/screen.h"
#include "cli/verb.h"
#include "cli/view.h"

#define LINES_ABOVE 5 /* of the table's rows */

static void add_worker(struct listing *listing, const struct value *worker, const struct rates *rates) {
        uint64_t pid = value_number(worker, "Pid");
        const struct rate *rate = rates_find(rates, pid);
        char span[FORMAT_MAX], bytes[FORMAT_MAX];

        listing_add(listing, "%" PRIu64, value_number(worker, "Worker"));
        if (pid > 0)
                listing_add(listing, "%" PRIu64, pid);
        else
                listing_add(listing, "-");
        listing_add(listing, "%s", value_text(worker, "State"));
        listing_add(listing, "%.0f", rate ? rate->requests_per_second : 0);
        listing_add(listing, "%.0f%%", rate ? rate->busy_percent : 0);
        listing_add(listing, "%" PRIu64, value_number(worker, "InFlight"));
        listing_add(listing, "%" PRIu64, value_number(worker, "Connections"));
        listing_add(listing, "%s", format_bytes(value_number(worker, "Rss"), bytes, sizeof(bytes)));
        listing_add(listing, "%s", format_span(value_number(worker, "UptimeUsec"), span, sizeof(span)));
        listing_add(listing, "%s", value_text(worker, "Route"));
}

static void print_summary(const struct value *status, const struct rates *rates) {
        char clean[256];

        (void) snprintf(clean, sizeof(clean), "%s", value_text(status, "Status"));
        (void) printf("%.0f requests/s, %" PRIu64 " of %" PRIu64 " workers ready, %" PRIu64
                      " restarts\n%s\n\n",
                      rates->requests_per_second, value_number(status, "WorkersReady"),
                      value_number(status, "WorkersWanted"), value_number(status, "Restarts"),
                      format_clean(clean));
}

static int draw(const struct value *status, const struct rates *rates) {
        static const struct column columns[] = {
                { "WORKER", true }, { "PID", true },       { "STATE", false },  { "REQUESTS/S", true },
                { "BUSY", true },   { "IN FLIGHT", true }, { "CLIENTS", true }, { "RSS", true },
                { "UPTIME", true }, { "ROUTE", false },
        };
        const struct value *workers = value_list(status, "Workers");
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        size_t width, height, shown = workers->n_items;
        int r;

        screen_size(&width, &height);
        if (height > LINES_ABOVE)
                shown = MIN(shown, height - LINES_ABOVE);
        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < shown; i++)
                add_worker(&listing, &workers->items[i], rates);
        screen_clear();
        view_headline(status, stdout);
        print_summary(status, rates);
        r = listing_print(&listing, stdout, width);
        (void) fflush(stdout);
        return r;
}

static int look(struct client *client, struct rates *rates, bool show) {
        _cleanup_value_ struct value status = VALUE_NULL;
        int r;

        r = client_get_status(client, &status);
        if (r != EXIT_OK)
                return r;
        if (rates_update(rates, &status, now_monotonic()) < 0)
                return EXIT_FAILED;
        return show && draw(&status, rates) < 0 ? EXIT_FAILED : EXIT_OK;
}

static int watch(const struct arguments *arguments, struct client *client) {
        _cleanup_rates_ struct rates rates = RATES_NULL;
        uint64_t drawn = 0;
        int r;

        /* The first look is what the second is compared with, soon after it */
        r = look(client, &rates, false);
        if (r != EXIT_OK || screen_wait(MIN(arguments->delay, USEC_PER_SEC / 2)))
                return r;
        for (;;) {
                r = look(client, &rates, true);
                if (r != EXIT_OK || ++drawn == arguments->iterations || screen_wait(arguments->delay))
                        return r;
                if (arguments->batch)
                        (void) putchar('\n');
        }
}

int verb_top(const struct arguments *arguments) {
        _cleanup_client_ struct client client = { .quiet = false };
        struct arguments own = *arguments;
        size_t width, height;
        int r;

        screen_size(&width, &height);
        own.batch = arguments->batch || width == 0;
        r = client_open(&client, arguments->instance);
        if (r != EXIT_OK)
                return r;
        if (!own.batch && screen_enter() < 0)
                own.batch = true;
        /* What goes wrong is said when the screen is as it was */
        client.quiet = !own.batch;
        r = watch(&own, &client);
        screen_leave();
        if (r != EXIT_OK && client.quiet)
                (void) fprintf(stderr, "musterctl: %s does not answer any more\n", arguments->instance);
        return r;
}
