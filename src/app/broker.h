/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"

/* The application's calls for a message broker. See broker.c. */

/* What they come down to, in the process that has a connection. The numbers of subscriptions are never used again. */
struct broker_calls {
        int (*subscribe)(void *owner, const char *subject, unsigned int *ret_number);
        void (*unsubscribe)(void *owner, unsigned int number);
        int (*publish)(void *owner, const char *subject, const void *data, size_t size);
        bool (*connected)(void *owner);
};

/* A message has come: calls the handler under the guard. */
void muster_broker_message(struct muster *muster, unsigned int number, const char *subject, const void *data,
                           size_t size);

/* The connection was made or lost: calls that handler under the guard. */
void muster_broker_state(struct muster *muster, bool connected);
