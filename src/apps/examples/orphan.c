/* SPDX-License-Identifier: MIT */

/*
 * The article: "什么是孤儿进程", a master that starts a worker and exits, and the worker that lives on with ppid 1.
 *
 *     worker.send('server', server);
 *     process.exit(0);
 *
 *     res.end('I am worker, pid: ' + process.pid + ', ppid: ' + process.ppid);
 *
 * Here there is no way to it: kill the master, with SIGKILL if you like, and every worker sees it (its channel ends,
 * and the kernel tells it), answers what it had accepted and ends. Nobody is left who answers with ppid 1.
 */

#include <unistd.h>

#include <muster/app.h>

static void say(struct muster_request *request) {
        muster_respond_text(request, 200, "I am worker, pid: %d, ppid: %d", getpid(), getppid());
}

static const struct muster_route routes[] = {
        { "GET", "/", say },
        {},
};

MUSTER_APPLICATION(.name = "orphan", .routes = routes);
