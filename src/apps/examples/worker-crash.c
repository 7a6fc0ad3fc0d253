/* SPDX-License-Identifier: MIT */

/*
 * The article: "Node多进程架构模型构建", worker.js, which answers and then throws; the "suicide" signal, and the master
 * that starts another worker at once.
 *
 *     res.end(`pid:${process.pid},ppid:${process.ppid}`);
 *     throw new Error('worker process exception');
 *
 * The article's master.js, with its createServer(), fork(), the tables of workers, 'suicide', 'exit' and close() by signal, is
 * muster-master (src/master/), and the part of worker.js that hears 'uncaughtException' is its crash guard
 * (src/app/guard.c): the worker takes no new connections, tells the master, which starts another at that moment, answers
 * what it had accepted, and ends. None of it is left to an application.
 *
 * There the answer is on its way when the exception comes. Here the answer to a request whose handler faults is 500, since
 * nobody can know whether what it had said is right. So the fault comes from a timer, a moment after the answer, and at /
 * one sees what the article's clients see. /500 is the other way.
 *
 * In the article's master.js `for('worker.js')` stands where `fork` is meant. Its loop to `cpus.length` is right as long as
 * `cpus` is what os.cpus() returns, a list; the function os.cpus itself has a length too, 0, and then no worker is
 * started and nothing says so. Here `[worker] workers = auto` counts them.
 */

#include <signal.h>
#include <unistd.h>

#include <muster/app.h>

static void fault(struct muster *muster, void *data) {
        muster_log(LOG_ERR, "worker process exception");
        (void) raise(SIGABRT);
}

static void answer_and_fault(struct muster_request *request) {
        muster_respond_text(request, 200, "pid:%d,ppid:%d", getpid(), getppid());
        (void) muster_timer_after(muster_request_muster(request), 0, fault, NULL);
}

static void fault_at_once(struct muster_request *request) {
        muster_respond_text(request, 200, "pid:%d,ppid:%d", getpid(), getppid());
        fault(muster_request_muster(request), NULL);
}

static const struct muster_route routes[] = {
        { "GET", "/", answer_and_fault },
        { "GET", "/500", fault_at_once },
        {},
};

MUSTER_APPLICATION(.name = "worker-crash", .routes = routes);
