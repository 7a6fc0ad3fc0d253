/* SPDX-License-Identifier: MIT */

/*
 * Requests at a steady rate, and how long each took: pace PORT RATE MILLISECONDS TARGET.
 *
 * Each is sent at its time on a connection of its own, whether those before it are answered or not, and what it took
 * is counted from that time on. So a server that answers nobody for a second is seen by all who come in it, and
 * not by one. Where it may, it runs before everything else, since whoever measures must not be kept waiting by what is
 * measured: it is small, a client on the same machine would otherwise compete with the sums for the CPUs. Prints, as JSON, how many were answered and failed, the median, the 99th percentile and the
 * longest, in microseconds.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 1000000U
#define PATIENCE_NS  (UINT64_C(120) * 1000000000U) /* for the last answers */

struct request {
        uint64_t due;
        int fd;
        bool good;
};

static struct request *requests;
static uint64_t *latencies;
static unsigned int n_answered, n_failed, n_open;
static int epoll_fd;
static struct sockaddr_in address;
static char text[512];
static size_t text_size;

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

static void finish(struct request *request, bool good) {
        (void) close(request->fd);
        request->fd = -1;
        n_open--;
        if (good)
                latencies[n_answered++] = now_ns() - request->due;
        else
                n_failed++;
}

static void begin(struct request *request) {
        struct epoll_event event = { .events = EPOLLOUT, .data.ptr = request };

        n_open++;
        request->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (request->fd < 0 ||
            (connect(request->fd, (struct sockaddr *) &address, sizeof(address)) < 0 &&
             errno != EINPROGRESS) ||
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, request->fd, &event) < 0)
                finish(request, false);
}

static void proceed(struct request *request, uint32_t events) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = request };
        char answer[4096];
        ssize_t n;

        if (events & EPOLLOUT) {
                if (send(request->fd, text, text_size, MSG_NOSIGNAL) != (ssize_t) text_size ||
                    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, request->fd, &event) < 0)
                        finish(request, false);
                return;
        }
        n = recv(request->fd, answer, sizeof(answer), 0);
        if (n > 0)
                request->good = request->good || (n > 12 && memcmp(answer + 8, " 200", 4) == 0);
        else if (n == 0 || errno != EAGAIN)
                finish(request, n == 0 && request->good);
}

static void wait_until(uint64_t until) {
        struct epoll_event events[64];
        uint64_t now = now_ns(), left = until > now ? until - now : 0;
        struct timespec timeout = { (time_t) (left / 1000000000U), (long) (left % 1000000000U) };
        int n;

        n = epoll_pwait2(epoll_fd, events, 64, &timeout, NULL);
        for (int i = 0; i < n; i++)
                proceed(events[i].data.ptr, events[i].events);
}

static int compare(const void *a, const void *b) {
        uint64_t one = *(const uint64_t *) a, other = *(const uint64_t *) b;

        return one < other ? -1 : one > other;
}

static uint64_t quantile(unsigned int percent) {
        return n_answered ? latencies[(uint64_t) (n_answered - 1) * percent / 100] / 1000 : 0;
}

int main(int argc, char **argv) {
        const struct sched_param first = { .sched_priority = 1 };
        uint64_t rate, n, start, deadline;

        if (argc != 5)
                return EXIT_FAILURE;
        rate = strtoull(argv[2], NULL, 10);
        n = rate * strtoull(argv[3], NULL, 10) / 1000;
        if (rate == 0 || n == 0 || n > REQUESTS_MAX)
                return EXIT_FAILURE;
        address = (struct sockaddr_in){
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t) atoi(argv[1])),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        text_size = (size_t) snprintf(
                text, sizeof(text), "GET %.256s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", argv[4]);
        requests = calloc(n, sizeof(*requests));
        latencies = calloc(n, sizeof(*latencies));
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (!requests || !latencies || epoll_fd < 0)
                return EXIT_FAILURE;

        (void) sched_setscheduler(0, SCHED_FIFO, &first);
        start = now_ns();
        for (uint64_t i = 0; i < n; i++) {
                requests[i].due = start + i * 1000000000U / rate;
                while (now_ns() < requests[i].due)
                        wait_until(requests[i].due);
                begin(&requests[i]);
        }
        deadline = now_ns() + PATIENCE_NS;
        while (n_open > 0 && now_ns() < deadline)
                wait_until(deadline);

        qsort(latencies, n_answered, sizeof(*latencies), compare);
        printf("{\"answered\": %u, \"failed\": %u, \"median_us\": %llu, \"p99_us\": %llu, \"max_us\": %llu}\n",
               n_answered, n_failed + n_open, (unsigned long long) quantile(50),
               (unsigned long long) quantile(99), (unsigned long long) quantile(100));
        return EXIT_SUCCESS;
}
