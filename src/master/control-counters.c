/* SPDX-License-Identifier: MIT */

/*
 * The application's counters in the control interface: added up at the moment somebody asks.
 */

#include "ipc/counters.h"
#include "master/control.h"
#include "master/service.h"

int control_get_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        struct counter_sum sums[COUNTERS_MAX];
        size_t n;
        int r;

        n = counters_collect(&client->control->service->scoreboard, sums);
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(reply, "a{sv}", 2, "Name", "s", sums[i].name, "Value", "t",
                                          sums[i].value);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
