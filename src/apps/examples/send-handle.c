/* SPDX-License-Identifier: MIT */

/*
 * The article: "多进程模式下怎么实现多端口监听呢？", the example that works: the master listens, and sends the socket to its workers
 * as the handle of a message.
 *
 *     const server = require('net').createServer(); server.listen(3000);
 *     worker.send('server', server);
 *
 *     process.on('message', (message, sendHandle) => {
 *         if (message === 'server') {
 *             masterServer = sendHandle;
 *             masterServer.on('connection', socket => server.emit('connection', socket));
 *         }
 *     })
 *
 * The sockets of `[http] listen`, or of systemd, need none of this: every worker has them from its first moment. This is for
 * a socket of the application's own (another protocol, a UDP socket, a connection that another worker is to go on
 * with). Here the agent listens at `[app] port`. A worker asks it for the socket, so that one that is started later
 * gets it too, and answers what comes there by hand, since an HTTP server takes a few more lines than a socket.
 *
 * The article's master closes its server when the last worker has it; the agent never accepts, and keeps it for the
 * workers to come. The article writes `sendHandler` where its parameter is `sendHandle`.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <muster/app.h>

static int server = -1; /* in the agent and in each worker */

/* ---- The agent: master.js ---- */

static int listen_on_port(uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons(port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        const void *generic = &address;

        server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (server < 0 || bind(server, generic, sizeof(address)) < 0 || listen(server, SOMAXCONN) < 0)
                return -errno;
        return 0;
}

static void on_want_server(struct muster *muster, struct muster_message *message, void *data) {
        (void) muster_send_handle(muster, muster_message_from(message), "server", server, NULL, 0);
}

static int agent_start(struct muster *muster) {
        uint64_t port;
        int r;

        r = muster_config_number(muster, "port", 1, UINT16_MAX, 3000, &port);
        if (r < 0)
                return r;
        r = listen_on_port((uint16_t) port);
        if (r < 0)
                return muster_fail(muster, r, "Cannot listen on port %d: %s", (int) port, strerror(-r));
        return muster_on(muster, "want-server", on_want_server, NULL);
}

/* ---- The workers: worker.js ---- */

struct connection {
        struct muster_watch *watch;
        int fd;
};

static void connection_free(struct connection *connection) {
        muster_watch_end(connection->watch);
        (void) close(connection->fd);
        free(connection);
}

/* What it asks does not matter; that it does must be read, or closing would cut off the answer. */
static void on_request(struct muster *muster, int fd, unsigned int events, void *data) {
        char buffer[4096], text[64], answer[256];
        int n;

        n = snprintf(text, sizeof(text), "I am worker, pid: %d, ppid: %d", getpid(), getppid());
        if (recv(fd, buffer, sizeof(buffer), 0) > 0) {
                n = snprintf(answer, sizeof(answer),
                             "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", n,
                             text);
                (void) send(fd, answer, (size_t) n, MSG_NOSIGNAL);
        }
        connection_free(data);
}

static void on_connection(struct muster *muster, int fd, unsigned int events, void *data) {
        struct connection *connection;
        int accepted;

        accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted < 0)
                return; /* another worker was faster */
        connection = calloc(1, sizeof(*connection));
        if (!connection) {
                (void) close(accepted);
                return;
        }
        connection->fd = accepted;
        connection->watch = muster_watch_fd(muster, accepted, MUSTER_READABLE, on_request, connection);
        if (!connection->watch)
                connection_free(connection);
}

static void on_server(struct muster *muster, struct muster_message *message, void *data) {
        if (server >= 0)
                return;
        server = muster_message_take_handle(message);
        if (server < 0 || !muster_watch_fd(muster, server, MUSTER_READABLE, on_connection, NULL))
                muster_log(LOG_ERR, "Cannot use what the agent has sent: %m");
}

static int worker_start(struct muster *muster) {
        int r;

        r = muster_on(muster, "server", on_server, NULL);
        return r < 0 ? r : muster_send_to_agent(muster, "want-server", NULL, 0);
}

MUSTER_APPLICATION(.name = "send-handle", .agent_start = agent_start, .worker_start = worker_start);
