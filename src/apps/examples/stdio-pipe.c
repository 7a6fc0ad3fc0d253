/* SPDX-License-Identifier: MIT */

/*
 * The article: "创建进程间通信的三种方式", the first, and "IPC通信", second half: a pipe between the child's output and our own.
 *
 *     const child = spawn('node', ['worker.js']);
 *     child.stdout.pipe(process.stdout);
 *     console.log(process.pid, child.pid);
 *
 * What the child prints comes to on_output, piece by piece, and goes from there to the standard output of the worker:
 * to the journal under systemd.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

static void on_output(struct muster_child *child, const void *bytes, size_t size, void *data) {
        if (size > 0)
                (void) !write(STDOUT_FILENO, bytes, size);
}

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        muster_respond_text(data, 200, "code: %d", code);
}

static void start(struct muster_request *request) {
        static const char *const argv[] = { "/bin/sh", "-c", "echo I am worker,PID: $$", NULL };
        const struct muster_spawn_options options = {
                .argv = argv,
                .on_output = on_output,
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

MUSTER_APPLICATION(.name = "stdio-pipe", .routes = routes);
