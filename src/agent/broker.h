/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"

/* The agent's connection to a message broker. See broker.c. */

struct agent_broker;

/* Loads the driver and starts connecting. Returns 0, also where no broker is configured (*ret is NULL then), or a negative errno
 * with the reason as muster_fail() has it. */
int agent_broker_open(struct agent_broker **ret, struct muster *muster);

/* The agent is the one in charge: subscriptions take effect. Takes NULL. */
void agent_broker_activate(struct agent_broker *broker);

/* It is no longer: what has arrived is delivered, nothing more comes. Publishing still works. Takes NULL. */
void agent_broker_drain(struct agent_broker *broker);

/* Sends what waits and ends the connection. Takes NULL. Returns false where the library does not let go of it in time: then
 * its threads are still there, and exit() would pull the libraries from under them. */
bool agent_broker_close(struct agent_broker *broker);
