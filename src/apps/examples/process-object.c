/* SPDX-License-Identifier: MIT */

/*
 * The article: "NodeJs的线程和进程", the list of what Node's global `process` offers. Each has its call in C:
 *
 *     process.env                  getenv()
 *     process.nextTick             muster_timer_after(muster, 0, …): after this callback, before time has passed
 *     process.pid, process.ppid    getpid(), getppid(): the parent of every process is the master
 *     process.cwd()                getcwd()
 *     process.platform             uname()
 *     process.uptime()             the clock, less what it was at the start
 *     'uncaughtException'          nothing: muster does what should be done there, see worker-crash.c
 *     'exit'                       worker_stop, agent_stop
 *     process.stdin/stdout/stderr  STDIN_FILENO … : /dev/null, and the journal under systemd
 */

#include <string.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <muster/app.h>

static struct timespec started;

static double uptime(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) (now.tv_sec - started.tv_sec) + (double) (now.tv_nsec - started.tv_nsec) / 1e9;
}

static void describe(struct muster_request *request) {
        struct utsname system = {};
        char directory[4096];

        (void) uname(&system);
        muster_respond_text(request, 200,
                            "env.PATH: %s\npid: %d\nppid: %d\ncwd: %s\nplatform: %s\nuptime: %.3f\n",
                            getenv("PATH") ?: "", getpid(), getppid(),
                            getcwd(directory, sizeof(directory)) ?: "?", system.sysname, uptime());
}

static void next_tick(struct muster *muster, void *data) {
        muster_log(LOG_INFO, "nextTick");
}

/* The order in which the log has them is that of Node: the function goes on, and then comes the tick. */
static void tick(struct muster_request *request) {
        (void) muster_timer_after(muster_request_muster(request), 0, next_tick, NULL);
        muster_log(LOG_INFO, "before nextTick");
        muster_respond_text(request, 200, "ok");
}

static void streams(struct muster_request *request) {
        static const char to_output[] = "to stdout\n", to_errors[] = "to stderr\n";

        (void) !write(STDOUT_FILENO, to_output, strlen(to_output));
        (void) !write(STDERR_FILENO, to_errors, strlen(to_errors));
        muster_respond_text(request, 200, "ok");
}

static int start(struct muster *muster) {
        (void) clock_gettime(CLOCK_MONOTONIC, &started);
        return 0;
}

static void stop(struct muster *muster) {
        muster_log(LOG_INFO, "exit of worker %d", muster_worker(muster));
}

static const struct muster_route routes[] = {
        { "GET", "/", describe },
        { "GET", "/nextTick", tick },
        { "GET", "/streams", streams },
        {},
};

MUSTER_APPLICATION(.name = "process-object", .routes = routes, .worker_start = start, .worker_stop = stop);
