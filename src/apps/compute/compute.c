/* SPDX-License-Identifier: MIT */

/*
 * What to do with a computation: the article's sum, in four ways.
 *
 *   GET /                  what everybody else wants meanwhile: an answer at once
 *   GET /compute?n=N       the sum of 0 … N-1 in the worker, which answers nobody else until it is done
 *   GET /compute/fork      in a process that is started for this request
 *   GET /compute/offload   in a compute process that muster keeps ready
 *   GET /compute/thread    in a thread of the worker
 *
 * A computation belongs into a compute process. A process for each request costs its start and has no bound but
 * that of the machine; a thread is for what blocks, and takes its worker along when it crashes.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/app.h>

#define N_MAX    UINT64_C(10000000000) /* the article's */
#define N_DIGITS 11
#define SUM_SIZE 64

/* The sum of the article does not fit into 64 bits: it is kept in two parts, as it is written. */
#define PART  UINT64_C(1000000000000000000)
#define BLOCK UINT64_C(1000000)

/* One addition after the other: a compiler would know the sum without adding. */
static uint64_t add_block(uint64_t begin, uint64_t end) {
        uint64_t sum = 0;

        for (uint64_t i = begin; i < end; i++) {
                sum += i;
                __asm__ volatile("" : "+r"(sum));
        }
        return sum;
}

static const char *add_up(uint64_t n, char text[static SUM_SIZE]) {
        uint64_t high = 0, low = 0;

        for (uint64_t i = 0; i < n; i += BLOCK) {
                low += add_block(i, n - i < BLOCK ? n : i + BLOCK);
                if (low >= PART) {
                        high++;
                        low -= PART;
                }
        }
        if (high > 0)
                (void) snprintf(text, SUM_SIZE, "sum is %" PRIu64 "%018" PRIu64 "\n", high, low);
        else
                (void) snprintf(text, SUM_SIZE, "sum is %" PRIu64 "\n", low);
        return text;
}

static int parse(const char *text, uint64_t *ret) {
        size_t length = strspn(text, "0123456789");

        if (length == 0 || length > N_DIGITS || text[length])
                return -EINVAL;
        *ret = strtoull(text, NULL, 10);
        return *ret <= N_MAX ? 0 : -ERANGE;
}

/* The parameter n as text; without a good one the request is answered. */
static const char *read_n(struct muster_request *request, uint64_t *ret) {
        const char *text = muster_request_query(request, "n");

        if (text && parse(text, ret) >= 0)
                return text;
        muster_respond_text(request, 400, "n must be a number from 0 to %" PRIu64 "\n", N_MAX);
        return NULL;
}

static int sum(const void *input, size_t size, struct muster_result *result) {
        char text[SUM_SIZE];
        uint64_t n;
        int r;

        r = parse(input, &n);
        if (r < 0)
                return r;
        return muster_result_text(result, "%s", add_up(n, text));
}

static void answer(struct muster_request *request, int error, const void *output, size_t size, void *data) {
        muster_respond_bytes(request, 200, "text/plain", output, size);
}

/* ---- Routes ---- */

static void hello(struct muster_request *request) {
        static const char text[] = "hello\n";

        muster_respond_static(request, 200, "text/plain", text, sizeof(text) - 1);
}

static void block(struct muster_request *request) {
        char text[SUM_SIZE];
        uint64_t n;

        if (read_n(request, &n))
                muster_respond_text(request, 200, "%s", add_up(n, text));
}

static void refuse(struct muster_request *request, int error) {
        muster_respond_text(request, 503, "Cannot compute: %s\n", strerror(-error));
}

static void offload(struct muster_request *request) {
        const char *text;
        uint64_t n;
        int r;

        text = read_n(request, &n);
        if (!text)
                return;
        r = muster_offload(request, "sum", text, strlen(text), NULL, answer, NULL);
        if (r < 0)
                refuse(request, r);
}

static void thread(struct muster_request *request) {
        const char *text;
        uint64_t n;
        int r;

        text = read_n(request, &n);
        if (!text)
                return;
        r = muster_offload_thread(request, "sum", text, strlen(text), NULL, answer, NULL);
        if (r < 0)
                refuse(request, r);
}

/* ---- A process for each request ---- */

/* In that process: adds up what its parent sends, sends the sum back and ends. */
static void on_number(struct muster *muster, const void *bytes, size_t size, int fd, void *data) {
        char text[SUM_SIZE];
        uint64_t n;

        if (!bytes || parse(bytes, &n) < 0) {
                muster_exit(muster, EXIT_FAILURE);
                return;
        }
        (void) add_up(n, text);
        muster_exit(muster,
                    muster_parent_send(muster, text, strlen(text), -1) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int for_compute(struct muster *muster, int argc, char **argv) {
        return muster_on_parent_message(muster, on_number, NULL);
}

/* In the worker: the answer is given once, by the sum or by an end without one. */
static void on_sum(struct muster_child *child, const void *bytes, size_t size, int fd, void *data) {
        struct muster_request *request = data;

        muster_child_set_data(child, NULL);
        if (request)
                muster_respond_bytes(request, 200, "text/plain", bytes, size);
}

static void on_end(struct muster_child *child, int code, int signal, void *data) {
        struct muster_request *request = data;

        if (request)
                muster_respond_text(request, 500, "No sum: exit code %d, signal %d\n", code, signal);
}

static void fork_one(struct muster_request *request) {
        const struct muster_spawn_options options = { .on_message = on_sum,
                                                      .on_close = on_end,
                                                      .data = request };
        struct muster_child *child;
        const char *text;
        uint64_t n;

        text = read_n(request, &n);
        if (!text)
                return;
        child = muster_fork(muster_request_muster(request), "for_compute", NULL, &options);
        if (!child) {
                refuse(request, -errno);
                return;
        }
        muster_request_suspend(request);
        (void) muster_child_send(child, text, strlen(text), -1); /* if it is gone, its end is told */
}

/* ---- The module ---- */

static const struct muster_route routes[] = {
        { "GET", "/", hello },
        { "GET", "/compute", block },
        { "GET", "/compute/fork", fork_one },
        { "GET", "/compute/offload", offload },
        { "GET", "/compute/thread", thread },
        {},
};

static const struct muster_task tasks[] = {
        { "sum", sum },
        {},
};

static const struct muster_fork forks[] = {
        { "for_compute", for_compute },
        {},
};

MUSTER_APPLICATION(.name = "compute", .routes = routes, .tasks = tasks, .forks = forks);
