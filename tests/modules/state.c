/* SPDX-License-Identifier: MIT */

/*
 * Counters and the store, as the tests want to use them: every process counts its start, /add adds 1 as often as
 * it is told, and faults after as many as `crash` says; /store/… does with the store what its name says.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

static uint64_t number(struct muster_request *request, const char *name, uint64_t fallback) {
        const char *text = muster_request_query(request, name);

        return text ? strtoull(text, NULL, 10) : fallback;
}

static struct muster_counter *counter(struct muster_request *request) {
        return muster_counter(muster_request_muster(request),
                              muster_request_query(request, "name") ?: "hits");
}

static void pid(struct muster_request *request) {
        muster_respond_text(request, 200, "%d", getpid());
}

static void add(struct muster_request *request) {
        uint64_t times = number(request, "times", 1), n = number(request, "n", 1);
        uint64_t crash = number(request, "crash", UINT64_MAX);
        struct muster_counter *hits = counter(request);

        if (!hits) {
                muster_respond_text(request, 409, "%s", strerrorname_np(errno));
                return;
        }
        for (uint64_t i = 0; i < times; i++) {
                if (i == crash)
                        abort();
                muster_counter_add(hits, n);
        }
        muster_respond_text(request, 200, "%d", getpid());
}

static void get(struct muster_request *request) {
        muster_respond_text(request, 200, "%" PRIu64, muster_counter_get(counter(request)));
}

/* A value says that it is destroyed by counting. */
struct value {
        struct muster_counter *destroyed;
        char text[];
};

static void destroy(void *data) {
        struct value *value = data;

        muster_counter_add(value->destroyed, 1);
        if (strcmp(value->text, "fault") == 0)
                abort();
        free(value);
}

static void store_set(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        const char *text = muster_request_query(request, "value") ?: "";
        size_t size = strlen(text) + 1;
        struct value *value;

        value = malloc(sizeof(*value) + size);
        if (!value)
                abort();
        value->destroyed = muster_counter(muster, "destroyed");
        memcpy(value->text, text, size);
        muster_store_set(muster, muster_request_param(request, "key"), value, destroy);
        muster_respond_text(request, 200, "%zu", muster_store_count(muster));
}

static void store_get(struct muster_request *request) {
        const struct value *value =
                muster_store_get(muster_request_muster(request), muster_request_param(request, "key"));

        muster_respond_text(request, value ? 200 : 404, "%s", value ? value->text : "");
}

static int start(struct muster *muster) {
        muster_counter_add(muster_counter(muster, "starts"), 1);
        return 0;
}

static int agent_start(struct muster *muster) {
        muster_counter_add(muster_counter(muster, "agent-starts"), 1);
        return start(muster);
}

/* ---- In a process of its own ---- */

static int add_in_child(struct muster *muster, int argc, char **argv) {
        struct muster_counter *hits = muster_counter(muster, "hits");

        for (uint64_t i = strtoull(argv[1], NULL, 10); i > 0; i--)
                muster_counter_add(hits, 1);
        if (argc > 2)
                abort();
        return muster_counter_get(hits) == strtoull(argv[1], NULL, 10) ? 0 : 1;
}

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        struct muster_counter *hits = muster_counter(muster_child_muster(child), "hits");

        muster_respond_text(data, 200, "%d %d %" PRIu64, code, signal, muster_counter_get(hits));
}

static void add_by_fork(struct muster_request *request) {
        const char *const arguments[] = { muster_request_query(request, "times"),
                                          muster_request_query(request, "crash"), NULL };
        const struct muster_spawn_options options = { .on_close = on_close, .data = request };

        if (!muster_fork(muster_request_muster(request), "add", arguments, &options))
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
        else
                muster_request_suspend(request);
}

static int add_in_compute(const void *input, size_t size, struct muster_result *result) {
        struct muster_counter *computed = muster_counter(muster_result_muster(result), "computed");

        muster_counter_add(computed, 1);
        return muster_result_text(result, "%d", getpid());
}

static void on_computed(struct muster_request *request, int error, const void *output, size_t size,
                        void *data) {
        muster_respond_bytes(request, 200, "text/plain", output, size);
}

static void add_by_offload(struct muster_request *request) {
        int r = muster_offload(request, "add", NULL, 0, NULL, on_computed, NULL);

        if (r < 0)
                muster_respond_text(request, 503, "%s", strerrorname_np(-r));
}

static const struct muster_task tasks[] = {
        { "add", add_in_compute },
        {},
};

static const struct muster_fork forks[] = {
        { "add", add_in_child },
        {},
};

static const struct muster_route routes[] = {
        { "GET", "/pid", pid },
        { "GET", "/add", add },
        { "GET", "/get", get },
        { "GET", "/fork", add_by_fork },
        { "GET", "/offload", add_by_offload },
        { "GET", "/store/set/{key}", store_set },
        { "GET", "/store/get/{key}", store_get },
        {},
};

MUSTER_APPLICATION(.name = "state", .routes = routes, .forks = forks, .tasks = tasks, .worker_start = start,
                   .agent_start = agent_start);
