/* SPDX-License-Identifier: MIT */

/*
 * The article: "node进程查看和命名", a process that has a name and says its id.
 *
 *     http.createServer().listen(3000, () => {
 *         process.title = '测试进程Node.js';
 *         console.log(`process.pid:${process.pid}`);
 *     })
 *
 * Every process of muster has a name already, which `ps` shows: "muster-worker: NAME/0". What is left to an application is
 * the name of its thread, up to 15 bytes: `ps -o comm`, `top`, and the kernel's own messages have that one.
 */

#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <muster/app.h>

#define TITLE "测试进程C"

_Static_assert(sizeof(TITLE) <= 16, "the kernel would cut it");

static void say(struct muster_request *request) {
        char title[16] = "";

        (void) prctl(PR_GET_NAME, title);
        muster_respond_text(request, 200, "process.pid:%d process.title:%s", getpid(), title);
}

static int start(struct muster *muster) {
        if (prctl(PR_SET_NAME, TITLE) < 0)
                return muster_fail(muster, -errno, "Cannot name the process: %m");
        muster_log(LOG_INFO, "process.pid:%d", getpid());
        return 0;
}

static const struct muster_route routes[] = {
        { "GET", "/", say },
        {},
};

MUSTER_APPLICATION(.name = "process-title", .routes = routes, .worker_start = start);
