/* SPDX-License-Identifier: MIT */

/*
 * The yardstick of messages: what three processes and a kernel take when nobody does anything else.
 *
 * One relay between two peers, socketpairs of SOCK_SEQPACKET as the channels are, an epoll in each process as a loop
 * has it, one datagram for a message. Nothing is looked at, nothing is chosen, so a message that goes through a router
 * cannot be faster on the same kernel than it is here, one by one; many at a time can, when they share datagrams.
 *
 * messenger-bare rtt COUNT SIZE CPU CPU: as many round trips, one after another, of four hops each, the relay on the first
 * CPU and both peers on the second; prints their median, mean and 99th percentile in ns.
 * messenger-bare rate MILLISECONDS WINDOW SIZE: one way, with so many under way; prints what the receiver has counted
 * once a quarter of the time was over, and the ns from there to the end.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_HERE 4096

struct loop {
        int epoll_fd;
        char message[SIZE_MAX_HERE];
};

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

static void fail(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static void watch(struct loop *loop, int fd) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
                fail("epoll_ctl");
}

static void loop_init(struct loop *loop) {
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                fail("epoll_create1");
}

/* Waits for the next message and returns its size and where it came from; ends the process with the last peer. */
static size_t receive(struct loop *loop, int *ret_fd) {
        struct epoll_event event;
        ssize_t n;

        while (epoll_wait(loop->epoll_fd, &event, 1, -1) < 0)
                if (errno != EINTR)
                        fail("epoll_wait");
        n = recv(event.data.fd, loop->message, sizeof(loop->message), 0);
        if (n <= 0)
                exit(EXIT_SUCCESS);
        *ret_fd = event.data.fd;
        return (size_t) n;
}

static void transmit(int fd, const char *message, size_t size) {
        if (send(fd, message, size, MSG_NOSIGNAL) < 0)
                exit(errno == EPIPE ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void relay(int first, int second) {
        static struct loop loop;
        size_t size;
        int fd;

        loop_init(&loop);
        watch(&loop, first);
        watch(&loop, second);
        for (;;) {
                size = receive(&loop, &fd);
                transmit(fd == first ? second : first, loop.message, size);
        }
}

/* Sends back what it gets, or, with a quarter, one for so many. */
static void answer(int fd, uint64_t quarter) {
        static struct loop loop;
        uint64_t received = 0;
        size_t size;

        loop_init(&loop);
        watch(&loop, fd);
        for (;;) {
                size = receive(&loop, &fd);
                received++;
                if (quarter == 0)
                        transmit(fd, loop.message, size);
                else if (received % quarter == 0)
                        transmit(fd, loop.message, 1);
        }
}

static int compare(const void *first, const void *second) {
        const uint64_t *a = first, *b = second;

        return (*a > *b) - (*a < *b);
}

static void measure_rtt(struct loop *loop, int fd, size_t count, size_t size) {
        uint64_t *spans = calloc(count, sizeof(*spans)), sum = 0, began;

        if (!spans)
                fail("calloc");
        for (size_t i = 0; i < count; i++) {
                began = now_ns();
                transmit(fd, loop->message, size);
                size = receive(loop, &fd);
                spans[i] = now_ns() - began;
                sum += spans[i];
        }
        qsort(spans, count, sizeof(*spans), compare);
        printf("{\"median_ns\": %" PRIu64 ", \"mean_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 "}\n",
               spans[count / 2], sum / count, spans[count * 99 / 100]);
        free(spans);
}

/* The answers are what the receiver has counted, a quarter of the window at a time. */
static void measure_rate(struct loop *loop, int fd, uint64_t span, uint64_t window, size_t size) {
        uint64_t began = now_ns(), now = began, start = 0, counted = 0, credit = window;

        while (now - began < span) {
                for (; credit > 0; credit--)
                        transmit(fd, loop->message, size);
                (void) receive(loop, &fd);
                now = now_ns();
                credit += window / 4;
                if (start > 0)
                        counted += window / 4;
                else if (now - began >= span / 4)
                        start = now;
        }
        printf("{\"count\": %" PRIu64 ", \"ns\": %" PRIu64 "}\n", counted, now - start);
}

static uint64_t number(const char *text) {
        return strtoull(text, NULL, 10);
}

static void stay_on(const char *text) {
        cpu_set_t cpus;

        if (!text)
                return;
        CPU_ZERO(&cpus);
        CPU_SET(number(text), &cpus);
        if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
                fail("sched_setaffinity");
}

int main(int argc, char **argv) {
        bool rtt = argc == 6 && strcmp(argv[1], "rtt") == 0;
        int first[2], second[2];
        struct loop loop = {};

        if (!rtt && (argc != 5 || strcmp(argv[1], "rate") != 0)) {
                (void) fprintf(
                        stderr,
                        "Usage: messenger-bare rtt COUNT SIZE CPU CPU | rate MILLISECONDS WINDOW SIZE\n");
                return EXIT_FAILURE;
        }
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, first) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, second) < 0)
                fail("socketpair");
        if (fork() == 0) {
                stay_on(rtt ? argv[4] : NULL);
                (void) close(first[0]);
                (void) close(second[1]);
                relay(first[1], second[0]);
        }
        stay_on(rtt ? argv[5] : NULL);
        (void) close(first[1]);
        (void) close(second[0]);
        if (fork() == 0) {
                (void) close(first[0]);
                answer(second[1], rtt ? 0 : number(argv[3]) / 4);
        }
        (void) close(second[1]);

        loop_init(&loop);
        watch(&loop, first[0]);
        if (rtt)
                measure_rtt(&loop, first[0], number(argv[2]), number(argv[3]));
        else
                measure_rate(&loop, first[0], number(argv[2]) * 1000000U, number(argv[3]), number(argv[4]));
        (void) close(first[0]);
        while (wait(NULL) > 0)
                ;
        return EXIT_SUCCESS;
}
