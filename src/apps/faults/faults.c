/* SPDX-License-Identifier: MIT */

/*
 * An application that fails on request, for trying what muster promises. NOT FOR PRODUCTION.
 *
 * The integration tests are its first users. So besides the faults there is what makes their effect visible:
 * slow answers that are under way while a neighbour crashes, answers that say who gave them, bodies and
 * headers sent back as they were understood. How the process fails stands in cause.c; start and background
 * faults, which no request can ask for, come from [app] in the configuration (conf/faults.conf lists them).
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/app.h>

#include "attempt.h"
#include "cause.h"

/* Long enough for every test, short enough that a forgotten request ends. */
#define SPAN_MAX_MSEC UINT64_C(3600000)
#define LEAK_MAX_MB   UINT64_C(65536)
#define MEGABYTE      ((size_t) 1024 * 1024)

/* ---------------------------------------------------------------------------------------------------------
 * What requests bring along
 */

/* A number from the query; answers 400 itself and returns false for what is none. */
static bool query_number(struct muster_request *request, const char *name, uint64_t max, uint64_t fallback,
                         uint64_t *ret) {
        const char *text = muster_request_query(request, name);
        char *end;

        *ret = fallback;
        if (!text)
                return true;

        errno = 0;
        *ret = strtoull(text, &end, 10);
        if (errno == 0 && *text >= '0' && *text <= '9' && !*end && *ret <= max)
                return true;
        muster_respond_text(request, 400, "%s=%s: not a number from 0 to %llu\n", name, text,
                            (unsigned long long) max);
        return false;
}

/* The fault a request asks for; answers 400 itself and returns NULL for one there is not. */
static const struct cause *query_cause(struct muster_request *request) {
        const char *name = muster_request_query(request, "signal");
        const struct cause *cause = cause_find(name ? name : "SEGV");

        if (!cause)
                muster_respond_text(request, 400, "signal=%s: not known, allowed are %s\n", name,
                                    cause_names());
        return cause;
}

/* ---------------------------------------------------------------------------------------------------------
 * Requests that are answered
 */

static void respond_hello(struct muster_request *request) {
        static const char text[] = "hello world";

        muster_respond_static(request, 200, "text/plain", text, sizeof(text) - 1);
}

static void respond_pid(struct muster_request *request) {
        muster_respond_text(request, 200, "%d", getpid());
}

static void respond_slow(struct muster_request *request) {
        uint64_t msec;

        if (query_number(request, "ms", SPAN_MAX_MSEC, 200, &msec))
                (void) muster_request_after(request, MUSTER_MSEC(msec), respond_pid);
}

static uint64_t now_msec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static void respond_compute(struct muster_request *request) {
        uint64_t msec, end;

        if (!query_number(request, "ms", SPAN_MAX_MSEC, 1000, &msec))
                return;
        end = now_msec() + msec;
        while (now_msec() < end)
                ;
        respond_pid(request);
}

static void respond_echo(struct muster_request *request) {
        size_t size;
        const void *body = muster_request_body(request, &size);

        muster_respond_bytes(request, 200, muster_request_header(request, "Content-Type"), body, size);
}

static bool print_field(void *data, const char *name, const char *value) {
        return fprintf(data, "%s: %s\n", name, value) >= 0;
}

/* The request as the worker understood it: target, path, parameters, peer, header. */
static void respond_headers(struct muster_request *request) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream) {
                muster_respond_status(request, 500);
                return;
        }
        fprintf(stream, "%s %s\n", muster_request_method(request), muster_request_target(request));
        fprintf(stream, "path=%s\npeer=%s\n", muster_request_path(request), muster_request_peer(request));
        muster_request_each_header(request, print_field, stream);
        fputs("\n", stream);
        muster_request_each_query(request, print_field, stream);
        if (fclose(stream) == 0)
                muster_respond_text(request, 200, "%s", text);
        else
                muster_respond_status(request, 500);
        free(text);
}

