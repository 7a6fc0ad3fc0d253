/* SPDX-License-Identifier: MIT */

/*
 * musterctl reload: what ExecReload= of the unit runs, so it waits for the end and its exit status is the reload's.
 */

#include <inttypes.h>

#include "cli/format.h"
#include "cli/verb.h"

int verb_reload(const struct arguments *arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_client_ struct client client = CLIENT_NULL;
        usec_t begin = now_monotonic();
        char span[FORMAT_MAX];
        uint64_t generation;
        int r;

        r = client_open(&client, arguments->instance);
        r = r != EXIT_OK ? r : client_call(&client, &reply, "Reload", "");
        if (r != EXIT_OK)
                return r;
        if (sd_bus_message_read(reply, "t", &generation) < 0)
                return EXIT_FAILED;
        (void) printf("%s: reloaded, generation %" PRIu64 ", in %s\n", arguments->instance, generation,
                      format_span(now_monotonic() - begin, span, sizeof(span)));
        return EXIT_OK;
}
