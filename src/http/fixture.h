/* SPDX-License-Identifier: MIT */
#pragma once

/* For the tests: a server and its clients in one process, on loopback. See fixture.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "app/process.h"
#include "http/server.h"
#include "util/macro.h"

struct fixture {
        struct config *config; /* to be changed before fixture_start() */
        struct muster *muster;
        struct router *router;
        struct http_server *server;
        struct quarantine_page quarantine;
        int epoll_fd;
        int listener_fd; /* the same socket, for tests that look at it */
        union {
                struct sockaddr any;
                struct sockaddr_storage storage;
        } address;
        socklen_t address_size;
};

extern struct fixture fixture;

/* setup and teardown of a test. Deadlines are long until a test shortens them. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Starts the server with these routes, on TCP or on an AF_UNIX socket. */
void fixture_start(const struct muster_route *routes);
void fixture_start_unix(const struct muster_route *routes);

/* One turn of the loop; waits at most so long. */
void fixture_turn(usec_t wait);

/* Turns for so long. */
void fixture_run(usec_t span);

struct client {
        int fd;
        bool ended; /* the server has closed */
        bool reset; /* and taken back what it had sent */
        size_t n;
        char bytes[128 * 1024]; /* received and not looked at */
};

struct reply {
        unsigned int status;
        size_t size;
        char header[8192];
        char body[64 * 1024];
};

struct client *client_new(void);
struct client *client_free(struct client *client);
DEFINE_CLEANUP(struct client *, client_free);
#define _cleanup_client_ _cleanup_(cleanup_client_free)

/* Sends bytes, while the server runs; stops when the server has gone. */
void client_send_bytes(struct client *client, const void *bytes, size_t size);
void client_send(struct client *client, const char *text);

/* Waits for the next answer. With `head`, one without a body whatever its header says. False when none came. */
bool client_receive(struct client *client, struct reply *ret, bool head);

/* Sends a request and expects an answer. */
void client_ask(struct client *client, const char *request, unsigned int status, struct reply *ret);

/* Whether the server closes within the next seconds. */
bool client_sees_end(struct client *client);

/* Whether a field with this value is in the header. */
bool reply_has(const struct reply *reply, const char *field);