static void respond_item(struct muster_request *request) {
        muster_respond_text(request, 200, "item %s", muster_request_param(request, "id"));
}

static void respond_file(struct muster_request *request) {
        const char *directory = muster_config(muster_request_muster(request), "files");
        int r = -ENOENT;

        if (directory)
                r = muster_respond_file_below(request, directory, muster_request_param(request, "path"),
                                              NULL);
        if (r < 0 && r != -EALREADY)
                muster_respond_status(request, r == -EACCES || r == -EXDEV ? 403 : 404);
}

static void respond_status(struct muster_request *request) {
        uint64_t code;

        if (query_number(request, "code", 599, 200, &code) &&
            muster_respond_status(request, (unsigned int) code) == -EINVAL)
                muster_respond_status(request, 400);
}

static void respond_log(struct muster_request *request) {
        const char *text = muster_request_query(request, "text");
        const char *const fields[] = { "FAULTS_ASKED=yes", "faults_refused=yes", NULL };

        muster_log_fields(LOG_NOTICE, fields, "Asked to say: %s", text ? text : "nothing");
        respond_hello(request);
}

/* ---------------------------------------------------------------------------------------------------------
 * Requests that are not
 */

static void respond_survived(struct muster_request *request, const struct cause *cause) {
        muster_respond_text(request, 200, "%s did no harm\n", cause->name);
}

/* The second half of /crash?ms=: the fault is in a callback, but one that belongs to the request. */
static void crash_later(struct muster_request *request) {
        const struct cause *cause = muster_request_data(request);

        cause_now(cause);
        respond_survived(request, cause);
}

static void crash(struct muster_request *request) {
        const struct cause *cause = query_cause(request);
        uint64_t msec;

        if (!cause || !query_number(request, "ms", SPAN_MAX_MSEC, 0, &msec))
                return;
        muster_request_set_data(request, (void *) cause);
        if (msec > 0)
                (void) muster_request_after(request, MUSTER_MSEC(msec), crash_later);
        else
                crash_later(request);
}

static void crash_in_timer(struct muster *muster, void *data) {
        cause_now(data);
}

/* A fault that is nobody's: the request is answered long before. */
static void crash_timer(struct muster_request *request) {
        const struct cause *cause = query_cause(request);
        uint64_t msec;

        if (!cause || !query_number(request, "ms", SPAN_MAX_MSEC, 1, &msec))
                return;
        if (muster_timer_after(muster_request_muster(request), MUSTER_MSEC(msec), crash_in_timer,
                               (void *) cause))
                muster_respond_text(request, 200, "%d", getpid());
        else
                muster_respond_status(request, 500);
}

static void *crash_on_thread(void *data) {
        cause_now(data);
        return NULL;
}

static void crash_thread(struct muster_request *request) {
        const struct cause *cause = query_cause(request);
        pthread_t thread;

        if (!cause)
                return;
        if (pthread_create(&thread, NULL, crash_on_thread, (void *) cause) != 0) {
                muster_respond_status(request, 500);
                return;
        }
        /* Waiting makes the outcome certain: this request is still being served when the fault comes. */
        (void) pthread_join(thread, NULL);
        respond_survived(request, cause);
}

#define NORETURN __attribute__((__noreturn__)) static

NORETURN void hang(void) {
        muster_log(LOG_NOTICE, "Hangs as asked");
        for (;;)
                (void) pause();
}

NORETURN void hang_in_handler(struct muster_request *request) {
        hang();
}

static void stuck(struct muster_request *request) {
        (void) muster_request_suspend(request);
}

static void forget(struct muster_request *request) {
        /* Neither answered nor suspended, which is a mistake that muster has to find. */
}

/* Whether something is allowed: answers 0, or the name of the error. */
static void respond_attempt(struct muster_request *request) {
        const struct attempt *attempt = attempt_find(muster_request_query(request, "what"));
        int r;

        if (!attempt) {
                muster_respond_status(request, 400);
                return;
        }
        r = attempt_now(attempt, muster_request_query(request, "path"));
        muster_respond_text(request, 200, "%s", r < 0 ? strerrorname_np(-r) : "0");
}

