/* SPDX-License-Identifier: MIT */

/*
 * What the tests of offloading call: tasks that can be told what to do, and routes that call them.
 *
 *   GET /hello
 *   *   /run?task=T&in=I[&timeout=MS][&errors=1][&where=thread]   the body is the input if there is no `in`
 *   GET /twice?task=T&in=I     two jobs, the answer to the first is the answer
 *   GET /chain                 a job whose handler has another one made
 *   GET /call?task=T&in=I      without a request, from a timer; GET /called says what became of it
 *   GET /forgotten             how many handlers were told -ECANCELED
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

static unsigned int cancelled;

/* ---- Tasks ---- */

static int echo(const void *input, size_t size, struct muster_result *result) {
        return muster_result_set(result, input, size);
}

static int pid(const void *input, size_t size, struct muster_result *result) {
        return muster_result_text(result, "%d", getpid());
}

/* Waits until there is a file of that name; says in another one that it has begun. */
static int wait_for(const void *input, size_t size, struct muster_result *result) {
        char begun[512];
        int fd;

        (void) snprintf(begun, sizeof(begun), "%s.%d", (const char *) input, getpid());
        fd = open(begun, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0)
                (void) close(fd);
        while (access(input, F_OK) < 0)
                (void) usleep(2000);
        (void) unlink(begun);
        return muster_result_text(result, "%d", getpid());
}

static int crash(const void *input, size_t size, struct muster_result *result) {
        (void) raise(atoi(input) ?: SIGSEGV);
        return 0;
}

static int fail(const void *input, size_t size, struct muster_result *result) {
        return atoi(input);
}

/* So many bytes, of which the last tells that they are all there. */
static int fill(const void *input, size_t size, struct muster_result *result) {
        size_t n = strtoull(input, NULL, 10);
        char *bytes = muster_result_buffer(result, n + 100);

        if (!bytes)
                return -errno;
        memset(bytes, 'x', n);
        if (n > 0)
                bytes[n - 1] = '!';
        muster_result_trim(result, n);
        return 0;
}

static int prepared(const void *input, size_t size, struct muster_result *result) {
        const char *data = muster_data(muster_result_muster(result));

        return muster_result_text(result, "%s", data ? data : "nothing");
}

static int spawn(const void *input, size_t size, struct muster_result *result) {
        pid_t child = fork();

        if (child == 0)
                _exit(0);
        return child < 0 ? -errno : 0;
}

static int leave(const void *input, size_t size, struct muster_result *result) {
        _exit(7);
}

/* ---- Routes ---- */

static void answer(struct muster_request *request, int error, const void *output, size_t size, void *data) {
        if (error == -ECANCELED)
                cancelled++;
        if (!request)
                return;
        if (error < 0)
                muster_respond_text(request, 418, "error: %s", strerrorname_np(-error));
        else if (error > 0)
                muster_respond_text(request, 200, "returned: %d", error);
        else
                muster_respond_bytes(request, 200, "text/plain", output, size);
}

static uint64_t number(struct muster_request *request, const char *name) {
        const char *text = muster_request_query(request, name);

        return text ? strtoull(text, NULL, 10) : 0;
}

static int start(struct muster_request *request, void *data) {
        const char *task = muster_request_query(request, "task"), *in = muster_request_query(request, "in");
        const struct muster_offload_options options = {
                .timeout = MUSTER_MSEC(number(request, "timeout")),
                .errors = number(request, "errors") > 0,
        };
        const void *input = in;
        size_t size = in ? strlen(in) : 0;

        if (!in)
                input = muster_request_body(request, &size);
        if (muster_request_query(request, "where"))
                return muster_offload_thread(request, task, input, size, &options, answer, data);
        return muster_offload(request, task, input, size, &options, answer, data);
}

static void refuse(struct muster_request *request, int r) {
        if (r < 0)
                muster_respond_text(request, 400, "refused: %s", strerrorname_np(-r));
}

static void run(struct muster_request *request) {
        refuse(request, start(request, NULL));
}

