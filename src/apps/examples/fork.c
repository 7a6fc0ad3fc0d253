/* SPDX-License-Identifier: MIT */

/*
 * The article: "方式四:fork", another process of the same kind.
 *
 *     // fork 一个新的进程
 *     fork('./worker.js');
 *
 * Where Node starts a file, muster starts a function, by its name in the table `forks` of the application. The process is
 * fresh, like Node's: nothing of the parent's memory is in it, and the two talk by messages only (fork-compute.c).
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

/* ---- worker.js ---- */

static int worker(struct muster *muster, int argc, char **argv) {
        muster_log(LOG_INFO, "%s, pid: %d, ppid: %d, %s", argv[0], getpid(), getppid(),
                   argc > 1 ? argv[1] : "");
        return 0;
}

/* ---- The process that forks ---- */

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        muster_respond_text(data, 200, "code: %d, signal: %d", code, signal);
}

static void start(struct muster_request *request) {
        static const char *const arguments[] = { "with an argument", NULL };
        const struct muster_spawn_options options = { .on_close = on_close, .data = request };

        if (muster_fork(muster_request_muster(request), "worker", arguments, &options))
                muster_request_suspend(request);
        else
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
}

static const struct muster_fork forks[] = {
        { "worker", worker },
        {},
};

static const struct muster_route routes[] = {
        { "GET", "/", start },
        {},
};

MUSTER_APPLICATION(.name = "fork", .routes = routes, .forks = forks);
