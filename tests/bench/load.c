/* SPDX-License-Identifier: MIT */

/*
 * The load of the benches: so many connections, each of which asks, waits for the answer, and asks again.
 *
 * load PORT CONNECTIONS REQUESTS MILLISECONDS keep|new TARGET: ends after so many requests or so much time,
 * whichever is first. With `new` each request has a connection of its own and says Connection: close; it is
 * done when the server has closed. Prints how many requests were answered and how many failed, as JSON.
 *
 * It is ours, and not one of the well-known tools, so that every server that is compared gets the very same
 * packets, and so that a number of requests can be asked for exactly. It never sleeps while it has requests out:
 * a server's send() that has to wake a sleeping client costs the server time, more or less of it by luck.
 *
 * An answer is good when it says 200 and is as long as the first one was. All run on the loopback interface,
 * where connect() does not wait.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define EVENTS_PER_TURN 64
#define SILENCE_NS      (UINT64_C(5) * 1000000000U) /* so long without any answer is a failure of all */

struct connection {
        size_t received; /* of the answer that is coming */
        int fd;
        bool good; /* it has begun with 200 */
};

struct load {
        struct sockaddr_in address;
        bool keep;
        int epoll_fd;
        char request[512];
        size_t request_size;
        size_t answer_size; /* of the first one, then of all */
        uint64_t wanted, started, answered, failed;
        uint64_t end, heard; /* times in ns */
        size_t n_open;
};

static struct connection connections[CONNECTIONS_MAX];

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

static void connection_close(struct load *load, struct connection *connection) {
        (void) close(connection->fd);
        connection->fd = -1;
        load->n_open--;
}

static int connection_open(struct load *load, struct connection *connection) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
        const int yes = 1;

        connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection->fd < 0)
                return -errno;
        load->n_open++;
        (void) setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        if (connect(connection->fd, (const struct sockaddr *) &load->address, sizeof(load->address)) < 0 ||
            epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0) {
                int r = -errno;

                connection_close(load, connection);
                return r;
        }
        return 0;
}

/* Sends the next request, on a new connection if need be; or closes, when there is none to send any more. */
static void connection_ask(struct load *load, struct connection *connection) {
        ssize_t n;

        if (load->started == load->wanted || load->heard >= load->end) {
                if (connection->fd >= 0)
                        connection_close(load, connection);
                return;
        }
        load->started++;
        connection->received = 0;
        connection->good = false;
        if (connection->fd < 0 && connection_open(load, connection) < 0) {
                load->failed++;
                return;
        }
        n = send(connection->fd, load->request, load->request_size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n != (ssize_t) load->request_size) {
                load->failed++;
                connection_close(load, connection);
        }
}

static void connection_done(struct load *load, struct connection *connection, bool good) {
        if (good && load->answer_size == 0)
                load->answer_size = connection->received;
        if (good && connection->received == load->answer_size)
                load->answered++;
        else
                load->failed++;
        if (!load->keep || !good)
                connection_close(load, connection);
        connection_ask(load, connection);
}

static void connection_read(struct load *load, struct connection *connection) {
        static const char wanted[] = "HTTP/1.1 200 ";
        char text[4096];
        ssize_t n;

        n = recv(connection->fd, text, sizeof(text), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                connection_done(load, connection, n == 0 && !load->keep && connection->good);
                return;
        }
        if (connection->received == 0)
                connection->good =
                        (size_t) n >= sizeof(wanted) && memcmp(text, wanted, sizeof(wanted) - 1) == 0;
        connection->received += (size_t) n;
        if (load->keep && (!connection->good || connection->received >= load->answer_size))
                connection_done(load, connection, connection->good);
}

static int run(struct load *load, size_t n_connections) {
        struct epoll_event events[EVENTS_PER_TURN];
        int n;

        load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (load->epoll_fd < 0)
                return -errno;
        for (size_t i = 0; i < n_connections; i++) {
                connections[i].fd = -1;
                connection_ask(load, &connections[i]);
        }
        while (load->n_open > 0) {
                uint64_t now = now_ns();

                n = epoll_wait(load->epoll_fd, events, EVENTS_PER_TURN, 0);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        load->heard = now;
                if (now - load->heard > SILENCE_NS)
                        return -ETIMEDOUT;
                for (int i = 0; i < n; i++)
                        connection_read(load, events[i].data.ptr);
        }
        return 0;
}

static int parse(struct load *load, char **argv, size_t *ret_connections) {
        int n;

        *load = (struct load){
                .address = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t) strtoul(argv[1], NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
                .wanted = strtoull(argv[3], NULL, 10),
                .keep = strcmp(argv[5], "keep") == 0,
                .heard = now_ns(),
        };
        load->end = load->heard + strtoull(argv[4], NULL, 10) * 1000000U;
        *ret_connections = strtoul(argv[2], NULL, 10);
        if (*ret_connections == 0 || *ret_connections > CONNECTIONS_MAX)
                return -EINVAL;
        n = snprintf(load->request, sizeof(load->request), "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n",
                     argv[6], load->keep ? "" : "Connection: close\r\n");
        if (n < 0 || (size_t) n >= sizeof(load->request))
                return -EINVAL;
        load->request_size = (size_t) n;
        return 0;
}

int main(int argc, char **argv) {
        struct load load;
        size_t n_connections;
        int r;

        if (argc != 7) {
                (void) fprintf(stderr,
                               "Usage: load PORT CONNECTIONS REQUESTS MILLISECONDS keep|new TARGET\n");
                return EXIT_FAILURE;
        }
        r = parse(&load, argv, &n_connections);
        if (r >= 0)
                r = run(&load, n_connections);
        if (r < 0) {
                (void) fprintf(stderr, "load: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        (void) printf("{\"answered\": %llu, \"failed\": %llu}\n", (unsigned long long) load.answered,
                      (unsigned long long) load.failed);
        return EXIT_SUCCESS;
}
