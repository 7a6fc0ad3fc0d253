/* SPDX-License-Identifier: MIT */

/*
 * The application "source": data that others have and that rarely changes, kept in the memory of each worker and served from
 * there.
 *
 * It is kept up to date in three ways, together or each alone (conf/source.conf says how):
 *   force  every ten minutes all workers fetch it, whatever there is: the safety net
 *   pull   every ten seconds one worker asks whether it has changed, and if so all fetch it
 *   push   the agent listens to a broker, and when that says that it has changed all fetch it
 *
 * A worker is ready before it has the data: the service starts, reloads and replaces a worker while the origin is down.
 * Requests that come before the first fetch is over wait for it, so that a fresh worker among others is not noticed;
 * when it fails, or takes too long, they are answered with the copy on disk, or 503 where there is none. From then on there is always something to serve. It is said
 * to be stale when nobody knows whether the origin still has it, by "Warning: 110" (RFC 7234, 5.5), and Age says how
 * long ago it was known.
 *
 * GET /get?key=KEY the value: a string as text, anything else as JSON
 * GET /status      what this worker has, and how it came by it
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"
#include "update.h"

#define WAITING_MAX 1024U

static struct {
        struct update update;
        bool tried; /* the first request is over */
        struct muster_request *waiting[WAITING_MAX];
        size_t n_waiting;
} source;

/* ---- Requests ---- */

/* Seconds, rounded up: by then the origin has been asked again. */
static void respond_not_loaded(struct muster_request *request) {
        uint64_t next = pace_next(&source.update.pace), now = clock_now();
        uint64_t wait = next != NEVER && next > now ? next - now : 0;
        char seconds[24];

        (void) snprintf(seconds, sizeof(seconds), "%" PRIu64, wait / MUSTER_SEC(1) + 1);
        (void) muster_response_header(request, "Retry-After", seconds);
        (void) muster_respond_text(request, 503, "There is no data yet\n");
}

static void add_age(struct muster_request *request) {
        const struct cache *cache = &source.update.cache;
        uint64_t now = clock_now();
        char seconds[24];

        (void) snprintf(seconds, sizeof(seconds), "%" PRIu64, cache_age(cache, now) / MUSTER_SEC(1));
        (void) muster_response_header(request, "Age", seconds);
        if (cache_is_stale(cache, now))
                (void) muster_response_header(request, "Warning", "110 - \"Response is Stale\"");
}

static void respond_json(struct muster_request *request, const json_t *value, size_t flags) {
        char *text = json_dumps(value, flags);

        if (text)
                (void) muster_respond_json(request, 200, text);
        else
                (void) muster_respond_status(request, 500);
        free(text);
}

