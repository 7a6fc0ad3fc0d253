/* SPDX-License-Identifier: MIT */

/*
 * The article: "fork子进程充分利用CPU资源", fork_app.js and for_compute.js: the long computation in a process of its own, so that
 * everybody else is answered meanwhile.
 *
 *     if (req.url == '/compute') {
 *         const compute = fork('./for_compute.js');
 *         compute.send('传递给子进程的数据');
 *         compute.on('message', sum => { res.end(`Sum is ${sum}`); compute.kill(); })
 *         compute.on('close', (code, signal) => {
 *             console.log(`收到close事件，子进程收到信号 ${signal} 而终止，退出码 ${code}`);
 *         })
 *     } else
 *         res.end('ok');
 *
 * In the article 'Sum is ${sum}' stands between quotes that do not replace anything, and a child that has closed is killed
 * once more; the file is called for_compute.js in one place and compute.js in the other.
 *
 * It works, and costs a process for each request: a hundred clients start a hundred computations at once. The application
 * "compute" has this beside muster_offload(), where so many processes as there are CPUs wait for such work.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <muster/app.h>

static uint64_t n;

static int read_configuration(struct muster *muster) {
        return muster_config_number(muster, "n", 0, UINT64_C(1) << 53, UINT64_C(10000000000), &n);
}

/* ---- for_compute.js ---- */

static double computation(void) {
        struct timespec begin, end;
        double sum = 0;

        muster_log(LOG_INFO, "计算开始");
        (void) clock_gettime(CLOCK_MONOTONIC, &begin);
        for (uint64_t i = 0; i < n; i++)
                sum += (double) i;
        (void) clock_gettime(CLOCK_MONOTONIC, &end);
        muster_log(LOG_INFO, "计算结束");
        muster_log(LOG_INFO, "计算耗时: %.3fms",
                   (double) (end.tv_sec - begin.tv_sec) * 1e3 +
                           (double) (end.tv_nsec - begin.tv_nsec) / 1e6);
        return sum;
}

static void on_parent_message(struct muster *muster, const void *bytes, size_t size, int fd, void *data) {
        char sum[64];
        int length;

        muster_log(LOG_INFO, "%s process.pid %d", (const char *) bytes, getpid());
        length = snprintf(sum, sizeof(sum), "%.0f", computation());
        if (muster_parent_send(muster, sum, (size_t) length, -1) < 0)
                muster_log(LOG_ERR, "Cannot send the sum");
}

static int for_compute(struct muster *muster, int argc, char **argv) {
        int r;

        r = read_configuration(muster);
        return r < 0 ? r : muster_on_parent_message(muster, on_parent_message, NULL);
}

/* ---- fork_app.js ---- */

/* `data` is the request until it is answered. */
static void on_sum(struct muster_child *child, const void *bytes, size_t size, int fd, void *data) {
        if (!data)
                return;
        muster_respond_text(data, 200, "Sum is %s", (const char *) bytes);
        muster_child_set_data(child, NULL);
        (void) muster_child_kill(child, SIGTERM);
}

/* One of the two is null, as in Node. */
static void on_close(struct muster_child *child, int code, int signal, void *data) {
        char status[16] = "null", name[16] = "null";

        if (signal != 0)
                (void) snprintf(name, sizeof(name), "SIG%s", sigabbrev_np(signal));
        else
                (void) snprintf(status, sizeof(status), "%d", code);
        muster_log(LOG_INFO, "收到close事件，子进程收到信号 %s 而终止，退出码 %s", name, status);
        if (data)
                muster_respond_text(data, 500, "The computation has failed");
}

static void compute(struct muster_request *request) {
        static const char text[] = "传递给子进程的数据";
        const struct muster_spawn_options options = { .on_message = on_sum,
                                                      .on_close = on_close,
                                                      .data = request };
        struct muster_child *child;

        child = muster_fork(muster_request_muster(request), "for_compute", NULL, &options);
        if (!child) {
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
                return;
        }
        muster_request_suspend(request);
        if (muster_child_send(child, text, strlen(text), -1) < 0)
                (void) muster_child_kill(child, SIGKILL);
}

static void ok(struct muster_request *request) {
        muster_respond_text(request, 200, "ok");
}

static const struct muster_fork forks[] = {
        { "for_compute", for_compute },
        {},
};

static const struct muster_route routes[] = {
        { "GET", "/compute", compute },
        { "GET", "/", ok },
        {},
};

MUSTER_APPLICATION(.name = "fork-compute", .routes = routes, .forks = forks,
                   .worker_start = read_configuration);
