/* SPDX-License-Identifier: MIT */

/*
 * What happens to a connection when its deadline passes.
 *
 *   header   408 and the end, or just the end where the client has sent nothing at all
 *   idle     after a moment: the end when the client has closed its side, otherwise on to
 *   quiet    the end; but when the client has begun a request meanwhile, which libmicrohttpd tells only with the
 *            complete request line, it gets the time for a header, counted from its last byte
 *   body     checked every second: 408 when it has come slower than `min_body_rate` for `header_timeout`, or when the
 *            whole request has taken `request_timeout`; the end when the client has gone, which libmicrohttpd misses
 *            where the last bytes and the client's end come in one go: it takes a short read for all there is
 *   handler  503
 *   send     checked every second: the end when the client takes its answer slower than the same rate
 *
 * When a draining server's deadline has passed, all of it happens at once: what is silent is closed, what
 * waits is answered 503, and a second later the rest is cut.
 *
 * Ending a connection is a shutdown() of the socket: libmicrohttpd owns it and notices by itself. Where we have
 * answered before that, the client has a moment to read it.
 *
 * At the connection limit a deadline may come too late for those who wait outside. Then a connection that is of no
 * use to its client is given up before its time: first those whose client has closed while the application is still
 * busy with its request, otherwise the one that has been idle longest.
 */

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "http/deadline.h"
#include "http/exchange.h"
#include "http/state.h"
#include "util/log.h"

#define UNREAD_SPAN (100 * USEC_PER_MSEC)
#define CLOCK_SLACK (20 * USEC_PER_MSEC) /* the kernel counts in its ticks */
#define DRAIN_POLL  (10 * USEC_PER_MSEC)
#define IDLE_MIN    USEC_PER_SEC /* nobody is given up who has been idle for less */
#define IDLE_LOOKS  16U          /* at so many connections in one go */

static struct connection *connection_at(struct list *node) {
        return container_of(node, struct connection, node);
}

/* The deadline, then the end of the grace; past that, the library only has to notice that all is cut. */
static usec_t drain_next(const struct http_server *server) {
        if (server->now < server->drain_deadline)
                return server->drain_deadline;
        return server->now < drain_end(server) ? drain_end(server) : usec_add(server->now, DRAIN_POLL);
}

usec_t deadlines_next(const struct http_server *server) {
        usec_t next = USEC_NEVER;

        for (size_t i = 0; i < _PHASE_MAX; i++)
                if (!list_empty(&server->phases[i]))
                        next = MIN(next, connection_at(server->phases[i].next)->deadline);
        if (server->draining && server->n_connections > 0)
                next = MIN(next, drain_next(server));
        return next;
}

/* ---- What the kernel knows ---- */

static bool read_tcp_info(int fd, struct tcp_info *ret) {
        socklen_t size = sizeof(*ret);

        memset(ret, 0, sizeof(*ret));
        return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &size) == 0;
}

/* ---- The end of each phase ---- */

static void refuse(struct connection *connection, unsigned int status) {
        connection_answer_raw(connection, status);
        connection_end(connection);
}

static void expire_header(struct connection *connection) {
        struct tcp_info info;

        if (connection->exchange || (read_tcp_info(connection->fd, &info) && info.tcpi_bytes_received > 0))
                refuse(connection, 408);
        else
                connection_cut(connection);
}

/* Whether the client has begun a request since the last answer, and when its last byte came. */
static bool has_begun(const struct connection *connection, usec_t *ret_received) {
        usec_t now = connection->server->now;
        struct tcp_info info;

        if (!read_tcp_info(connection->fd, &info))
                return false;
        *ret_received = now - MIN(now, info.tcpi_last_data_recv * USEC_PER_MSEC);
        return *ret_received > usec_add(connection->since, CLOCK_SLACK);
}

/* It was idle no more since then. */
static void begin_header(struct connection *connection, usec_t received) {
        connection_enter(connection, PHASE_HEADER);
        connection_defer(connection, usec_add(received, connection->server->config->http.header_timeout));
}

/* The client may have closed in one go with its last request, which libmicrohttpd has not seen then: see the top. The
 * time it has been idle for goes on. */
static void expire_idle(struct connection *connection) {
        if (connection_client_left(connection)) {
                connection_cut(connection);
                return;
        }
        connection->phase = PHASE_QUIET;
        connection_defer(connection,
                         usec_add(connection->since, connection->server->config->http.idle_timeout));
}

static void expire_quiet(struct connection *connection) {
        usec_t received;

        if (connection_has_unread(connection)) /* it is about to be read */
                connection_defer(connection, usec_add(connection->server->now, UNREAD_SPAN));
        else if (has_begun(connection, &received))
                begin_header(connection, received);
        else
                connection_cut(connection);
}

/* Whether so many bytes in such a time are enough. */
static bool is_fast_enough(const struct connection *connection, uint64_t bytes, usec_t span) {
        uint64_t rate = connection->server->config->http.min_body_rate;

        return (double) bytes >= (double) rate * (double) span / (double) USEC_PER_SEC;
}

static void expire_body(struct connection *connection) {
        const struct config *config = connection->server->config;
        const struct exchange *exchange = connection->exchange;
        usec_t now = connection->server->now, span = now - connection->since, end;

        if (!exchange) {
                connection_cut(connection);
                return;
        }
        if (connection_client_left(connection)) {
                connection_cut(connection);
                return;
        }
        end = usec_add(exchange->request.began, config->http.request_timeout);
        if (now >= end) {
                refuse(connection, 408);
                return;
        }
        if (span >= config->http.header_timeout) {
                if (!is_fast_enough(connection, exchange->received - connection->moved, span)) {
                        refuse(connection, 408);
                        return;
                }
                connection->since = now;
                connection->moved = exchange->received;
        }
        connection_defer(connection, MIN(end, usec_add(now, connection_check_span(connection))));
}

