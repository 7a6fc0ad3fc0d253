/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "util/macro.h"

struct connection;
struct exchange;
struct http_server;

/* Logs an answer if `[log] access` or `[log] slow` wants it; costs nothing when both are off. */
void access_log(struct exchange *exchange, unsigned int status, uint64_t size);

/* The same for an answer where no request has been understood yet. */
void access_log_unread(const struct connection *connection, unsigned int status, uint64_t size);

/* Says in the log what a client did wrong or waited for in vain: at most once a second, since clients decide how
 * often there is a reason. The next line says how many were left out. */
void access_complain(struct http_server *server, const char *format, ...) _printf_(2, 3);

/* Says how many were left out since the last line, if any. */
void access_complaints_flush(struct http_server *server);
