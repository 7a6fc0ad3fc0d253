/* SPDX-License-Identifier: MIT */

/*
 * The HTTP server of a worker: libmicrohttpd, driven from the worker's loop.
 *
 * The library parses and sends; all else is ours. It runs without threads and without a listening socket:
 * connections are accepted in listener.c and handed to it, since it would wake every worker for each one,
 * and would shut down a socket that is not its own. It waits with an epoll of its own, whose descriptor the
 * worker's loop watches.
 *
 *   listener.c      accepting, the connection limit
 *   connection.c    a connection and its phase; deadline.c ends the phases
 *   exchange.c      a request from its first line to its answer, with header-check.c and body.c
 *   answer.c        the answer, with file.c and conditional.c for files
 *   linger.c        closing without taking the answer back
 *   access-log.c    what is logged of it
 *
 * A turn of the loop: requests that have their answer are resumed, the library reads, calls and writes, then
 * the deadlines are looked at. A request on an open connection costs one recv() and one sendmsg(), and no
 * system call of ours.
 *
 * Promises: no application code runs inside the library's own state changes but the handler, and that under
 * the guard; a drained connection has been told so; every suspended request is resumed before the library
 * stops, which would abort the process otherwise.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "http/access-log.h"
#include "http/deadline.h"
#include "http/exchange.h"
#include "http/linger.h"
#include "http/listener.h"
#include "http/state.h"
#include "util/log.h"

/* What a connection needs besides the header itself: the table of the fields, a copy of the cookies, and the header
 * of the answer. The library clears all of it for each request, which costs more than anything else in user space, so
 * there is no more than an ordinary request needs beside the largest header; check_header() in admission.c counts. */
#define POOL_EXTRA 4096U

/* Since 1.0 the library takes a connection through an eventfd unless it is told that there is but one thread. */
#if MHD_VERSION >= 0x00097707
#define ONE_THREAD MHD_USE_NO_THREAD_SAFETY
#else
#define ONE_THREAD 0
#endif

static void log_library(void *userdata, const char *format, va_list arguments) {
        char text[256];
        int n;

        if (log_get_level() < LOG_DEBUG)
                return;
        n = vsnprintf(text, sizeof(text), format, arguments);
        if (n > 0)
                log_debug("libmicrohttpd: %.*s", (int) strcspn(text, "\n"), text);
}

static int start_library(struct http_server *server) {
        const unsigned int flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                                   MHD_USE_ERROR_LOG | ONE_THREAD;
        struct MHD_OptionItem options[] = {
                { MHD_OPTION_EXTERNAL_LOGGER, (intptr_t) log_library, NULL }, /* first, it logs the others */
                { MHD_OPTION_URI_LOG_CALLBACK, (intptr_t) exchange_begin, server },
                { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t) exchange_completed, server },
                { MHD_OPTION_NOTIFY_CONNECTION, (intptr_t) connection_notify, server },
                { MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t) server->pool_size, NULL },
                { MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL },
                /* The limit is ours; the library's only must not be lower. */
                { MHD_OPTION_CONNECTION_LIMIT, (intptr_t) server->config->http.max_connections + 64, NULL },
                /* Without it there is no sendfile(). */
                { MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL },
                /* By the older name of the option, which both the old and the new header have: the library that
                 * runs may be newer than the one this was built with. */
                { server->strict ? MHD_OPTION_STRICT_FOR_CLIENT : MHD_OPTION_END, 1, NULL },
                { MHD_OPTION_END, 0, NULL },
        };
        const union MHD_DaemonInfo *info;

        server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_handle, server, MHD_OPTION_ARRAY,
                                          options, MHD_OPTION_END);
        if (!server->daemon)
                return errno > 0 ? -errno : -EIO;
        info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return -ENOTSUP;
        server->epoll_fd = info->epoll_fd;
        return 0;
}

/* Asks the library that runs. From 1.0 on it can be strict. 0.9.75 can't, but what it has read stays where it was, so
 * that its place tells what the parser tolerated; of the others before 1.0 nobody has looked whether it does. */
