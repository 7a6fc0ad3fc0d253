/* SPDX-License-Identifier: MIT */

/*
 * musterctl counters: what the application counts.
 */

#include <inttypes.h>

#include "cli/listing.h"
#include "cli/verb.h"

int verb_counters(const struct arguments *arguments) {
        static const struct column columns[] = { { "COUNTER", false }, { "VALUE", true } };
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        _cleanup_client_ struct client client = CLIENT_NULL;
        _cleanup_value_ struct value status = VALUE_NULL;
        const struct value *counters;
        int r;

        r = client_open(&client, arguments->instance);
        r = r != EXIT_OK ? r : client_get_status(&client, &status);
        if (r != EXIT_OK)
                return r;
        counters = value_list(&status, "Counters");
        if (arguments->json) {
                value_write_json(counters, stdout);
                return EXIT_OK;
        }
        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (size_t i = 0; i < counters->n_items; i++) {
                listing_add(&listing, "%s", value_text(&counters->items[i], "Name"));
                listing_add(&listing, "%" PRIu64, value_number(&counters->items[i], "Value"));
        }
        return listing_print(&listing, stdout, 0) < 0 ? EXIT_FAILED : EXIT_OK;
}
