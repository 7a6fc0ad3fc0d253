/* SPDX-License-Identifier: MIT */

/*
 * The smallest application that shows something: which process answered, and who its parent is. Ask twice
 * and the worker changes, the parent (the master) does not. /plain is the fastest answer there is, for
 * measuring.
 */

#include <unistd.h>

#include <muster/app.h>

static void hello(struct muster_request *request) {
        muster_respond_text(request, 200, "pid:%d,ppid:%d", getpid(), getppid());
}

static void plain(struct muster_request *request) {
        static const char text[] = "hello world";

        muster_respond_static(request, 200, "text/plain", text, sizeof(text) - 1);
}

static const struct muster_route routes[] = {
        { "GET", "/", hello },
        { "GET", "/plain", plain },
        {},
};

MUSTER_APPLICATION(.name = "hello", .routes = routes);
