/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/process.h"
#include "app/router.h"
#include "util/time.h"

/*
 * The HTTP server of a worker. It has no loop of its own: the worker's outer epoll waits for the listeners
 * (level-triggered, EPOLLEXCLUSIVE), for the server's own descriptor and for sd-event's, and calls in here.
 */

struct http_server;

/* What the outer epoll gives back in data.ptr for a listener; see http_server_accept(). */
struct http_listener;

/* Makes a server for this process out of config->http. `router` is not owned and must outlive it. */
int http_server_new(struct http_server **ret, struct muster *muster, const struct router *router);
struct http_server *http_server_free(struct http_server *server);

/* Adds a listening socket, which must be non-blocking; the server owns the descriptor from then on, also on
 * failure. The name is systemd's, for the log. */
int http_server_add_listener(struct http_server *server, int fd, const char *name);

/* Starts (or, at the connection limit or when draining, stops) waiting for connections on the outer epoll.
 * The event's data.ptr is the struct http_listener. The server remembers the epoll and pauses and resumes by
 * itself when `max_connections` is reached and left. */
int http_server_listen(struct http_server *server, int epoll_fd);

/* Accepts what is waiting on a listener, at most a few so that the other workers get their share. */
void http_server_accept(struct http_server *server, struct http_listener *listener);

/* The descriptor that is readable when a connection needs http_server_process(). */
int http_server_fd(const struct http_server *server);

/* Does all that is to be done now: connections with data, resumed requests, deadlines that have passed.
 * `now` is the monotonic time of this turn of the loop. */
void http_server_process(struct http_server *server, usec_t now);

/* Whether there is nothing to be done at `now` unless its descriptor is readable. */
bool http_server_idle(struct http_server *server, usec_t now);

/* When http_server_process() must be called next though nothing happens: an absolute monotonic time, 0 for
 * at once, USEC_NEVER for not at all. */
usec_t http_server_next(struct http_server *server);

/* Stops accepting (closes the listeners) and goes on until every connection has had its last answer, which
 * says Connection: close; an idle connection may still send one request. At `deadline` (monotonic) the
 * silent ones are closed, and requests still suspended are answered 503. Calling it again only moves the
 * deadline forward (earlier). */
void http_server_drain(struct http_server *server, usec_t deadline);

/* Connections open now, requests begun and not answered now. A draining server with no connection is done.
 */
unsigned int http_server_connections(const struct http_server *server);
unsigned int http_server_in_flight(const struct http_server *server);