/* A process of the application's own, which nobody but muster will end. */
static void spawn(struct muster_request *request) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) setsid();
                (void) execlp("sleep", "faults-child", "infinity", (char *) NULL);
                _exit(127);
        }
        muster_respond_text(request, pid > 0 ? 200 : 500, "%d", pid);
}

/* One that muster knows of, and that outlives this worker. */
static void detach(struct muster_request *request) {
        static const char *const arguments[] = { "faults-child", "infinity", NULL };
        const struct muster_spawn_options options = { .file = "sleep", .argv = arguments, .detached = true };
        struct muster_child *child = muster_spawn(muster_request_muster(request), &options);

        if (child)
                muster_respond_text(request, 200, "%d", muster_child_pid(child));
        else
                muster_respond_text(request, 500, "%s", strerrorname_np(errno));
}

static void on_shell(struct muster_child *child, int error, const struct muster_exec_result *result,
                     void *data) {
        muster_respond_text(data, error < 0 || result->code != 0 ? 500 : 200, "%s%s", result->output,
                            result->errors);
}

/* What a program of the shell sees of the world. */
static void shell(struct muster_request *request) {
        if (muster_exec(muster_request_muster(request), "id -u; pwd; env; cat /proc/self/cgroup", NULL,
                        on_shell, request))
                muster_request_suspend(request);
        else
                muster_respond_text(request, 500, "%s", strerrorname_np(errno));
}

static void exit_in_handler(struct muster_request *request) {
        uint64_t code;

        if (query_number(request, "code", 255, 0, &code))
                exit((int) code);
}

/* Every block knows the one before, so that a leak checker, which is after other leaks, sees no leak here.
 */
static void *leaked;

static void leak(struct muster_request *request) {
        uint64_t mb, i;

        if (!query_number(request, "mb", LEAK_MAX_MB, 1, &mb))
                return;
        for (i = 0; i < mb; i++) {
                void *block = malloc(MEGABYTE);

                if (!block)
                        break;
                memset(block, 1, MEGABYTE);
                memcpy(block, &leaked, sizeof(leaked));
                leaked = block;
        }
        muster_respond_text(request, 200, "%llu MB kept\n", (unsigned long long) i);
}

/* ---------------------------------------------------------------------------------------------------------
 * Start and background
 */

/* Does what the key says in place of starting; 0 where it is not set. */
static int start_as_told(struct muster *muster, const char *key) {
        const char *mode = muster_config(muster, key);

        if (!mode)
                return 0;
        if (strcmp(mode, "fail") == 0)
                return muster_fail(muster, -ENOENT, "[app] %s = fail, so it does", key);
        if (strcmp(mode, "crash") == 0)
                cause_now(cause_find("SEGV"));
        if (strcmp(mode, "hang") == 0)
                hang();
        if (strcmp(mode, "exit") == 0)
                exit(7);
        return muster_fail(muster, -EINVAL, "[app] %s = %s: allowed are fail, crash, hang, exit", key, mode);
}

/* Says in the log how it went. */
static int start_attempt(struct muster *muster, const char *key) {
        const char *name = muster_config(muster, key);
        const struct attempt *attempt = attempt_find(name);
        int r;

        if (!name)
                return 0;
        if (!attempt)
                return muster_fail(muster, -EINVAL, "[app] %s = %s: there is no such attempt", key, name);
        r = attempt_now(attempt, NULL);
        muster_log(LOG_NOTICE, "Tried %s: %s", name, r < 0 ? strerrorname_np(-r) : "0");
        return 0;
}

static int start_delayed(struct muster *muster, const char *key) {
        struct timespec span;
        uint64_t usec;
        int r;

        r = muster_config_duration(muster, key, 0, &usec);
        if (r < 0)
                return r;
        span = (struct timespec){
                .tv_sec = (time_t) (usec / MUSTER_SEC(1)),
                .tv_nsec = (long) (usec % MUSTER_SEC(1)) * 1000,
        };
        (void) nanosleep(&span, NULL);
        return 0;
}

