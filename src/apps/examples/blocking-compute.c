/* SPDX-License-Identifier: MIT */

/*
 * The article: "一个计算耗时造成线程阻塞的例子", a computation that takes its time and holds up everybody.
 *
 *     const computation = () => { let sum = 0; for (let i = 0; i < 1e10; i++) sum += i; return sum; }
 *     if (req.url == '/compute') { const sum = computation(); res.end(sum); }
 *     res.end('ok');
 *
 * A worker has one thread and one loop, as Node has: while /compute adds up, nobody else whom this worker serves gets an answer.
 * With one worker (`workers = 1`) that is everybody. How it is done right: fork-compute.c, as the article does it,
 * and muster_offload(), which needs no new process for each request.
 *
 * The article's sum is a number, which res.end() does not take, and after it the request is answered a second time with
 * "ok"; what was meant is the sum as text, or else "ok". Behind console.timeEnd() stands a Chinese semicolon, `；`, which
 * JavaScript does not read. The sum is a double, as every number of JavaScript is: the
 * integer would not fit into 64 bits. `[app] n` is how far it counts, 1e10 as there.
 */

#include <inttypes.h>
#include <time.h>

#include <muster/app.h>

static uint64_t n;

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

static void compute(struct muster_request *request) {
        muster_respond_text(request, 200, "%.0f", computation());
}

static void ok(struct muster_request *request) {
        muster_respond_text(request, 200, "ok");
}

static int start(struct muster *muster) {
        return muster_config_number(muster, "n", 0, UINT64_C(1) << 53, UINT64_C(10000000000), &n);
}

static const struct muster_route routes[] = {
        { "GET", "/compute", compute },
        { "GET", "/", ok },
        {},
};

MUSTER_APPLICATION(.name = "blocking-compute", .routes = routes, .worker_start = start);
