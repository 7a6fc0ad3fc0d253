/* SPDX-License-Identifier: MIT */

/*
 * Messages in the control interface: one that an operator sends, and those that pass, for who wants to watch.
 *
 * Watching must not slow down what is watched. While nobody does, a message costs a look at a flag. While somebody
 * does, what passes is noted (monitor.c) and told ten times a second in one signal; a client that has not yet read the
 * one before gets none until it has, and then hears how many it has missed.
 */

#include <errno.h>
#include <inttypes.h>

#include "ipc/control.h"
#include "master/control.h"
#include "master/monitor.h"
#include "master/service.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/text.h"

#define TELL_PERIOD (100 * USEC_PER_MSEC)
#define UNREAD_MAX  1U /* signals a client has not read and still gets another */
#define ENTRY       "tsixsxtstbay"

static const struct {
        const char *name;
        enum envelope_target target;
        const char *nobody;
} targets[] = {
        { "all", ENVELOPE_BROADCAST, "There is no process" },
        { "app", ENVELOPE_APP, "There is no worker" },
        { "agent", ENVELOPE_AGENT, "There is no agent" },
        { "random", ENVELOPE_RANDOM, "No worker is ready" },
};

static const char *target_name(uint8_t target) {
        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                if (targets[i].target == target)
                        return targets[i].name;
        return "process";
}

/* ---- Watching ---- */

static int append_entry(sd_bus_message *signal, const struct monitor_entry *entry) {
        char action[MONITOR_ACTION_SIZE];
        int r;

        (void) stpcpy(action, entry->action);
        r = sd_bus_message_open_container(signal, 'r', ENTRY);
        r = r < 0 ? r
                  : sd_bus_message_append(signal, "tsixsxtstb", entry->when, entry->from, entry->number,
                                          (int64_t) entry->pid, entry->to, (int64_t) entry->to_pid,
                                          (uint64_t) entry->receivers, text_make_utf8(action), entry->size,
                                          (int) entry->handle);
        r = r < 0 ? r : sd_bus_message_append_array(signal, 'y', entry->first, entry->n_first);
        return r < 0 ? r : sd_bus_message_close_container(signal);
}

static int tell(struct control_client *client) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        struct monitor *monitor = client->monitor;
        int r;

        r = sd_bus_message_new_signal(client->bus, &signal, CONTROL_OBJECT, CONTROL_INTERFACE,
                                      "MessagesPassed");
        r = r < 0 ? r : sd_bus_message_append(signal, "t", monitor->not_shown);
        r = r < 0 ? r : sd_bus_message_open_container(signal, 'a', "(" ENTRY ")");
        for (size_t i = 0; i < monitor->n_entries && r >= 0; i++)
                r = append_entry(signal, &monitor->entries[i]);
        r = r < 0 ? r : sd_bus_message_close_container(signal);
        r = r < 0 ? r : sd_bus_send(client->bus, signal, NULL);
        monitor_told(monitor);
        return r;
}

static bool reads(const struct control_client *client) {
        uint64_t n;

        return sd_bus_get_n_queued_write(client->bus, &n) >= 0 && n < UNREAD_MAX;
}

static void tell_later(struct control *control) {
        (void) sd_event_source_set_time(control->monitor_timer, usec_add(now_monotonic(), TELL_PERIOD));
        (void) sd_event_source_set_enabled(control->monitor_timer, SD_EVENT_ONESHOT);
}

static int dispatch_tell(sd_event_source *source, uint64_t when, void *userdata) {
        struct control *control = userdata;
        bool again = false;
        int r;

        LIST_FOREACH(node, &control->clients) {
                struct control_client *client = container_of(node, struct control_client, node);

                if (!client->monitor || client->monitor->n_entries == 0)
                        continue;
                if (!reads(client)) {
                        again = true;
                        continue;
                }
                r = tell(client);
                if (r < 0)
                        log_debug("Cannot tell a client of messages that passed: %s", strerror(-r));
        }
        if (again)
                tell_later(control);
        return 0;
}

static void describe(struct passing *passing, const struct process *from, const struct envelope *envelope) {
        const struct message_envelope *head = &envelope->head;

        passing->from = !from ? "operator" : from->role == PROCESS_WORKER ? "worker" : "agent";
        passing->number = from && from->role == PROCESS_WORKER ? from->number : -1;
        passing->pid = from ? from->pid : 0;
        passing->to = head->flags & ENVELOPE_REPLY ? "reply to" : target_name(head->target);
        passing->action = envelope->action;
        passing->data = envelope->data;
        passing->size = head->data_size;
        passing->handle = head->flags & ENVELOPE_HANDLE;
}