static void respond_value(struct muster_request *request) {
        const json_t *value;

        if (!cache_is_loaded(&source.update.cache)) {
                respond_not_loaded(request);
                return;
        }
        value = cache_get(&source.update.cache, muster_request_query(request, "key"));
        add_age(request);
        if (!value)
                (void) muster_respond_text(request, 404, "There is no such key\n");
        else if (json_is_string(value))
                (void) muster_respond_bytes(request, 200, "text/plain; charset=utf-8",
                                            json_string_value(value), json_string_length(value));
        else
                respond_json(request, value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void forget_waiting(const struct muster_request *request) {
        for (size_t i = 0; i < source.n_waiting; i++)
                if (source.waiting[i] == request) {
                        source.waiting[i] = source.waiting[--source.n_waiting];
                        return;
                }
}

static void on_waited(struct muster_request *request) {
        forget_waiting(request);
        respond_value(request);
}

static void get(struct muster_request *request) {
        const char *key = muster_request_query(request, "key");
        uint64_t wait = source.update.settings.first_wait;

        if (!key)
                (void) muster_respond_text(request, 400, "Which one? /get?key=KEY\n");
        else if (source.tried || wait == 0 || source.n_waiting == WAITING_MAX ||
                 muster_request_after(request, wait, on_waited) < 0)
                respond_value(request);
        else
                source.waiting[source.n_waiting++] = request;
}

/* After each request to the origin: those who waited for the first one get what there is now. */
static void on_settled(void *data) {
        source.tried = true;
        while (source.n_waiting > 0)
                respond_value(source.waiting[--source.n_waiting]);
}

static json_t *describe(struct muster *muster) {
        const struct update *update = &source.update;
        const struct cache *cache = &update->cache;
        bool loaded = cache_is_loaded(cache);
        uint64_t now = clock_now();
        json_t *age = loaded ? json_real((double) cache_age(cache, now) / 1e6) : json_null();
        json_t *when = loaded ? json_real((double) cache->changed / 1e6) : json_null();

        return json_pack("{s:s?, s:s?, s:o, s:b, s:s?, s:o, s:I, s:s?, s:I, s:I, s:i, s:i}", "lastUpdateBy",
                         update->updated ? by_name(update->by) : NULL, "version",
                         loaded ? cache->version : NULL, "age", age, "stale",
                         loaded && cache_is_stale(cache, now), "error", cache->doubt, "changedAt", when,
                         "keys", (json_int_t) json_object_size(cache->values), "etag",
                         *update->validator.etag ? update->validator.etag : NULL, "requests",
                         (json_int_t) update->requests, "failures", (json_int_t) update->failures, "pid",
                         (int) getpid(), "worker", muster_worker(muster));
}

static void status(struct muster_request *request) {
        json_t *state = describe(muster_request_muster(request));

        if (state)
                respond_json(request, state, JSON_COMPACT);
        else
                (void) muster_respond_status(request, 500);
        json_decref(state);
}

/* ---- What the data is kept up to date by ---- */

static int force(struct muster *muster, struct muster_job *job) {
        const struct want want = { .by = BY_FORCE, .whole = true };

        return update_want(&source.update, &want, job);
}

static int pull(struct muster *muster, struct muster_job *job) {
        const struct want want = { .by = BY_PULL, .check = true, .tell = true };

        return update_want(&source.update, &want, job);
}

/* The data of a message as a text, which all of these carry: muster ends it with a NUL. */
static const char *text_of(const struct muster_message *message) {
        return muster_message_data(message, NULL);
}

static bool is_own(const struct muster_message *message) {
        return muster_message_from(message) == getpid();
}

static void on_refresh(struct muster *muster, struct muster_message *message, void *data) {
        struct want want = {};

        if (is_own(message)) /* who found that it has changed has it already */
                return;
        if (by_parse(text_of(message), &want.by) < 0) {
                muster_log(LOG_WARNING,
                           "Told to refresh by \"%.32s\", which is none of force, pull, push; ignoring",
                           text_of(message));
                return;
        }
        want.whole = want.by == BY_FORCE;
        (void) update_want(&source.update, &want, NULL);
}

static void on_verify(struct muster *muster, struct muster_message *message, void *data) {
        const struct want want = { .by = BY_PUSH, .check = true };

        (void) update_want(&source.update, &want, NULL);
}

static void on_checked(struct muster *muster, struct muster_message *message, void *data) {
        if (!is_own(message))
                update_hear_version(&source.update, text_of(message));
}

static void on_unreachable(struct muster *muster, struct muster_message *message, void *data) {
        if (!is_own(message))
                update_hear_failure(&source.update, text_of(message));
}

/* ---- */

static int worker_start(struct muster *muster) {
        static const struct {
                const char *action;
                muster_message_handler_t handler;
        } handlers[] = {
                { "refresh", on_refresh },
                { "verify", on_verify },
                { "checked", on_checked },
                { "unreachable", on_unreachable },
        };
        int r;

        for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
                r = muster_on(muster, handlers[i].action, handlers[i].handler, NULL);
                if (r < 0)
                        return muster_fail(muster, r, "Cannot listen for messages: %s", strerror(-r));
        }
        return update_start(&source.update, muster, on_settled, NULL);
}

static void worker_stop(struct muster *muster) {
        update_stop(&source.update);
}

static const struct muster_route routes[] = {
        { "GET", "/get", get },
        { "GET", "/status", status },
        {},
};

static const struct muster_schedule schedules[] = {
        { .name = "force", .handler = force, .interval = "10min", .type = MUSTER_SCHEDULE_ALL },
        { .name = "pull", .handler = pull, .interval = "10s", .type = MUSTER_SCHEDULE_WORKER },
        {},
};

MUSTER_APPLICATION(.name = "source", .version = PACKAGE_VERSION, .routes = routes,
                   .worker_start = worker_start, .worker_stop = worker_stop, .agent_start = agent_start,
                   .agent_ready = agent_ready, .agent_stop = agent_stop, .schedules = schedules);
