/* SPDX-License-Identifier: MIT */

/*
 * musterctl restart, scale and stop: the workers, one by one or their number. Each waits until it is done.
 *
 * Restarting all asks for one after another, so whoever interrupts it ends it after the one that is under way, and
 * the first that can't be replaced is where it ends by itself.
 */

#include <inttypes.h>

#include "cli/format.h"
#include "cli/verb.h"
#include "util/parse.h"

static int number_of(const char *word, uint64_t *ret) {
        if (parse_uint64(word, ret) >= 0)
                return EXIT_OK;
        (void) fprintf(stderr, "musterctl: %s: no number\n", word);
        return EXIT_USAGE;
}

/* Calls a method that takes a number and answers with one. */
static int call_number(struct client *client, const char *method, uint64_t number, uint64_t *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = client_call(client, &reply, method, "t", number);
        if (r != EXIT_OK)
                return r;
        return sd_bus_message_read(reply, "t", ret) < 0 ? EXIT_FAILED : EXIT_OK;
}

/* ---- restart ---- */

static int restart_one(struct client *client, uint64_t number) {
        usec_t begin = now_monotonic();
        char span[FORMAT_MAX];
        uint64_t pid;
        int r;

        r = call_number(client, "ReplaceWorker", number, &pid);
        if (r != EXIT_OK)
                return r;
        (void) printf("%s: worker %" PRIu64 " is pid %" PRIu64 " now, in %s\n", client->instance, number,
                      pid, format_span(now_monotonic() - begin, span, sizeof(span)));
        (void) fflush(stdout);
        return EXIT_OK;
}

/* A place that an operator has emptied stays empty, and one that two have for a moment is done once. */
static int restart_all(struct client *client) {
        _cleanup_value_ struct value status = VALUE_NULL;
        const struct value *workers;
        uint64_t next = 0;
        int r;

        r = client_get_status(client, &status);
        workers = value_list(&status, "Workers");
        for (size_t i = 0; i < workers->n_items && r == EXIT_OK; i++) {
                const struct value *worker = &workers->items[i];
                uint64_t number = value_number(worker, "Worker");

                if (number < next || number >= value_number(&status, "WorkersWanted") ||
                    streq(value_text(worker, "State"), "stopped"))
                        continue;
                r = restart_one(client, number);
                next = number + 1;
        }
        return r;
}

int verb_restart(const struct arguments *arguments) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        uint64_t number = 0;
        int r = EXIT_OK;

        if (arguments->n_words > 0)
                r = number_of(arguments->words[0], &number);
        r = r != EXIT_OK ? r : client_open(&client, arguments->instance);
        if (r != EXIT_OK)
                return r;
        return arguments->n_words > 0 ? restart_one(&client, number) : restart_all(&client);
}

/* ---- scale and stop ---- */

int verb_scale(const struct arguments *arguments) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        uint64_t number;
        int r;

        r = number_of(arguments->words[0], &number);
        r = r != EXIT_OK ? r : client_open(&client, arguments->instance);
        r = r != EXIT_OK ? r : call_number(&client, "Scale", number, &number);
        if (r == EXIT_OK)
                (void) printf("%s: %" PRIu64 " workers\n", arguments->instance, number);
        return r;
}

int verb_stop(const struct arguments *arguments) {
        _cleanup_client_ struct client client = CLIENT_NULL;
        uint64_t number;
        int r;

        r = number_of(arguments->words[0], &number);
        r = r != EXIT_OK ? r : client_open(&client, arguments->instance);
        r = r != EXIT_OK ? r : call_number(&client, "StopWorker", number, &number);
        if (r == EXIT_OK)
                (void) printf("%s: worker %" PRIu64 " is stopped\n", arguments->instance, number);
        return r;
}
