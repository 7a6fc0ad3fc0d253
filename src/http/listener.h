/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "util/time.h"

struct http_server;

/* A listening socket. See listener.c. */
struct http_listener {
        struct http_listener *next;
        struct http_server *server;
        int fd; /* -1 once the server drains */
        bool watched;
        char *name;
};

/* Starts or stops waiting for connections, as the limit and shortages want it. */
void listeners_update(struct http_server *server);

/* When accepting is to be tried again, or USEC_NEVER. */
usec_t listeners_next(const struct http_server *server);

/* Closes the sockets. The objects stay: events for them may be under way. */
void listeners_close(struct http_server *server);
void listeners_free(struct http_server *server);