static int worker_start(struct muster *muster) {
        uint64_t only, number = (uint64_t) muster_worker(muster);
        int r;

        r = start_delayed(muster, "start_delay");
        if (r < 0)
                return r;
        r = muster_config_number(muster, "start_only", 0, UINT64_MAX, number, &only);
        if (r < 0)
                return r;
        return only == number ? start_as_told(muster, "start") : 0;
}

static void worker_ready(struct muster *muster) {
        muster_log(LOG_INFO, "Worker %d of faults knows that all are ready", muster_worker(muster));
}

static void worker_stop(struct muster *muster) {
        muster_log(LOG_INFO, "Worker %d of faults ends in good order", muster_worker(muster));
}

/* Starts the timer that faults, if the key is set. */
static int agent_arm(struct muster *muster, const struct cause *cause, const char *key,
                     struct muster_timer *(*start)(struct muster *muster, uint64_t usec,
                                                   muster_timer_handler_t handler, void *data)) {
        uint64_t usec;
        int r;

        r = muster_config_duration(muster, key, 0, &usec);
        if (r < 0 || usec == 0)
                return r;
        if (!start(muster, usec, crash_in_timer, (void *) cause))
                return muster_fail(muster, -errno, "[app] %s: no timer", key);
        return 0;
}

static int agent_start(struct muster *muster) {
        const char *name = muster_config(muster, "agent_signal");
        const struct cause *cause = cause_find(name ? name : "SEGV");
        int r;

        if (!cause)
                return muster_fail(muster, -EINVAL, "[app] agent_signal = %s: allowed are %s", name,
                                   cause_names());
        r = start_delayed(muster, "agent_start_delay");
        if (r < 0)
                return r;
        r = start_attempt(muster, "agent_try");
        if (r < 0)
                return r;
        r = start_as_told(muster, "agent_start");
        if (r < 0)
                return r;
        r = agent_arm(muster, cause, "agent_crash_after", muster_timer_after);
        if (r < 0)
                return r;
        return agent_arm(muster, cause, "agent_crash_every", muster_timer_every);
}

static void agent_ready(struct muster *muster) {
        muster_log(LOG_INFO, "Agent of faults knows that all are ready");
}

static void agent_stop(struct muster *muster) {
        muster_log(LOG_INFO, "Agent of faults ends in good order");
}

static const struct muster_route routes[] = {
        { "GET", "/", respond_hello },
        { "GET", "/pid", respond_pid },
        { "GET", "/slow", respond_slow },
        { "GET", "/compute", respond_compute },
        { "POST", "/echo", respond_echo },
        { "PUT", "/echo", respond_echo },
        { "GET", "/headers", respond_headers },
        { "GET", "/items/{id}", respond_item },
        { "GET", "/items/{id}/crash", crash },
        { "GET", "/files/{path...}", respond_file },
        { "GET", "/status", respond_status },
        { "GET", "/log", respond_log },
        { "GET", "/crash", crash },
        { "POST", "/crash", crash },
        { "GET", "/crash-timer", crash_timer },
        { "GET", "/thread-crash", crash_thread },
        { "GET", "/hang", hang_in_handler },
        { "GET", "/stuck", stuck },
        { "GET", "/forget", forget },
        { "GET", "/exit", exit_in_handler },
        { "GET", "/leak", leak },
        { "GET", "/spawn", spawn },
        { "GET", "/detach", detach },
        { "GET", "/shell", shell },
        { "GET", "/try", respond_attempt },
        {},
};

MUSTER_APPLICATION(.name = "faults", .routes = routes, .worker_start = worker_start,
                   .worker_ready = worker_ready, .worker_stop = worker_stop, .agent_start = agent_start,
                   .agent_ready = agent_ready, .agent_stop = agent_stop);