void control_message_passed(struct service *service, const struct process *from,
                            const struct envelope *envelope, unsigned int receivers, pid_t last) {
        struct control *control = service->control;
        struct passing passing = { .receivers = receivers, .to_pid = envelope->head.target_pid };
        bool is_first = false;
        usec_t now;

        describe(&passing, from, envelope);
        if (envelope->head.target == ENVELOPE_RANDOM || envelope->head.target == ENVELOPE_AGENT)
                passing.to_pid = last;
        if (sd_event_now(service->event, CLOCK_REALTIME, &now) < 0)
                now = now_realtime();
        LIST_FOREACH(node, &control->clients) {
                struct control_client *client = container_of(node, struct control_client, node);

                if (client->monitor)
                        is_first |= monitor_note(client->monitor, &passing, now);
        }
        if (is_first)
                tell_later(control);
}

int control_monitor(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct control *control = client->control;
        const char *pattern;
        int r;

        r = sd_bus_message_read(message, "s", &pattern);
        if (r >= 0 && !control->monitor_timer) {
                r = sd_event_add_time(control->service->event, &control->monitor_timer, CLOCK_MONOTONIC, 0,
                                      USEC_PER_MSEC, dispatch_tell, control);
                r = r < 0 ? r : sd_event_source_set_enabled(control->monitor_timer, SD_EVENT_OFF);
        }
        if (r < 0)
                return r;
        control_monitor_end(client);
        r = monitor_new(&client->monitor, pattern);
        if (r == -EINVAL)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                         "The pattern is longer than %u bytes", MONITOR_PATTERN_MAX);
        if (r < 0)
                return r;
        control->service->n_monitors++;
        return sd_bus_reply_method_return(message, NULL);
}

void control_monitor_end(struct control_client *client) {
        if (!client->monitor)
                return;
        client->monitor = monitor_free(client->monitor);
        client->control->service->n_monitors--;
}

/* ---- Sending ---- */

/* Returns the text for who is not there, NULL for what is no target. A number that no pid can be is nobody's: 0 is
 * what it is then. */
static const char *find_target(const char *word, struct message_envelope *head) {
        uint64_t pid;

        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                if (streq(word, targets[i].name)) {
                        head->target = (uint8_t) targets[i].target;
                        return targets[i].nobody;
                }
        if (*word == '\0' || strspn(word, "0123456789") != strlen(word))
                return NULL;
        head->target = ENVELOPE_PID;
        if (parse_uint64(word, &pid) >= 0 && pid <= INT32_MAX)
                head->target_pid = (int32_t) pid;
        return "There is no worker or agent with the pid ";
}

static int check_message(const char *action, size_t size, sd_bus_error *error) {
        size_t action_size = strlen(action);

        if (streq(action, ENVELOPE_READY))
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "\"" ENVELOPE_READY "\" is said by the master alone");
        if (action_size == 0 || action_size > MESSAGE_ACTION_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "An action has 1 to %u bytes",
                                         MESSAGE_ACTION_MAX);
        if (size > CONTROL_DATA_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "More than %u bytes of data",
                                         CONTROL_DATA_MAX);
        return 0;
}

int control_send_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        struct message_envelope head = {};
        const char *to, *action, *nobody;
        const void *data;
        size_t size;
        int r;

        r = sd_bus_message_read(message, "ss", &to, &action);
        r = r < 0 ? r : sd_bus_message_read_array(message, 'y', &data, &size);
        r = r < 0 ? r : check_message(action, size, error);
        if (r < 0)
                return r;
        nobody = find_target(to, &head);
        if (!nobody)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "The target is neither app, agent, all, random nor a pid");
        head.action_size = (uint8_t) strlen(action);
        head.data_size = (uint32_t) size;
        if (head.target == ENVELOPE_PID && head.target_pid == 0)
                r = -ESRCH;
        else
                r = route_send(service, &head, action, data, NULL);
        if (r == -ESRCH)
                return sd_bus_error_setf(error, CONTROL_ERROR_UNKNOWN, "%s%s", nobody,
                                         head.target == ENVELOPE_PID ? to : "");
        if (r == -ENOBUFS)
                return sd_bus_error_set(error, CONTROL_ERROR_FAILED,
                                        "Too many messages wait there already, it was not sent");
        return r < 0 ? r : sd_bus_reply_method_return(message, "t", (uint64_t) r);
}
