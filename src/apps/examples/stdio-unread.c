/* SPDX-License-Identifier: MIT */

/*
 * The article: "IPC通信", first half: what a child prints is not to be seen.
 *
 *     // master.js                                      // worker.js
 *     const child = spawn('node', ['worker.js']);       console.log('I am worker,PID:', process.id);   // 不会被打印
 *     console.log(process.pid, child.pid);
 *
 * A child has standard streams of its own. Here its output is a pipe that nobody reads. stdio-pipe.c is the other half, and
 * stdio-inherit.c the way between. The article's process.id is undefined; `pid` is meant.
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
                .output = { .type = MUSTER_STDIO_PIPE },
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

MUSTER_APPLICATION(.name = "stdio-unread", .routes = routes);
