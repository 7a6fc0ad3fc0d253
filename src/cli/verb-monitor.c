/* SPDX-License-Identifier: MIT */

/*
 * musterctl monitor: the messages that pass, one a line, as they do.
 *
 * The master keeps what there is to show for a moment and sends it in one piece, so that watching costs the
 * watched little; what it had no room for it counts, and that is a line too.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/format.h"
#include "cli/verb.h"

#define ENTRY       "tsixsxtstbay"
#define PREVIEW_MAX 64

/* As it comes in the signal MessagesPassed. */
struct passed {
        uint64_t when, receivers, size;
        const char *from, *to, *action;
        int32_t number;
        int64_t pid, to_pid;
        int handle;
        const void *first;
        size_t n_first;
};

struct monitor_view {
        bool json;
        uint64_t left; /* to be shown until it ends, 0: without end */
};

static const char *preview(const struct passed *passed, char buffer[static PREVIEW_MAX + 1]) {
        const unsigned char *bytes = passed->first;
        size_t n = MIN(passed->n_first, (size_t) PREVIEW_MAX);

        for (size_t i = 0; i < n; i++)
                buffer[i] = (char) (bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.');
        buffer[n] = '\0';
        return buffer;
}

/* "worker 1 (4711)", "agent (4700)", "operator" */
static const char *sender(const struct passed *passed, char *buffer, size_t size) {
        if (passed->number >= 0)
                (void) snprintf(buffer, size, "%s %d (%" PRId64 ")", passed->from, passed->number,
                                passed->pid);
        else if (passed->pid > 0)
                (void) snprintf(buffer, size, "%s (%" PRId64 ")", passed->from, passed->pid);
        else
                (void) snprintf(buffer, size, "%s", passed->from);
        return buffer;
}

/* "app: 4", "process 4711", and what did not reach anybody "agent: nobody" */
static const char *receiver(const struct passed *passed, char *buffer, size_t size) {
        char pid[32] = "", count[32] = "";

        if (passed->to_pid > 0)
                (void) snprintf(pid, sizeof(pid), " %" PRId64, passed->to_pid);
        if (passed->receivers == 0)
                (void) snprintf(count, sizeof(count), ": nobody");
        else if (passed->receivers > 1)
                (void) snprintf(count, sizeof(count), ": %" PRIu64, passed->receivers);
        (void) snprintf(buffer, size, "%s%s%s", passed->to, pid, count);
        return buffer;
}

static void print_line(const struct passed *passed) {
        char from[64], to[96], clock[16] = "", bytes[FORMAT_MAX], first[PREVIEW_MAX + 1];
        time_t seconds = (time_t) (passed->when / USEC_PER_SEC);
        _cleanup_free_ char *action = format_clean(strdup(passed->action));
        struct tm local;

        if (localtime_r(&seconds, &local))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &local);
        (void) printf(
                "%s.%06" PRIu64 "  %-18s -> %-16s  %s  %s%s  %s%s\n", clock, passed->when % USEC_PER_SEC,
                sender(passed, from, sizeof(from)), receiver(passed, to, sizeof(to)), action ?: "?",
                format_bytes(passed->size, bytes, sizeof(bytes)), passed->handle ? " and a descriptor" : "",
                preview(passed, first), passed->size > passed->n_first && passed->n_first > 0 ? "…" : "");
}

static int print_json(const struct passed *passed) {
        _cleanup_value_ struct value line = VALUE_NULL;
        char first[PREVIEW_MAX + 1];
        int r;

        r = value_add_number(&line, "TimeUsec", passed->when);
        r = r < 0 ? r : value_add_text(&line, "From", passed->from);
        if (passed->number >= 0)
                r = r < 0 ? r : value_add_number(&line, "FromWorker", (uint64_t) passed->number);
        r = r < 0 ? r : value_add_number(&line, "FromPid", (uint64_t) MAX(passed->pid, 0));
        r = r < 0 ? r : value_add_text(&line, "To", passed->to);
        r = r < 0 ? r : value_add_number(&line, "ToPid", (uint64_t) MAX(passed->to_pid, 0));
        r = r < 0 ? r : value_add_number(&line, "Receivers", passed->receivers);
        r = r < 0 ? r : value_add_text(&line, "Action", passed->action);
        r = r < 0 ? r : value_add_number(&line, "Size", passed->size);
        r = r < 0 ? r : value_add_bool(&line, "Handle", passed->handle);
        r = r < 0 ? r : value_add_text(&line, "First", preview(passed, first));
        if (r >= 0)
                value_write_json_line(&line, stdout);
        return r;
}

static void print_not_shown(const struct monitor_view *view, uint64_t count) {
        if (view->json)
                (void) printf("{\"not_shown\": %" PRIu64 "}\n", count);
        else
                (void) printf("(%" PRIu64 " not shown)\n", count);
}

static int read_entry(sd_bus_message *message, struct passed *ret) {
        int r;

        r = sd_bus_message_enter_container(message, 'r', ENTRY);
        if (r <= 0)
                return r;
        r = sd_bus_message_read(message, "tsixsxtstb", &ret->when, &ret->from, &ret->number, &ret->pid,
                                &ret->to, &ret->to_pid, &ret->receivers, &ret->action, &ret->size,
                                &ret->handle);
        r = r < 0 ? r : sd_bus_message_read_array(message, 'y', &ret->first, &ret->n_first);
        r = r < 0 ? r : sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

/* Returns 0 to go on, 1 when it has shown enough, a negative errno. */
static int show(struct monitor_view *view, sd_bus_message *message) {
        struct passed passed;
        uint64_t not_shown;
        int r;

        r = sd_bus_message_read(message, "t", &not_shown);
        r = r < 0 ? r : sd_bus_message_enter_container(message, 'a', "(" ENTRY ")");
        while (r >= 0 && (r = read_entry(message, &passed)) > 0) {
                if (view->json)
                        r = print_json(&passed);
                else
                        print_line(&passed);
                if (r >= 0 && view->left > 0 && --view->left == 0)
                        return 1;
        }
        if (r >= 0 && not_shown > 0)
                print_not_shown(view, not_shown);
        return r;
}

static int on_passed(sd_bus_message *message, void *data) {
        int r;

        r = show(data, message);
        return fflush(stdout) == 0 ? r : -errno;
}

int verb_monitor(const struct arguments *arguments) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct monitor_view view = { .json = arguments->json, .left = arguments->iterations };
        _cleanup_client_ struct client client = CLIENT_NULL;
        int r;

        r = client_open(&client, arguments->instance);
        r = r != EXIT_OK ? r : client_call(&client, &reply, "Monitor", "s", arguments->pattern ?: "");
        if (r != EXIT_OK)
                return r;
        (void) fprintf(stderr, "Watching the messages of %s\n", arguments->instance);
        return client_follow(&client, "MessagesPassed", on_passed, &view);
}
