/* SPDX-License-Identifier: MIT */

/*
 * An application for tests that do harm to the messages of others: the agent sends numbered messages to all workers, a few
 * hundred a second, and each worker notes whether one is missing or comes out of its turn.
 *
 * GET /seen: what it has noted: how many, missing, out of turn; and how many messages of its own were not delivered, the
 * last of them for which reason.
 * GET /burst?count=N&size=N: that many broadcasts of this size.
 * GET /tell?to=TARGET&action=ACTION&text=TEXT[&handle=1]: a message to "app", "agent", "all", "random" or a pid, with a
 * descriptor if that is wanted. All processes log what they hear of the action `say`.
 * GET / and GET /slow?ms=N for the steady load, GET /pid.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

#define PAUSE         MUSTER_MSEC(5)
#define IN_A_ROW      2U
#define SIZE_MAX_HERE (1U << 20)

static char bytes[SIZE_MAX_HERE];
static struct {
        uint64_t next, count, missing, disordered, bursts;
        uint64_t undelivered;
        int error;
} seen;

static uint64_t number(struct muster_request *request, const char *name) {
        const char *text = muster_request_query(request, name);

        return text ? strtoull(text, NULL, 10) : 0;
}

/* ---- All of them ---- */

static void on_say(struct muster *muster, struct muster_message *message, void *data) {
        static const char *const roles[] = {
                [MUSTER_ROLE_WORKER] = "worker",
                [MUSTER_ROLE_AGENT] = "agent",
                [MUSTER_ROLE_MASTER] = "operator",
        };
        size_t size;
        const char *text = muster_message_data(message, &size);

        muster_log(LOG_NOTICE, "%d heard %zu bytes of %s %d: %s", getpid(), size,
                   roles[muster_message_from_role(message)], muster_message_from(message), text);
}

/* ---- The agent ---- */

static void send_some(struct muster *muster, void *data) {
        static uint64_t next = 1;

        for (unsigned int i = 0; i < IN_A_ROW; i++)
                if (muster_send_to_app(muster, "count", &next, sizeof(next)) >= 0)
                        next++;
}

static int agent_start(struct muster *muster) {
        int r = muster_on(muster, "say", on_say, NULL);

        if (r < 0)
                return r;
        return muster_timer_every(muster, PAUSE, send_some, NULL) ? 0 : -errno;
}

/* ---- Workers ---- */

/* One that was started later begins with what it gets first. */
static void on_count(struct muster *muster, struct muster_message *message, void *data) {
        uint64_t n;

        memcpy(&n, muster_message_data(message, NULL), sizeof(n));
        seen.count++;
        if (seen.next > 0 && n > seen.next)
                seen.missing += n - seen.next;
        if (n < seen.next)
                seen.disordered++;
        seen.next = n + 1;
}

static void on_burst(struct muster *muster, struct muster_message *message, void *data) {
        seen.bursts++;
}

static void on_failure(struct muster *muster, int error, const char *action, pid_t pid, unsigned int count,
                       void *data) {
        seen.undelivered += count;
        seen.error = error;
}

static void respond_seen(struct muster_request *request) {
        muster_respond_text(request, 200, "%llu %llu %llu %llu %llu %s", (unsigned long long) seen.count,
                            (unsigned long long) seen.missing, (unsigned long long) seen.disordered,
                            (unsigned long long) seen.bursts, (unsigned long long) seen.undelivered,
                            seen.error < 0 ? strerrorname_np(-seen.error) : "-");
}

static void burst(struct muster_request *request) {
        uint64_t count = number(request, "count"), size = number(request, "size"), sent = 0;

        while (sent < count && muster_broadcast(muster_request_muster(request), "burst", bytes,
                                                size < sizeof(bytes) ? (size_t) size : sizeof(bytes)) >= 0)
                sent++;
        muster_respond_text(request, 200, "%llu", (unsigned long long) sent);
}

static int tell_pid(struct muster_request *request, pid_t pid, const char *action, const char *text) {
        struct muster *muster = muster_request_muster(request);

        if (muster_request_query(request, "handle"))
                return muster_send_handle(muster, pid, action, STDERR_FILENO, text, strlen(text));
        return muster_send_to(muster, pid, action, text, strlen(text));
}

static void tell(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        const char *to = muster_request_query(request, "to"),
                   *action = muster_request_query(request, "action"),
                   *text = muster_request_query(request, "text");
        int r;

        if (strcmp(to, "app") == 0)
                r = muster_send_to_app(muster, action, text, strlen(text));
        else if (strcmp(to, "agent") == 0)
                r = muster_send_to_agent(muster, action, text, strlen(text));
        else if (strcmp(to, "all") == 0)
                r = muster_broadcast(muster, action, text, strlen(text));
        else if (strcmp(to, "random") == 0)
                r = muster_send_random(muster, action, text, strlen(text));
        else
                r = tell_pid(request, (pid_t) number(request, "to"), action, text);
        muster_respond_text(request, r < 0 ? 500 : 200, "%s", r < 0 ? strerrorname_np(-r) : "sent");
}

static void respond_plain(struct muster_request *request) {
        muster_respond_text(request, 200, "hello");
}

static void respond_slow(struct muster_request *request) {
        (void) muster_request_after(request, MUSTER_MSEC(number(request, "ms")), respond_plain);
}

static void respond_pid(struct muster_request *request) {
        muster_respond_text(request, 200, "%d", getpid());
}

static int worker_start(struct muster *muster) {
        int r;

        muster_on_failure(muster, on_failure, NULL);
        r = muster_on(muster, "burst", on_burst, NULL);
        r = r < 0 ? r : muster_on(muster, "say", on_say, NULL);
        return r < 0 ? r : muster_on(muster, "count", on_count, NULL);
}

static const struct muster_route routes[] = {
        { "GET", "/", respond_plain },
        { "GET", "/slow", respond_slow },
        { "GET", "/pid", respond_pid },
        { "GET", "/seen", respond_seen },
        { "GET", "/burst", burst },
        { "GET", "/tell", tell },
        {},
};

MUSTER_APPLICATION(.name = "witness", .routes = routes, .worker_start = worker_start,
                   .agent_start = agent_start);
