/* SPDX-License-Identifier: MIT */

/*
 * The application that messenger.py measures. The worker that is asked does the sending, those it sends to count:
 *
 * GET /flood?to=PID&ms=N&window=N&size=N: messages one way, with so many under way. The answer is what the receiver has
 * counted once a quarter of the time was over, and the ns from there to the end.
 * GET /rtt?to=PID&count=N&size=N: round trips, one after another; their median, mean and 99th percentile in ns.
 * GET /broadcast?receivers=N&rounds=N&batch=N&size=N: that many broadcasts, and when all have told that they have them
 * the next, so many times.
 * GET /hold?size=N: a broadcast whose receivers read all of it and then stop themselves (SIGSTOP) with it in their hands.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/app.h>

#define NEWS_MAX  (16U << 20)
#define COUNT_MAX 100000U
#define TRY_AGAIN MUSTER_MSEC(1)
#define IN_FLIGHT 4U /* parts of a window */

static struct muster_request *request; /* that is under way here, one at a time */
static char news[NEWS_MAX];

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

static uint64_t number(struct muster_request *from, const char *name) {
        const char *text = muster_request_query(from, name);

        return text ? strtoull(text, NULL, 10) : 0;
}

static size_t size_wanted(struct muster_request *from) {
        uint64_t size = number(from, "size");

        return size < NEWS_MAX ? (size_t) size : NEWS_MAX;
}

static void answer(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

static void answer(const char *format, ...) {
        va_list arguments;
        char text[256];

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        if (request)
                muster_respond_json(request, 200, text);
        request = NULL;
}

/* Nothing is dropped in a good measurement. */
static void on_failure(struct muster *muster, int error, const char *action, pid_t pid, unsigned int count,
                       void *data) {
        if (request)
                muster_respond_text(request, 500, "%u of %s to %d: %s\n", count, action, pid,
                                    strerror(-error));
        request = NULL;
}

/* ---- One way, the sender's side ---- */

static struct {
        pid_t to;
        uint64_t end, part, owed, under_way, blocked;
        size_t size;
} flow;

struct begin {
        uint64_t warm_ns, part;
};

struct result {
        uint64_t count, ns, total;
};

static void send_some(struct muster *muster, void *data) {
        for (; flow.owed > 0; flow.owed--)
                if (muster_send_to(muster, flow.to, "tick", news, flow.size) < 0) {
                        flow.blocked++;
                        (void) muster_timer_after(muster, TRY_AGAIN, send_some, NULL);
                        return;
                }
}

static void flood(struct muster_request *from) {
        struct muster *muster = muster_request_muster(from);
        uint64_t span = number(from, "ms") * 1000000U;
        struct begin begin = { .warm_ns = span / 4, .part = number(from, "window") / IN_FLIGHT };

        request = from;
        muster_request_suspend(from);
        flow.to = (pid_t) number(from, "to");
        flow.part = begin.part;
        flow.size = size_wanted(from);
        flow.owed = flow.part * IN_FLIGHT;
        flow.under_way = IN_FLIGHT;
        flow.blocked = 0;
        flow.end = now_ns() + span;
        muster_send_to(muster, flow.to, "begin", &begin, sizeof(begin));
        send_some(muster, NULL);
}

static void on_ack(struct muster *muster, struct muster_message *message, void *data) {
        if (now_ns() < flow.end) {
                flow.owed += flow.part;
                send_some(muster, NULL);
        } else if (--flow.under_way == 0)
                muster_send_to(muster, flow.to, "end", NULL, 0);
}

static void on_result(struct muster *muster, struct muster_message *message, void *data) {
        struct result result;

        memcpy(&result, muster_message_data(message, NULL), sizeof(result));
        answer("{\"count\": %" PRIu64 ", \"ns\": %" PRIu64 ", \"total\": %" PRIu64 ", \"blocked\": %" PRIu64
               "}",
               result.count, result.ns, result.total, flow.blocked);
}

/* ---- The receiver's ---- */

static struct { uint64_t part, warm, count, left, first_count, first_at, last_at; } counter;

static void on_begin(struct muster *muster, struct muster_message *message, void *data) {
        struct begin begin;

        memcpy(&begin, muster_message_data(message, NULL), sizeof(begin));
        memset(&counter, 0, sizeof(counter));
        counter.part = counter.left = begin.part;
        counter.warm = now_ns() + begin.warm_ns;
}

static void on_tick(struct muster *muster, struct muster_message *message, void *data) {
        if (--counter.left > 0)
                return;
        counter.left = counter.part;
        counter.count += counter.part;
        counter.last_at = now_ns();
        if (counter.first_at == 0 && counter.last_at >= counter.warm) {
                counter.first_at = counter.last_at;
                counter.first_count = counter.count;
        }
        muster_send_to(muster, muster_message_from(message), "ack", NULL, 0);
}

static void on_end(struct muster *muster, struct muster_message *message, void *data) {
        struct result result = {
                .count = counter.count - counter.first_count,
                .ns = counter.last_at - counter.first_at,
                .total = counter.count,
        };

        muster_send_to(muster, muster_message_from(message), "result", &result, sizeof(result));
}

/* ---- Round trips ---- */

static struct {
        pid_t to;
        size_t size, count, done;
        uint64_t began, spans[COUNT_MAX];
} trips;

static void send_ping(struct muster *muster) {
        trips.began = now_ns();
        muster_send_to(muster, trips.to, "ping", news, trips.size);
}

static void rtt(struct muster_request *from) {
        uint64_t count = number(from, "count");

        request = from;
        muster_request_suspend(from);
        trips.to = (pid_t) number(from, "to");
        trips.size = size_wanted(from);
        trips.count = count < COUNT_MAX ? (size_t) count : COUNT_MAX;
        trips.done = 0;
        send_ping(muster_request_muster(from));
}

static void on_ping(struct muster *muster, struct muster_message *message, void *data) {
        size_t size;
        const void *bytes = muster_message_data(message, &size);

        muster_send_to(muster, muster_message_from(message), "pong", bytes, size);
}

static int compare(const void *first, const void *second) {
        const uint64_t *a = first, *b = second;

        return (*a > *b) - (*a < *b);
}

static void on_pong(struct muster *muster, struct muster_message *message, void *data) {
        uint64_t sum = 0;

        trips.spans[trips.done++] = now_ns() - trips.began;
        if (trips.done < trips.count) {
                send_ping(muster);
                return;
        }
        qsort(trips.spans, trips.count, sizeof(*trips.spans), compare);
        for (size_t i = 0; i < trips.count; i++)
                sum += trips.spans[i];
        answer("{\"median_ns\": %" PRIu64 ", \"mean_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 "}",
               trips.spans[trips.count / 2], sum / trips.count, trips.spans[trips.count * 99 / 100]);
}

