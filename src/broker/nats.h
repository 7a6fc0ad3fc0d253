/* SPDX-License-Identifier: MIT */
#pragma once

#include "broker/driver.h"

/* The parts of the driver for NATS. See nats.c. */

struct __natsOptions;

/* nats-subject.c: what NATS takes for a subject, as struct broker_driver has it. Needs no library. */
int nats_check_subject(const char *subject, bool pattern);

/* nats-options.c: how to connect to this server, with the files read. Returns a natsStatus; the reason is written where there
 * is a better one than that status has. The options are the caller's, also after an error; they may be NULL then. */
int nats_options_new(struct __natsOptions **ret, const struct broker_settings *settings,
                     const struct config_broker_url *server, char *reason, size_t size);
