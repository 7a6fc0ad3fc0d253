/* SPDX-License-Identifier: MIT */

/*
 * Accepting connections.
 *
 * The listening sockets are shared by all workers, and each worker's outer epoll waits on them with
 * EPOLLEXCLUSIVE. The kernel wakes the first idle one of its queue, always the same: who has taken a connection
 * leaves the queue and joins it again at the end, so that connections go round, and a worker that has just been
 * started gets its share at once. Only one is taken at a time, since the others may be idle. At the connection
 * limit it stops waiting, and the kernel wakes another one; out of descriptors, or for a reason that nobody knows, it
 * pauses for a moment, since a level-triggered listener would spin otherwise.
 *
 * At the limit it looks now and then whether somebody waits whom no other worker takes, and then gives up a connection
 * that is of no use any more (deadline.c). Otherwise clients that keep their connections open, or have gone while the
 * application was busy with their requests, could keep everybody else out for a long time.
 *
 * A closed socket must leave the epoll first: other processes share it, so closing our descriptor does not
 * remove it.
 */

#include <errno.h>
#include <sched.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "http/deadline.h"
#include "http/listener.h"
#include "http/state.h"
#include "util/fd.h"
#include "util/log.h"

#define SHORTAGE_PAUSE (100 * USEC_PER_MSEC)

/* At the limit: how often to look for somebody who waits, how often while somebody does, and how often to look for
 * clients that have gone. */
#define LIMIT_LOOK  (100 * USEC_PER_MSEC)
#define LIMIT_AGAIN (10 * USEC_PER_MSEC)
#define GONE_LOOK   USEC_PER_SEC

int http_server_add_listener(struct http_server *server, int fd, const char *name) {
        struct http_listener *listener;

        listener = calloc(1, sizeof(*listener));
        if (!listener) {
                fd_close(fd);
                return -ENOMEM;
        }
        *listener = (struct http_listener){
                .next = server->listeners,
                .server = server,
                .fd = fd,
                .name = strdup(name ? name : "unknown"),
        };
        server->listeners = listener;
        return listener->name ? 0 : -ENOMEM;
}

static int listener_watch(struct http_listener *listener, bool watch) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = listener };

        if (listener->watched == watch || listener->fd < 0)
                return 0;
        if (epoll_ctl(listener->server->outer_fd, watch ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener->fd,
                      &event) < 0)
                return -errno;
        listener->watched = watch;
        return 0;
}

static int listeners_watch(struct http_server *server, bool watch) {
        int result = 0;

        for (struct http_listener *l = server->listeners; l; l = l->next) {
                int r = listener_watch(l, watch);

                if (r < 0)
                        result = r;
        }
        return result;
}

static bool is_full(const struct http_server *server) {
        return server->n_connections >= server->config->http.max_connections;
}

static bool wants_connections(const struct http_server *server) {
        return !server->draining && server->accept_again == 0 && !is_full(server);
}

static bool is_awaited(const struct http_server *server) {
        for (const struct http_listener *l = server->listeners; l; l = l->next) {
                struct pollfd waiting = { .fd = l->fd, .events = POLLIN };

                if (poll(&waiting, 1, 0) > 0)
                        return true;
        }
        return false;
}

/* Whoever waits is most often about to be taken by another worker, so it counts only when it is seen twice. */
static void relieve(struct http_server *server) {
        bool awaited;

        if (server->now < server->limit_again)
                return;
        awaited = is_awaited(server);
        server->limit_again = usec_add(server->now, awaited ? LIMIT_AGAIN : LIMIT_LOOK);
        if (awaited && server->awaited) {
                bool found = false;

                if (server->now >= server->gone_again) {
                        server->gone_again = usec_add(server->now, GONE_LOOK);
                        found = deadlines_give_up_gone(server);
                }
                if (!found)
                        (void) deadlines_give_up_idle(server);
        }
        server->awaited = awaited;
}

