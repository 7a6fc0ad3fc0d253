/* SPDX-License-Identifier: MIT */

/*
 * Closing a connection whose client is still sending.
 *
 * A socket that is closed with unread bytes in it sends a reset, and a reset takes back what the client has
 * not read yet: the very answer that says why. So where an answer ends a connection early (a body that is
 * too large, a refused header), a second descriptor keeps the socket for a moment; the answer's end is
 * announced, and what still comes is read and dropped, until the client closes or two seconds have passed. The end
 * of a drain, with its grace, ends it too.
 *
 * These sockets are looked at every few milliseconds and not through epoll: there are few of them, and
 * nobody is in a hurry.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "http/linger.h"
#include "http/state.h"
#include "util/fd.h"

#define LINGER_POLL  (10 * USEC_PER_MSEC)
#define LINGER_MAX   64U /* sockets */
#define READS_A_TURN 16U

struct linger_socket {
        struct list node;
        int fd;
        usec_t deadline;
};

static void linger_end(struct http_server *server, struct linger_socket *socket) {
        list_remove(&socket->node);
        fd_close(socket->fd);
        free(socket);
        server->n_lingering--;
}

usec_t linger_deadline(const struct http_server *server) {
        return MIN(usec_add(server->now, LINGER_SPAN), drain_end(server));
}

void linger_start(struct http_server *server, int fd) {
        struct linger_socket *socket;

        if (server->n_lingering >= LINGER_MAX)
                return;
        socket = calloc(1, sizeof(*socket));
        if (!socket)
                return;
        socket->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (socket->fd < 0) {
                free(socket);
                return;
        }
        (void) shutdown(socket->fd, SHUT_WR);
        socket->deadline = linger_deadline(server);
        if (list_empty(&server->lingering))
                server->linger_again = usec_add(server->now, LINGER_POLL);
        list_append(&server->lingering, &socket->node);
        server->n_lingering++;
}

/* Whether the client is still there. */
static bool linger_read(int fd) {
        char buffer[16384];

        for (unsigned int i = 0; i < READS_A_TURN; i++) {
                ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                if (n == 0)
                        return false;
        }
        return true;
}

void linger_process(struct http_server *server) {
        if (list_empty(&server->lingering) || server->now < server->linger_again)
                return;
        LIST_FOREACH_SAFE(node, &server->lingering) {
                struct linger_socket *socket = container_of(node, struct linger_socket, node);

                if (!linger_read(socket->fd) || server->now >= MIN(socket->deadline, drain_end(server)))
                        linger_end(server, socket);
        }
        server->linger_again = usec_add(server->now, LINGER_POLL);
}

usec_t linger_next(const struct http_server *server) {
        return list_empty(&server->lingering) ? USEC_NEVER : server->linger_again;
}

void linger_free(struct http_server *server) {
        LIST_FOREACH_SAFE(node, &server->lingering)
                linger_end(server, container_of(node, struct linger_socket, node));
}
