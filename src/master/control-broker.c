/* SPDX-License-Identifier: MIT */

/*
 * What is shown of the agent's connection to a message broker, as the agent tells it in its slot.
 */

#include "master/control.h"
#include "master/service.h"

int control_get_broker(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        static const char *const states[] = {
                [SLOT_BROKER_NONE] = "none",
                [SLOT_BROKER_CONNECTING] = "connecting",
                [SLOT_BROKER_CONNECTED] = "connected",
                [SLOT_BROKER_RECONNECTING] = "reconnecting",
        };
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        const struct process *agent = control_find_agent(service);
        usec_t now = now_monotonic();
        struct slot slot = {};
        usec_t span;

        if (agent)
                service_read_slot(service, agent, &slot);
        span = slot.broker.state != SLOT_BROKER_NONE && slot.broker.since < now ? now - slot.broker.since
                                                                                : 0;
        return sd_bus_message_append(reply, "a{sv}", 8, "State", "s", states[slot.broker.state], "Server",
                                     "s", slot.broker.server, "Reason", "s",
                                     slot.broker.state == SLOT_BROKER_CONNECTED ? "" : slot.broker.reason,
                                     "ForUsec", "t", span, "Connections", "t", slot.broker.connections,
                                     "Received", "t", slot.broker.received, "Published", "t",
                                     slot.broker.published, "Dropped", "t", slot.broker.dropped);
}