static void learn_version(struct http_server *server) {
        const char *version = MHD_get_version();

        server->strict = strtoul(version, NULL, 10) >= 1;
        server->in_place = startswith(version, "0.9.75");
        if (!server->strict && !server->in_place)
                (void) log_warning(
                        0,
                        "libmicrohttpd %s: bare line feeds, folded lines and NULs in a request's header "
                        "are not found",
                        version);
}

int http_server_new(struct http_server **ret, struct muster *muster, const struct router *router) {
        struct http_server *server;
        int r;

        server = calloc(1, sizeof(*server));
        if (!server)
                return -ENOMEM;
        *server = (struct http_server){
                .muster = muster,
                .config = muster->config,
                .router = router,
                .epoll_fd = -1,
                .outer_fd = -1,
                .pool_size = (size_t) muster->config->http.max_header + POOL_EXTRA,
                .now = now_monotonic(),
                .drain_deadline = USEC_NEVER,
        };
        server->to_realtime = now_realtime() - server->now;
        for (size_t i = 0; i < _PHASE_MAX; i++)
                list_init(&server->phases[i]);
        list_init(&server->answered);
        list_init(&server->orphans);
        list_init(&server->spare);
        list_init(&server->lingering);
        learn_version(server);

        (void) signal(SIGPIPE, SIG_IGN);
        r = start_library(server);
        if (r < 0) {
                http_server_free(server);
                return r;
        }
        *ret = server;
        return 0;
}

/* What is still suspended must be resumed and answered before the library can stop. */
static void answer_suspended(struct http_server *server) {
        exchanges_resume(server);
        LIST_FOREACH_SAFE(node, &server->phases[PHASE_HANDLER]) {
                struct connection *connection = container_of(node, struct connection, node);

                if (connection->exchange)
                        exchange_resume(connection->exchange);
        }
        (void) MHD_run(server->daemon);
}

struct http_server *http_server_free(struct http_server *server) {
        if (!server)
                return NULL;
        server->draining = server->stopping = true;
        listeners_free(server);
        if (server->daemon) {
                answer_suspended(server);
                MHD_stop_daemon(server->daemon);
        }
        answer_cache_clear(server);
        exchanges_free(server);
        linger_free(server);
        access_complaints_flush(server);
        free(server);
        return NULL;
}

int http_server_fd(const struct http_server *server) {
        return server->epoll_fd;
}

void http_server_process(struct http_server *server, usec_t now) {
        server->now = now;
        server->to_realtime = now_realtime() - now;
        if (!list_empty(&server->answered))
                exchanges_resume(server);
        server->resumed = false;
        (void) MHD_run(server->daemon);
        deadlines_process(server);
        linger_process(server);
        listeners_update(server);
        if (server->n_unsaid > 0 && server->now >= server->complain_again)
                access_complaints_flush(server);
}

usec_t http_server_next(struct http_server *server) {
        MHD_UNSIGNED_LONG_LONG milliseconds;
        usec_t next;

        /* 0.9.75 forgets in MHD_get_timeout() what it was told to resume. */
        if (!list_empty(&server->answered) || server->resumed)
                return 0;
        if (MHD_get_timeout(server->daemon, &milliseconds) == MHD_YES && milliseconds == 0)
                return 0;
        next = MIN(deadlines_next(server), linger_next(server));
        return MIN(next, listeners_next(server));
}

bool http_server_idle(struct http_server *server, usec_t now) {
        return !server->draining && http_server_next(server) > now;
}

void http_server_drain(struct http_server *server, usec_t deadline) {
        server->drain_deadline = MIN(server->drain_deadline, deadline);
        if (server->draining)
                return;
        /* This may be called from within a handler that has just faulted: nothing is done to the library
         * here. */
        server->draining = true;
        listeners_close(server);
}

unsigned int http_server_connections(const struct http_server *server) {
        return server->n_connections + server->n_lingering;
}

unsigned int http_server_in_flight(const struct http_server *server) {
        return server->n_in_flight;
}
