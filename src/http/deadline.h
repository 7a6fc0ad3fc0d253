/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "util/time.h"

struct http_server;

/* When the next deadline passes, USEC_NEVER without any. */
usec_t deadlines_next(const struct http_server *server);

/* Does what is due. */
void deadlines_process(struct http_server *server);

/* At the connection limit: ends those whose client has closed while its request waits for the application, or the
 * one connection that has been idle longest. Return whether there was one. */
bool deadlines_give_up_gone(struct http_server *server);
bool deadlines_give_up_idle(struct http_server *server);
