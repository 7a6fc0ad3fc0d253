/* SPDX-License-Identifier: MIT */

/*
 * musterctl quarantine: which requests are refused since they crash workers; lets out and puts in by hand.
 */

#include <inttypes.h>

#include "cli/format.h"
#include "cli/listing.h"
#include "cli/verb.h"
#include "util/parse.h"

static int lift(const struct arguments *arguments, struct client *client) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t number;
        int r;

        if (!streq(arguments->lift, "all")) {
                if (parse_uint64(arguments->lift, &number) < 0) {
                        (void) fprintf(stderr, "musterctl: %s: too large a number\n", arguments->lift);
                        return EXIT_USAGE;
                }
                r = client_call(client, &reply, "LiftQuarantine", "t", number);
                if (r == EXIT_OK)
                        (void) printf("%s: lifted number %" PRIu64 "\n", arguments->instance, number);
                return r;
        }
        r = client_call(client, &reply, "LiftAllQuarantine", "");
        if (r != EXIT_OK || sd_bus_message_read(reply, "t", &number) < 0)
                return r ?: EXIT_FAILED;
        (void) printf("%s: lifted %" PRIu64 "\n", arguments->instance, number);
        return EXIT_OK;
}

static int add(const struct arguments *arguments, struct client *client) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = client_call(client, &reply, "AddToQuarantine", "sst", arguments->add_route ? "route" : "request",
                        arguments->add, arguments->time);
        if (r == EXIT_OK)
                (void) printf("%s: %s is in quarantine\n", arguments->instance, arguments->add);
        return r;
}

static void add_row(struct listing *listing, const struct value *entry) {
        char span[FORMAT_MAX];

        listing_add(listing, "%" PRIu64, value_number(entry, "Number"));
        listing_add(listing, "%s", value_text(entry, "Kind"));
        listing_add(listing, "%s", value_text(entry, "Text"));
        if (value_number(entry, "ByHand"))
                listing_add(listing, "by hand");
        else
                listing_add(listing, "%" PRIu64, value_number(entry, "Crashes"));
        listing_add(listing, "%s", format_span(value_number(entry, "EndsInUsec"), span, sizeof(span)));
        listing_add(listing, "%s", value_text(entry, "Place"));
}

static int show(const struct arguments *arguments, struct client *client) {
        static const struct column columns[] = {
                { "NUMBER", true },  { "KIND", false },   { "REQUEST", false },
                { "CRASHES", true }, { "ENDS IN", true }, { "AT", false },
        };
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        _cleanup_value_ struct value status = VALUE_NULL;
        const struct value *entries;
        int r;

        r = client_get_status(client, &status);
        if (r != EXIT_OK)
                return r;
        entries = value_list(&status, "Quarantine");
        if (arguments->json) {
                value_write_json(entries, stdout);
                return EXIT_OK;
        }
        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < entries->n_items; i++)
                add_row(&listing, &entries->items[i]);
        if (listing_print(&listing, stdout, 0) < 0)
                return EXIT_FAILED;
        (void) printf("\n%" PRIu64 " requests refused\n", value_number(&status, "QuarantineRefused"));
        return EXIT_OK;
}

int verb_quarantine(const struct arguments *arguments) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        int r;

        if (arguments->lift && arguments->add) {
                (void) fputs("musterctl: Either --lift or --add\n", stderr);
                return EXIT_USAGE;
        }
        r = client_open(&client, arguments->instance);
        if (r != EXIT_OK)
                return r;
        if (arguments->lift)
                return lift(arguments, &client);
        if (arguments->add)
                return add(arguments, &client);
        return show(arguments, &client);
}
