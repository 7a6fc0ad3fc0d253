/* SPDX-License-Identifier: MIT */

/*
 * The yardstick of the benches: the least that a server can do for a request.
 *
 * One epoll, and for each request one recv() and one send() of bytes that were made before. It parses nothing
 * and checks nothing but the end of the header, so no server can be faster on the same kernel; what a server
 * takes more than this is its own. How fast the machine is, and what else runs on it, cancels out when both are
 * measured in turn.
 *
 * reference FD FILE: serves the listening socket FD with the bytes of FILE, until it is killed. A request is
 * taken to come in one piece, as those of load.c do.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_TURN 64

static char answer[4096];
static size_t answer_size;

static int read_answer(const char *path) {
        ssize_t n;
        int fd;

        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, answer, sizeof(answer));
        (void) close(fd);
        if (n <= 0)
                return -EIO;
        answer_size = (size_t) n;
        return 0;
}

static int watch(int epoll_fd, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void take(int epoll_fd, int listener) {
        int fd;

        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && watch(epoll_fd, fd) < 0)
                (void) close(fd);
}

static void serve(int fd) {
        char request[4096];
        ssize_t n;

        n = recv(fd, request, sizeof(request), 0);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4) != 0 ||
            send(fd, answer, answer_size, MSG_NOSIGNAL) != (ssize_t) answer_size)
                (void) close(fd);
}

static int run(int listener) {
        struct epoll_event events[EVENTS_PER_TURN];
        int epoll_fd, n, r;

        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_fd < 0)
                return -errno;
        r = watch(epoll_fd, listener);
        while (r >= 0) {
                n = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, -1);
                if (n < 0 && errno != EINTR)
                        r = -errno;
                for (int i = 0; i < n; i++)
                        if (events[i].data.fd == listener)
                                take(epoll_fd, listener);
                        else
                                serve(events[i].data.fd);
        }
        (void) close(epoll_fd);
        return r;
}

int main(int argc, char **argv) {
        int r;

        if (argc != 3) {
                (void) fprintf(stderr, "Usage: reference FD FILE\n");
                return EXIT_FAILURE;
        }
        r = read_answer(argv[2]);
        if (r >= 0)
                r = run((int) strtol(argv[1], NULL, 10));
        (void) fprintf(stderr, "reference: %s\n", strerror(-r));
        return EXIT_FAILURE;
}
