/* SPDX-License-Identifier: MIT */

/*
 * Descriptors that are watched from within requests, for the tests: a request waits for one, and another makes it ready.
 */

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <muster/app.h>

static struct {
        int fd;
        struct muster_watch *watch;
        struct muster_request *request;
} waiting = { .fd = -1 };

static void answer(struct muster *muster, int fd, unsigned int events, void *data) {
        struct muster_request *request = waiting.request;
        eventfd_t n = 0;

        waiting.request = NULL;
        if (eventfd_read(fd, &n) < 0)
                muster_log(LOG_ERR, "Told of a descriptor that is not ready: %m");
        waiting.watch = muster_watch_end(waiting.watch);
        waiting.fd = close(fd) < 0 ? fd : -1;
        muster_respond_text(request, 200, "%u %u", events, (unsigned int) n);
}

/* What is there is not taken, so that it would be told again. */
static void fault(struct muster *muster, int fd, unsigned int events, void *data) {
        int *volatile nowhere = (int *) 0x10;

        *nowhere = 1;
}

static struct muster_watch *watch(struct muster_request *request, unsigned int count,
                                  muster_watch_handler_t handler) {
        waiting.fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);
        return waiting.fd < 0 ? NULL
                              : muster_watch_fd(muster_request_muster(request), waiting.fd, MUSTER_READABLE,
                                                handler, NULL);
}

/* Waits for a descriptor that is ready from the beginning, or that /wake makes ready. */
static void respond_when_ready(struct muster_request *request) {
        if (waiting.watch) {
                muster_respond_status(request, 409);
                return;
        }
        waiting.watch = watch(request, muster_request_query(request, "now") ? 7 : 0, answer);
        if (!waiting.watch || muster_request_suspend(request) < 0) {
                muster_respond_status(request, 500);
                return;
        }
        waiting.request = request;
}

static void wake(struct muster_request *request) {
        muster_respond_status(request, eventfd_write(waiting.fd, 1) < 0 ? 500 : 200);
}

static void respond_and_fault(struct muster_request *request) {
        muster_respond_status(request, watch(request, 1, fault) ? 200 : 500);
}

static void respond_later(struct muster_request *request) {
        muster_respond_text(request, 200, "later");
}

static void wait_a_while(struct muster_request *request) {
        (void) muster_request_after(request, MUSTER_SEC(1), respond_later);
}

static const struct muster_route routes[] = {
        { "GET", "/ready", respond_when_ready },
        { "GET", "/wake", wake },
        { "GET", "/fault", respond_and_fault },
        { "GET", "/later", wait_a_while },
        {},
};

MUSTER_APPLICATION(.name = "watch", .routes = routes);