static void twice(struct muster_request *request) {
        int r = start(request, NULL);

        refuse(request, r < 0 ? r : start(request, NULL));
}

static void again(struct muster_request *request, int error, const void *output, size_t size, void *data) {
        char input[64];

        (void) snprintf(input, sizeof(input), "%s, twice", (const char *) output);
        refuse(request, muster_offload(request, "echo", input, strlen(input), NULL, answer, NULL));
}

static void chain(struct muster_request *request) {
        refuse(request, muster_offload(request, "echo", "once", 4, NULL, again, NULL));
}

static void faulty(struct muster_request *request, int error, const void *output, size_t size, void *data) {
        (void) raise(SIGSEGV);
}

static void fault(struct muster_request *request) {
        refuse(request, muster_offload(request, "echo", "x", 1, NULL, faulty, NULL));
}

static char called[256];

static void on_called(struct muster *muster, int error, const void *output, size_t size, void *data) {
        (void) snprintf(called, sizeof(called), "%s %s", error < 0 ? strerrorname_np(-error) : "0",
                        (const char *) output);
}

static void on_timer(struct muster *muster, void *data) {
        int r = muster_offload_call(muster, "echo", "from a timer", 12, NULL, on_called, NULL);

        if (r < 0)
                (void) snprintf(called, sizeof(called), "refused %s", strerrorname_np(-r));
}

static void call(struct muster_request *request) {
        called[0] = '\0';
        (void) muster_timer_after(muster_request_muster(request), 1, on_timer, NULL);
        muster_respond_status(request, 202);
}

static void say_called(struct muster_request *request) {
        muster_respond_text(request, 200, "%s", called);
}

static void forgotten(struct muster_request *request) {
        muster_respond_text(request, 200, "%u", cancelled);
}

static void hello(struct muster_request *request) {
        muster_respond_text(request, 200, "%d", getpid());
}

/* ---- The module ---- */

static int compute_start(struct muster *muster) {
        static char text[] = "prepared";
        const char *key = muster_config(muster, "compute_start");

        if (key && strcmp(key, "fail") == 0)
                return muster_fail(muster, -EINVAL, "[app] compute_start = fail, so it does");
        if (key && strcmp(key, "crash") == 0)
                (void) raise(SIGSEGV);
        if (muster_role(muster) != MUSTER_ROLE_COMPUTE)
                return -EBADE;
        muster_set_data(muster, text);
        return 0;
}

static void compute_stop(struct muster *muster) {
        const char *key = muster_config(muster, "compute_stop");

        muster_log(LOG_INFO, "compute_stop was called");
        if (key && strcmp(key, "crash") == 0)
                (void) raise(SIGSEGV);
}

static void on_early(struct muster *muster, int error, const void *output, size_t size, void *data) {
        muster_log(LOG_INFO, "The agent's job: %s",
                   error < 0 ? strerrorname_np(-error) : (const char *) output);
}

static int agent_start(struct muster *muster) {
        if (!muster_config(muster, "early"))
                return 0;
        return muster_offload_call(muster, "pid", NULL, 0, NULL, on_early, NULL);
}

static const struct muster_route routes[] = {
        { "GET", "/", hello },
        { "GET", "/pid", hello },
        { "*", "/run", run },
        { "GET", "/run/{what}", run },
        { "GET", "/twice", twice },
        { "GET", "/chain", chain },
        { "GET", "/fault", fault },
        { "GET", "/call", call },
        { "GET", "/called", say_called },
        { "GET", "/forgotten", forgotten },
        {},
};

static const struct muster_task tasks[] = {
        { "echo", echo },         { "pid", pid },
        { "wait", wait_for },     { "crash", crash },
        { "fail", fail },         { "fill", fill },
        { "prepared", prepared }, { "spawn", spawn },
        { "leave", leave },       {},
};

MUSTER_APPLICATION(.name = "jobs", .routes = routes, .tasks = tasks, .agent_start = agent_start,
                   .compute_start = compute_start, .compute_stop = compute_stop);
