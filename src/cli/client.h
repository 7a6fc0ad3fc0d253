/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-bus.h>

#include "cli/value.h"
#include "util/time.h"

/* A connection to a master. Errors are said on standard error; the results are exit statuses. See client.c. */

enum exit_status {
        EXIT_OK = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_NOT_RUNNING = 3,
        EXIT_PERMISSION = 4,
        EXIT_OLD_PROCESSES = 5, /* of an upgrade: only the master is new */
        EXIT_LOST = 256,        /* none: the connection has ended, and may_be_lost */
};

struct client {
        const char *instance; /* not owned */
        sd_bus *bus;
        bool may_be_absent; /* that it does not run is no error */
        bool may_be_lost;   /* that the connection ends is no error */
        bool quiet;         /* nothing is said */
};

#define CLIENT_NULL                                                                                         \
        { 0 }

int client_open(struct client *client, const char *instance);
void client_deinit(struct client *client);
#define _cleanup_client_ _cleanup_(client_deinit)

/* Calls a method without arguments or with those that `types` names, and waits for as long as it takes. */
int client_call(struct client *client, sd_bus_message **ret_reply, const char *method, const char *types,
                ...);

/* The same in two steps, for arguments that a list of them can't say. The message may be NULL, which is no memory. */
int client_call_message(struct client *client, sd_bus_message *message, sd_bus_message **ret_reply);
sd_bus_message *client_new_call(struct client *client, const char *method);

/* Waits for signals, which `handler` gets, until it returns 1, or a negative errno, or the connection ends. */
int client_follow(struct client *client, const char *signal,
                  int (*handler)(sd_bus_message *message, void *data), void *data);

/* All there is to know of the service, see control-status.c of the master. */
int client_get_status(struct client *client, struct value *ret);

/* Reads the rest of a message, as a list of what is in it, or as that itself where it is one thing. */
int client_read_value(sd_bus_message *message, struct value *ret);
