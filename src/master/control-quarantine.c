/* SPDX-License-Identifier: MIT */

/*
 * The quarantine in the control interface: what is in it, what shall be put in, what shall be let out.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ipc/control.h"
#include "master/control.h"
#include "master/service.h"
#include "util/text.h"

static const char *const kind_names[] = {
        [QUARANTINE_REQUEST] = "request",
        [QUARANTINE_ROUTE] = "route",
};

static int append_entry(sd_bus_message *reply, const struct quarantine_entry *entry, usec_t now) {
        char text[QUARANTINE_TEXT_SIZE];

        (void) snprintf(text, sizeof(text), "%s", entry->text);
        return sd_bus_message_append(reply, "a{sv}", 7, "Number", "t", (uint64_t) entry->number, "Kind", "s",
                                     kind_names[entry->kind], "Text", "s", text_make_utf8(text), "Place",
                                     "s", entry->place, "Crashes", "t", (uint64_t) entry->crashes, "ByHand",
                                     "b", (int) (entry->by_hand != 0), "EndsInUsec", "t",
                                     entry->until > now ? entry->until - now : 0);
}

int control_get_quarantine(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct quarantine *quarantine = &client->control->service->quarantine;
        const struct quarantine_entry *entry = NULL;
        usec_t now = now_monotonic();
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        while (r >= 0 && (entry = quarantine_next(quarantine, entry)))
                r = append_entry(reply, entry, now);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* How long where nobody says: as long as a crash would bring. */
static usec_t default_span(const struct service *service) {
        return service->current->config->restart.quarantine_time;
}

int control_quarantine_add(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        enum quarantine_kind kind;
        const char *name, *text;
        uint64_t span;
        int r;

        r = sd_bus_message_read(message, "sst", &name, &text, &span);
        if (r < 0)
                return r;
        for (kind = 0; kind < _QUARANTINE_KIND_MAX && !streq(name, kind_names[kind]); kind++)
                ;
        if (kind == _QUARANTINE_KIND_MAX)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        "The kind is neither request nor route");
        if (span > QUARANTINE_TIME_MAX)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "Longer than a day");
        r = service_quarantine_add(service, kind, text, span ?: default_span(service));
        if (r == -EINVAL)
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
                                        kind == QUARANTINE_ROUTE
                                                ? "Not a route, such as \"GET /items/{id}\""
                                                : "Not a request, such as \"GET /items/7\"");
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

int control_quarantine_lift(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        uint64_t number;
        int r;

        r = sd_bus_message_read(message, "t", &number);
        if (r < 0)
                return r;
        if (number > UINT32_MAX || service_quarantine_lift(client->control->service, (uint32_t) number) < 0)
                return sd_bus_error_setf(error, CONTROL_ERROR_UNKNOWN,
                                         "Nothing in quarantine has the number %" PRIu64, number);
        return sd_bus_reply_method_return(message, NULL);
}

int control_quarantine_lift_all(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        unsigned int n = service_quarantine_lift_all(client->control->service);

        return sd_bus_reply_method_return(message, "t", (uint64_t) n);
}
