/* SPDX-License-Identifier: MIT */

/*
 * The worker: serves requests with the application's routes until it is time to leave, then answers what it
 * has accepted and ends. A fault in a callback is one of the reasons to leave; the master has been told by
 * the crash handler before the worker knows.
 */

#include <errno.h>
#include <stdio.h>

#include "app/child.h"
#include "app/job.h"
#include "app/router.h"
#include "http/server.h"
#include "util/fd.h"
#include "util/log.h"
#include "worker/loop.h"
#include "worker/worker.h"

struct worker {
        struct child *child;
        struct router *router;
        struct http_server *server;
        struct loop *loop;
        usec_t deadline; /* of the drain, monotonic */
        sd_event_source *deadline_timer;
};

static void worker_deinit(struct worker *worker) {
        sd_event_source_disable_unref(worker->deadline_timer);
        worker->loop = loop_free(worker->loop);
        worker->server = http_server_free(worker->server);
        worker->router = router_free(worker->router);
        worker->child = child_free(worker->child);
}

static int add_listeners(struct worker *worker) {
        struct heritage *heritage = child_heritage(worker->child);
        int r;

        for (size_t i = 0; i < heritage->n_listeners; i++) {
                r = fd_set_nonblock(heritage->listener_fds[i], true);
                if (r < 0)
                        return r;
                r = http_server_add_listener(worker->server, TAKE_FD(heritage->listener_fds[i]),
                                             heritage->listener_names[i]);
                if (r < 0)
                        return r;
        }
        if (heritage->n_listeners == 0)
                log_warning(0, "No socket to listen on");
        return 0;
}

/* The start function has been called: from here on requests are taken. */
static int worker_open(struct child *child, void *userdata) {
        struct worker *worker = userdata;
        struct muster *muster = child_muster(child);
        _cleanup_free_ char *reason = NULL;
        int r;

        r = router_new(&worker->router, child_application(child)->routes, &reason);
        if (r < 0)
                return muster_fail(muster, r, "Route table: %s", reason ?: strerror(-r));
        r = http_server_new(&worker->server, muster, worker->router);
        if (r < 0)
                return muster_fail(muster, r, "HTTP server: %s", strerror(-r));
        r = add_listeners(worker);
        if (r < 0)
                return muster_fail(muster, r, "Listening sockets: %s", strerror(-r));
        r = loop_new(&worker->loop, muster, worker->server);
        if (r < 0)
                return muster_fail(muster, r, "Event loop: %s", strerror(-r));
        r = loop_listen(worker->loop);
        if (r < 0)
                return muster_fail(muster, r, "Listening: %s", strerror(-r));
        return 0;
}

static int dispatch_deadline(sd_event_source *source, uint64_t when, void *userdata) {
        return 0; /* the loop has turned: worker_run() looks at the time */
}

/* Suspended runs of schedules have as long as requests have. The master gives what is not finished then to another. */
static void wait_for_jobs(struct worker *worker) {
        struct muster *muster = child_muster(worker->child);

        if (!jobs_pending(muster))
                return;
        (void) sd_event_add_time(muster->event, &worker->deadline_timer, CLOCK_MONOTONIC, worker->deadline,
                                 USEC_PER_MSEC, dispatch_deadline, NULL);
        muster->event_changed = true;
}

static void worker_leave(struct child *child, void *userdata) {
        struct worker *worker = userdata;
        usec_t drain = child_config(child)->worker.drain_timeout;

        if (!worker->server)
                return;
        log_debug("Draining %u connections, %u requests in flight", http_server_connections(worker->server),
                  http_server_in_flight(worker->server));
        worker->deadline = usec_add(now_monotonic(), drain);
        wait_for_jobs(worker);
        http_server_drain(worker->server, worker->deadline);
}

static void worker_fault(struct muster *muster, const struct guard_context *context, int signal) {
        struct worker *worker = muster->owner;
        char backtrace[2048];

        if (!child_has_master(worker->child))
                log_error(0, "SIG%s in %s, draining; backtrace: %s", sigabbrev_np(signal), context->route,
                          slot_format_backtrace(muster->slot, backtrace, sizeof(backtrace)));
        child_leave(worker->child, false);
}

static bool is_done(const struct worker *worker) {
        if (!child_is_leaving(worker->child) || http_server_connections(worker->server) > 0)
                return false;
        return !jobs_pending(child_muster(worker->child)) || now_monotonic() >= worker->deadline;
}

static int worker_run(struct worker *worker) {
        int r;

        while (!is_done(worker)) {
                r = loop_turn(worker->loop);
                if (r < 0)
                        return log_error(r, "The event loop failed: %m");
        }
        return 0;
}

int worker_main(int argc, char **argv) {
        _cleanup_(worker_deinit) struct worker worker = {};
        const struct child_callbacks callbacks = {
                .open = worker_open,
                .leave = worker_leave,
                .userdata = &worker,
        };
        int r, status;

        if (child_new(&worker.child, MUSTER_ROLE_WORKER, argc, argv) < 0)
                return EXIT_FAILURE;
        child_muster(worker.child)->on_fault = worker_fault;
        child_muster(worker.child)->owner = &worker;

        r = child_start(worker.child, &callbacks);
        if (r >= 0)
                r = worker_run(&worker);
        status = child_finish(worker.child);
        log_debug("Done");
        (void) log_flush(LOG_FLUSH_AT_END);
        return r < 0 ? EXIT_FAILURE : status;
}
