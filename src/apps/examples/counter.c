/* SPDX-License-Identifier: MIT */

/*
 * The article: "多线程", two Java classes that differ in where `count` is defined.
 *
 *     Integer count = 0;                                               @GetMapping("/test")
 *     @GetMapping("/test")                                             public Integer Test() {
 *     public Integer Test() { count += 1; return count; }                  Integer count = 0; count += 1; return count;
 *     // 1 the first time, 2 the second time                           }   // 1 each time
 *
 * In Java the left one is a variable of all threads, which they spoil for each other: `count += 1` of two at once can
 * add 1. Processes share no variables. So there are three here:
 *
 *     /test         what all workers count together: a counter of muster, right also when two add at once, when a worker
 *                   crashes and when it is replaced
 *     /test/worker  a static variable: each worker has its own, and a new worker begins at 1
 *     /test/local   the article's second class: a variable of the function is 1 each time
 */

#include <errno.h>
#include <inttypes.h>

#include <muster/app.h>

static struct muster_counter *shared;
static unsigned int own;

static void count_together(struct muster_request *request) {
        muster_counter_add(shared, 1);
        muster_respond_text(request, 200, "%" PRIu64, muster_counter_get(shared));
}

static void count_alone(struct muster_request *request) {
        own += 1;
        muster_respond_text(request, 200, "%u", own);
}

static void count_each_time(struct muster_request *request) {
        unsigned int count = 0;

        count += 1;
        muster_respond_text(request, 200, "%u", count);
}

static int start(struct muster *muster) {
        shared = muster_counter(muster, "count");
        return shared ? 0 : -errno;
}

static const struct muster_route routes[] = {
        { "GET", "/test", count_together },
        { "GET", "/test/worker", count_alone },
        { "GET", "/test/local", count_each_time },
        {},
};

MUSTER_APPLICATION(.name = "counter", .routes = routes, .worker_start = start);
