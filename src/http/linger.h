/* SPDX-License-Identifier: MIT */
#pragma once

#include "util/time.h"

struct http_server;

#define LINGER_SPAN (2 * USEC_PER_SEC)

/* Keeps a socket that libmicrohttpd is about to close until the client has had the answer. Never fails:
 * without the means to do it, the socket is just closed. */
void linger_start(struct http_server *server, int fd);

/* When whoever lingers from now on is to be gone. */
usec_t linger_deadline(const struct http_server *server);

/* Reads away what has come, and closes those that are done. */
void linger_process(struct http_server *server);
usec_t linger_next(const struct http_server *server);
void linger_free(struct http_server *server);
