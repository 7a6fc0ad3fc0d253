/* SPDX-License-Identifier: MIT */

/*
 * A connection, and where it is.
 *
 * libmicrohttpd has one timeout, for silence. A client that sends a byte now and then outlives it, so every
 * connection has a deadline of ours instead, by what it is doing (the phase). The connections of a phase are
 * in a list in the order of their deadlines. All of a phase have nearly the same span, so a new one belongs
 * at the end: finding its place looks at one or two others, and the next deadline of all is the least of
 * six heads. No timers, no system calls; deadline.c looks at the heads.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "app/status.h"
#include "http/access-log.h"
#include "http/conditional.h"
#include "http/exchange.h"
#include "http/linger.h"
#include "http/state.h"

#define CHECK_SPAN USEC_PER_SEC
#define IDLE_LOOK  (200 * USEC_PER_MSEC)

struct connection *connection_of(struct MHD_Connection *mhd) {
        return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void connection_defer(struct connection *connection, usec_t deadline) {
        struct list *head = &connection->server->phases[connection->phase], *after;

        list_remove(&connection->node);
        connection->deadline = deadline;
        for (after = head->prev; after != head; after = after->prev)
                if (container_of(after, struct connection, node)->deadline <= deadline)
                        break;
        list_append(after->next, &connection->node); /* before the next one */
}

usec_t connection_check_span(const struct connection *connection) {
        const struct config *config = connection->server->config;

        return MIN(CHECK_SPAN, MIN(config->http.header_timeout, config->http.request_timeout));
}

static usec_t phase_deadline(const struct connection *connection, enum phase phase) {
        const struct config *config = connection->server->config;
        usec_t now = connection->server->now;

        switch (phase) {
        case PHASE_HEADER:
                return usec_add(now, config->http.header_timeout);
        case PHASE_IDLE:
                return usec_add(now, MIN(IDLE_LOOK, config->http.idle_timeout));
        case PHASE_HANDLER:
                return usec_add(connection->exchange->request.began, config->http.request_timeout);
        default:
                return usec_add(now, connection_check_span(connection));
        }
}

void connection_enter(struct connection *connection, enum phase phase) {
        connection->phase = phase;
        connection->since = connection->server->now;
        connection->moved = 0;
        connection_defer(connection, phase_deadline(connection, phase));
}

static void connection_started(struct http_server *server, struct MHD_Connection *mhd, void **context) {
        struct connection *connection;

        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return; /* its first request will be refused */
        connection->server = server;
        connection->mhd = mhd;
        connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        list_init(&connection->node);
        connection_enter(connection, PHASE_HEADER);
        *context = connection;
        server->n_connections++;
        server->muster->slot->connections = server->n_connections;
}

static void connection_closed(struct http_server *server, void **context) {
        struct connection *connection = *context;

        if (!connection)
                return;
        list_remove(&connection->node);
        if (connection->exchange)
                exchange_abandon(connection);
        free(connection);
        *context = NULL;
        server->n_connections--;
        server->muster->slot->connections = server->n_connections;
}

void connection_notify(void *userdata, struct MHD_Connection *mhd, void **context,
                       enum MHD_ConnectionNotificationCode code) {
        struct http_server *server = userdata;

        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                connection_started(server, mhd, context);
        else
                connection_closed(server, context);
}

bool connection_has_unread(const struct connection *connection) {
        int n = 0;

        return ioctl(connection->fd, FIONREAD, &n) == 0 && n > 0;
}

bool connection_client_left(const struct connection *connection) {
        char next;

        return recv(connection->fd, &next, sizeof(next), MSG_PEEK | MSG_DONTWAIT) == 0;
}

void connection_cut(struct connection *connection) {
        connection->cut = true;
        connection_defer(connection, USEC_NEVER);
        (void) shutdown(connection->fd, SHUT_RDWR);
}

/* libmicrohttpd goes on reading: were it to close now, what is unread would reset the connection. */
void connection_end(struct connection *connection) {
        connection->ended = true;
        connection_defer(connection, linger_deadline(connection->server));
        (void) shutdown(connection->fd, SHUT_WR);
}

void connection_answer_raw(struct connection *connection, unsigned int status) {
        const struct http_server *server = connection->server;
        struct exchange *exchange = connection->exchange;
        const char *name = server->config->http.server_header, *text;
        char date[HTTP_DATE_SIZE], message[1024];
        size_t size;
        int n;

        text = status_text(status, &size);
        n = snprintf(message, sizeof(message),
                     "HTTP/1.1 %.*s\r\nDate: %s\r\nConnection: close\r\n%s%.500s%s"
                     "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
                     (int) size - 1, text, http_date_format((time_t) (now_realtime() / USEC_PER_SEC), date),
                     *name ? "Server: " : "", name, *name ? "\r\n" : "", size, text);
        if (n < 0 || (size_t) n >= sizeof(message))
                return;
        if (send(connection->fd, message, (size_t) n, MSG_DONTWAIT | MSG_NOSIGNAL) <= 0)
                return;
        server->muster->slot->requests++;
        server->muster->slot->errors += status >= 500;
        if (exchange && exchange->begun)
                access_log(exchange, status, size);
        else
                access_log_unread(connection, status, size);
}
