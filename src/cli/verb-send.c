/* SPDX-License-Identifier: MIT */

/*
 * musterctl send: a message to the application, as its own processes send them.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/verb.h"
#include "ipc/control.h"

/* All of the standard input. Returns an exit status. */
static int read_input(char *buffer, size_t room, size_t *ret_size) {
        size_t size = 0;
        ssize_t n;

        do {
                n = read(STDIN_FILENO, buffer + size, room - size);
                if (n > 0)
                        size += (size_t) n;
        } while ((n > 0 && size < room) || (n < 0 && errno == EINTR));
        if (n < 0) {
                (void) fprintf(stderr, "musterctl: Cannot read the data: %s\n", strerror(errno));
                return EXIT_FAILED;
        }
        *ret_size = size;
        return EXIT_OK;
}

static int send_message(struct client *client, const struct arguments *arguments, const char *data,
                        size_t size) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = client_new_call(client, "SendMessage");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t receivers;
        int r;

        r = message ? sd_bus_message_append(message, "ss", arguments->to, arguments->words[0]) : -ENOMEM;
        r = r < 0 ? r : sd_bus_message_append_array(message, 'y', data, size);
        if (r == -EINVAL) {
                (void) fputs("musterctl: The action must be UTF-8\n", stderr);
                return EXIT_USAGE;
        }
        r = client_call_message(client, r < 0 ? NULL : message, &reply);
        if (r != EXIT_OK || sd_bus_message_read(reply, "t", &receivers) < 0)
                return r ?: EXIT_FAILED;
        (void) printf("%s: sent to %" PRIu64 " process%s\n", client->instance, receivers,
                      receivers == 1 ? "" : "es");
        return EXIT_OK;
}

int verb_send(const struct arguments *arguments) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        static char input[CONTROL_DATA_MAX + 1];
        const char *data = arguments->n_words > 1 ? arguments->words[1] : "";
        size_t size = strlen(data);
        int r;

        if (!arguments->to) {
                (void) fputs("musterctl: To whom? --to app, agent, all, random or a pid\n", stderr);
                return EXIT_USAGE;
        }
        if (streq(data, "-")) {
                r = read_input(input, sizeof(input), &size);
                if (r != EXIT_OK)
                        return r;
                data = input;
        }
        if (size > CONTROL_DATA_MAX) {
                (void) fprintf(stderr, "musterctl: More than %u bytes of data\n", CONTROL_DATA_MAX);
                return EXIT_USAGE;
        }
        r = client_open(&client, arguments->instance);
        return r != EXIT_OK ? r : send_message(&client, arguments, data, size);
}