static void expire_handler(struct connection *connection) {
        connection_defer(connection, USEC_NEVER);
        if (connection->exchange)
                exchange_resume(connection->exchange);
}

/* What the client has taken, never 0: for TCP the bytes it has acknowledged, otherwise what still waits for it, of
 * which only a change says something. */
static uint64_t read_taken(const struct connection *connection, bool *ret_counts) {
        struct tcp_info info;
        int queued = 0;

        *ret_counts = read_tcp_info(connection->fd, &info);
        if (*ret_counts)
                return info.tcpi_bytes_acked + 1;
        (void) ioctl(connection->fd, SIOCOUTQ, &queued);
        return (uint64_t) queued + 1;
}

static void expire_send(struct connection *connection) {
        usec_t now = connection->server->now, span = now - connection->since;
        bool counts, enough;
        uint64_t taken = read_taken(connection, &counts), before = connection->moved;

        if (before == 0 || span >= connection->server->config->http.header_timeout) {
                enough = before == 0 ||
                         (counts ? taken > before && is_fast_enough(connection, taken - before, span)
                                 : taken != before);
                if (!enough) {
                        log_debug("A client reads its answer too slowly");
                        connection_cut(connection);
                        return;
                }
                connection->since = now;
                connection->moved = taken;
        }
        connection_defer(connection, usec_add(now, connection_check_span(connection)));
}

/* ---- The connection limit ---- */

bool deadlines_give_up_idle(struct http_server *server) {
        unsigned int looks = IDLE_LOOKS;

        LIST_FOREACH_SAFE(node, &server->phases[PHASE_QUIET]) {
                struct connection *connection = connection_at(node);
                usec_t received;

                if (looks-- == 0 || server->now < usec_add(connection->since, IDLE_MIN))
                        return false;
                if (connection->cut || connection->ended || connection_has_unread(connection))
                        continue;
                if (has_begun(connection, &received)) {
                        begin_header(connection, received);
                        continue;
                }
                connection_cut(connection);
                return true;
        }
        return false;
}

/* The connections that wait for the application, with what is to be asked about each. */
static size_t collect_waiting(struct http_server *server, struct pollfd *polls,
                              struct connection **connections, size_t room) {
        size_t n = 0;

        LIST_FOREACH(node, &server->phases[PHASE_HANDLER]) {
                struct connection *connection = connection_at(node);

                if (n == room)
                        break;
                if (connection->cut || !connection->exchange || connection->exchange->resumed)
                        continue;
                polls[n] = (struct pollfd){ .fd = connection->fd, .events = POLLRDHUP };
                connections[n++] = connection;
        }
        return n;
}

bool deadlines_give_up_gone(struct http_server *server) {
        struct connection **connections = calloc(server->n_connections, sizeof(struct connection *));
        struct pollfd *polls = calloc(server->n_connections, sizeof(struct pollfd));
        bool found = false;
        size_t n = 0;

        if (connections && polls)
                n = collect_waiting(server, polls, connections, server->n_connections);
        if (n > 0 && poll(polls, n, 0) <= 0)
                n = 0;
        for (size_t i = 0; i < n; i++)
                if (polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) {
                        connection_cut(connections[i]);
                        exchange_resume(connections[i]->exchange);
                        found = true;
                }
        free(connections);
        free(polls);
        return found;
}

/* ---- Draining ---- */

static void end_drained(struct connection *connection, bool at_once) {
        if (connection->cut)
                return;
        if (connection->ended) {
                if (at_once)
                        connection_cut(connection);
                return;
        }
        switch (connection->phase) {
        case PHASE_HANDLER:
                if (connection->exchange && !connection->exchange->resumed)
                        expire_handler(connection);
                break;
        case PHASE_SEND:
                if (at_once)
                        connection_cut(connection);
                break;
        case PHASE_BODY:
                refuse(connection, 503);
                break;
        default:
                if (connection->exchange)
                        refuse(connection, 503);
                else if (at_once || !connection_has_unread(connection))
                        connection_cut(connection);
                break;
        }
}

/* Whoever is ended goes to the end of its list and is met there again; it must be left alone then, or this would
 * never come to an end. */
static void deadlines_drain(struct http_server *server) {
        bool at_once = server->now >= drain_end(server);

        for (size_t i = 0; i < _PHASE_MAX; i++)
                LIST_FOREACH_SAFE(node, &server->phases[i])
                        end_drained(connection_at(node), at_once);
}

void deadlines_process(struct http_server *server) {
        static void (*const expire[_PHASE_MAX])(struct connection * connection) = {
                [PHASE_HEADER] = expire_header,   [PHASE_IDLE] = expire_idle,
                [PHASE_QUIET] = expire_quiet,     [PHASE_BODY] = expire_body,
                [PHASE_HANDLER] = expire_handler, [PHASE_SEND] = expire_send,
        };

        server->now = now_monotonic(); /* handlers have run */
        for (size_t i = 0; i < _PHASE_MAX; i++)
                while (!list_empty(&server->phases[i])) {
                        struct connection *connection = connection_at(server->phases[i].next);

                        if (connection->deadline > server->now)
                                break;
                        if (connection->ended)
                                connection_cut(connection);
                        else
                                expire[i](connection);
                }
        if (server->draining && server->now >= server->drain_deadline)
                deadlines_drain(server);
}