/* ---- To everybody ---- */

static struct {
        uint64_t receivers, rounds, acks, began;
        uint32_t batch; /* the news begin with it */
        size_t size;
} rounds;

static void send_round(struct muster *muster) {
        rounds.acks = rounds.receivers;
        for (unsigned int i = 0; i < rounds.batch; i++)
                if (muster_broadcast(muster, "news", news, rounds.size) < 0)
                        on_failure(muster, -ENOBUFS, "news", 0, rounds.batch - i, NULL);
}

static void broadcast(struct muster_request *from) {
        request = from;
        muster_request_suspend(from);
        rounds.receivers = number(from, "receivers");
        rounds.rounds = number(from, "rounds");
        rounds.batch = (uint32_t) number(from, "batch");
        rounds.size = size_wanted(from);
        memcpy(news, &rounds.batch, sizeof(rounds.batch));
        rounds.began = now_ns();
        send_round(muster_request_muster(from));
}

static void on_news(struct muster *muster, struct muster_message *message, void *data) {
        static unsigned int received;
        uint32_t batch;

        memcpy(&batch, muster_message_data(message, NULL), sizeof(batch));
        if (++received % batch == 0)
                muster_send_to(muster, muster_message_from(message), "have it", NULL, 0);
}

static void on_have_it(struct muster *muster, struct muster_message *message, void *data) {
        if (--rounds.acks > 0)
                return;
        if (--rounds.rounds > 0)
                send_round(muster);
        else
                answer("{\"ns\": %" PRIu64 "}", now_ns() - rounds.began);
}

/* ---- What it takes to have it ---- */

static void prepare(struct muster_request *from) {
        memset(news, 'x', size_wanted(from));
        muster_respond_status(from, 204);
}

static void hold(struct muster_request *from) {
        muster_broadcast(muster_request_muster(from), "hold", news, size_wanted(from));
        muster_respond_status(from, 204);
}

static void on_hold(struct muster *muster, struct muster_message *message, void *data) {
        static volatile uint64_t sum;
        size_t size;
        const unsigned char *bytes = muster_message_data(message, &size);

        for (size_t i = 0; i < size; i++)
                sum += bytes[i];
        (void) raise(SIGSTOP);
}

/* ---- The application ---- */

static void pid(struct muster_request *from) {
        muster_respond_text(from, 200, "%d", getpid());
}

static int start(struct muster *muster) {
        static const struct {
                const char *action;
                muster_message_handler_t handler;
        } handlers[] = {
                { "ack", on_ack },   { "result", on_result },   { "begin", on_begin }, { "tick", on_tick },
                { "end", on_end },   { "ping", on_ping },       { "pong", on_pong },   { "news", on_news },
                { "hold", on_hold }, { "have it", on_have_it },
        };
        int r = 0;

        for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers) && r >= 0; i++)
                r = muster_on(muster, handlers[i].action, handlers[i].handler, NULL);
        muster_on_failure(muster, on_failure, NULL);
        return r;
}

static const struct muster_route routes[] = {
        { "GET", "/pid", pid },
        { "GET", "/flood", flood },
        { "GET", "/rtt", rtt },
        { "GET", "/broadcast", broadcast },
        { "GET", "/prepare", prepare },
        { "GET", "/hold", hold },
        {},
};

MUSTER_APPLICATION(.name = "messenger-module", .routes = routes, .worker_start = start,
                   .agent_start = start);
