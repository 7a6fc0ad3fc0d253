/* SPDX-License-Identifier: MIT */
#pragma once

#include "util/time.h"

struct http_server;

/* When the next deadline passes, USEC_NEVER without any. */
usec_t deadlines_next(const struct http_server *server);

/* Does what is due. */
void deadlines_process(struct http_server *server);
