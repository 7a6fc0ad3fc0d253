/* SPDX-License-Identifier: MIT */

/*
 * musterctl upgrade: has the master become the program that is installed now, and waits until all of the service is.
 *
 * The connection ends with the old program: that is the sign to ask the new one, on a new connection, how it ends. The socket
 * is open all the time. Only where the new program has failed the service has to be waited for, until systemd has
 * brought it back.
 */

#include <time.h>

#include "cli/format.h"
#include "cli/verb.h"

#define PATIENCE (30 * USEC_PER_SEC)
#define PAUSE    (50 * USEC_PER_MSEC)

/* The end, as the new master tells it. */
static int await(const char *instance, sd_bus_message **ret) {
        static const struct timespec pause = { .tv_nsec = (long) (PAUSE * 1000) };
        usec_t end = usec_add(now_monotonic(), PATIENCE);

        for (;;) {
                _cleanup_client_ struct client client = CLIENT_NULL;
                bool last = now_monotonic() >= end;
                int r;

                client.may_be_lost = client.may_be_absent = !last;
                r = client_open(&client, instance);
                r = r != EXIT_OK ? r : client_call(&client, ret, "AwaitUpgrade", "");
                if (last || (r != EXIT_LOST && r != EXIT_NOT_RUNNING))
                        return r;
                (void) nanosleep(&pause, NULL);
        }
}

static int upgrade(const char *instance, sd_bus_message **ret) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        int r;

        r = client_open(&client, instance);
        if (r != EXIT_OK)
                return r;
        client.may_be_lost = true;
        return client_call(&client, ret, "Upgrade", "");
}

int verb_upgrade(const struct arguments *arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        usec_t begin = now_monotonic();
        const char *from, *to;
        char span[FORMAT_MAX];
        int r;

        r = upgrade(arguments->instance, &reply);
        if (r == EXIT_LOST)
                r = await(arguments->instance, &reply);
        if (r != EXIT_OK)
                return r;
        if (sd_bus_message_read(reply, "ss", &from, &to) < 0)
                return EXIT_FAILED;
        (void) printf("%s: upgraded from %s to %s, in %s\n", arguments->instance, from, to,
                      format_span(now_monotonic() - begin, span, sizeof(span)));
        return EXIT_OK;
}