int http_server_listen(struct http_server *server, int epoll_fd) {
        server->outer_fd = epoll_fd;
        return listeners_watch(server, wants_connections(server));
}

void listeners_update(struct http_server *server) {
        if (server->outer_fd < 0 || server->draining)
                return;
        if (server->accept_again != 0 && server->now >= server->accept_again)
                server->accept_again = 0;
        (void) listeners_watch(server, wants_connections(server));
        if (is_full(server))
                relieve(server);
}

usec_t listeners_next(const struct http_server *server) {
        bool useful = !list_empty(&server->phases[PHASE_IDLE]) ||
                      !list_empty(&server->phases[PHASE_QUIET]) ||
                      !list_empty(&server->phases[PHASE_HANDLER]);

        if (server->outer_fd < 0 || server->draining)
                return USEC_NEVER;
        if (server->accept_again != 0)
                return server->accept_again;
        return is_full(server) && useful ? server->limit_again : USEC_NEVER;
}

/* Nobody was there after all, or a connection died in the queue: accept(2) lists what it says then. Everything else
 * is a lack of something, or will not change by trying again at once. */
static bool is_transient(int error) {
        static const int transient[] = { EAGAIN, EINTR,        ECONNABORTED, EPERM,
                                         EPROTO, ENETDOWN,     ENOPROTOOPT,  EHOSTDOWN,
                                         ENONET, EHOSTUNREACH, ENETUNREACH };

        for (size_t i = 0; i < ELEMENTSOF(transient); i++)
                if (error == transient[i])
                        return true;
        return false;
}

static void listener_pause(struct http_listener *listener, int error) {
        struct http_server *server = listener->server;

        if (!server->shortage_told)
                (void) log_warning(-error, "Listener %s: can't accept a connection, trying again: %m",
                                   listener->name);
        server->shortage_told = true;
        server->accept_again = usec_add(now_monotonic(), SHORTAGE_PAUSE);
        (void) listeners_watch(server, false);
}

/* The master has shut the socket: its address is no longer ours, and the others are. */
static void listener_give_up(struct http_listener *listener) {
        (void) listener_watch(listener, false);
        listener->fd = fd_close(listener->fd);
}

/* To the end of the queue. */
static void listener_requeue(struct http_listener *listener) {
        if (listener_watch(listener, false) >= 0)
                (void) listener_watch(listener, true);
}

void http_server_accept(struct http_server *server, struct http_listener *listener) {
        union {
                struct sockaddr any;
                struct sockaddr_storage storage;
        } address = {};
        socklen_t size = sizeof(address);
        int fd;

        if (listener->fd < 0 || !wants_connections(server))
                return;
        server->now = now_monotonic();
        if (balance_declines(&server->balance, server->muster, server->n_connections, server->now)) {
                listener_requeue(listener);
                (void) sched_yield();
                return;
        }
        fd = accept4(listener->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
                if (errno == EINVAL)
                        listener_give_up(listener);
                else if (!is_transient(errno))
                        listener_pause(listener, errno);
                return;
        }
        server->shortage_told = false;
        server->muster->slot->accepted++;
        /* It owns the descriptor from here on, also when it fails. */
        if (MHD_add_connection(server->daemon, fd, &address.any, size) != MHD_YES)
                log_debug("Listener %s: a connection was not taken: %s", listener->name, strerror(errno));
        if (wants_connections(server))
                listener_requeue(listener);
        else
                listeners_update(server);
}

void listeners_close(struct http_server *server) {
        (void) listeners_watch(server, false);
        for (struct http_listener *l = server->listeners; l; l = l->next)
                l->fd = fd_close(l->fd);
}

void listeners_free(struct http_server *server) {
        listeners_close(server);
        while (server->listeners) {
                struct http_listener *next = server->listeners->next;

                free(server->listeners->name);
                free(server->listeners);
                server->listeners = next;
        }
}
