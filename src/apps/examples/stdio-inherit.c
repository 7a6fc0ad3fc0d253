/* SPDX-License-Identifier: MIT */

/*
 * The article: "创建进程间通信的三种方式", the second: "进程之间共用stdio", both processes have the same standard streams.
 *
 *     spawn('node', ['worker.js'], { stdio: 'inherit' });
 *
 * The child writes to where the worker's own output goes, under systemd to the journal, and nothing of it passes through
 * the worker. (The article names this way and has no example; the third, events, is fork-compute.c.)
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        muster_respond_text(data, 200, "code: %d", code);
}

static void start(struct muster_request *request) {
        static const char *const argv[] = { "/bin/sh", "-c", "echo I am worker,PID: $$", NULL };
        const struct muster_spawn_options options = {
                .argv = argv,
                .output = { .type = MUSTER_STDIO_INHERIT },
                .errors = { .type = MUSTER_STDIO_INHERIT },
                .on_close = on_close,
                .data = request,
        };
        struct muster_child *child;

        child = muster_spawn(muster_request_muster(request), &options);
        if (!child) {
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
                return;
        }
        muster_log(LOG_INFO, "%d %d", getpid(), muster_child_pid(child));
        muster_request_suspend(request);
}

static const struct muster_route routes[] = {
        { "GET", "/", start },
        {},
};

MUSTER_APPLICATION(.name = "stdio-inherit", .routes = routes);
