/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The interface of a muster application.
 *
 * An application is a shared object that defines one `muster_application`. Muster loads it into every
 * worker, which serve requests, and into the agent, which does background work. Each process is
 * single-threaded: all of the application's functions are called from one event loop, one after another, and
 * must not block.
 *
 *     #include <unistd.h>
 *     #include <muster/app.h>
 *
 *     static void hello(struct muster_request *request) {
 *             muster_respond_text(request, 200, "pid:%d,ppid:%d", getpid(), getppid());
 *     }
 *
 *     static const struct muster_route routes[] = {
 *             { "GET", "/", hello },
 *             {},
 *     };
 *
 *     MUSTER_APPLICATION(.name = "hello", .routes = routes);
 *
 * Build it with `cc -shared -fPIC hello.c -o hello.so $(pkg-config --cflags muster)`: nothing is linked, the
 * calls are found in the process that loads it.
 *
 * Conventions. Functions that can fail return 0 or a negative errno. Times and spans are microseconds.
 * Strings are UTF-8 or raw bytes ended by NUL; what is passed in is copied before the call returns unless it
 * says otherwise, what is handed out belongs to muster and lives as long as the object it was asked of.
 *
 * Faults. When one of these functions faults (a bad pointer, a stack overflow, abort() …) in a worker, the
 * request being served is answered 500, the worker finishes the others and ends, and another is already
 * there. In the agent the function is abandoned, an alert is logged, and the agent lives on.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. It grows by new calls and new members at the end of structures; the number
 * changes only when something old stops working, and a module built for another number is refused. */
#define MUSTER_API    1

#define MUSTER_PUBLIC __attribute__((__visibility__("default")))

/* Spans for the calls that take microseconds. */
#define MUSTER_MSEC(n) (UINT64_C(1000) * (uint64_t) (n))
#define MUSTER_SEC(n)  (UINT64_C(1000000) * (uint64_t) (n))

struct muster;              /* the process the application runs in */
struct muster_request;      /* one request and the answer to it */
struct muster_timer;        /* a timer that is running */
struct muster_watch;        /* a descriptor that is watched */
struct muster_message;      /* a message, while its handler runs */
struct muster_reply;        /* the right to reply to one later */
struct muster_job;          /* one run of a schedule */
struct muster_subscription; /* to messages of a broker */
struct muster_child;        /* a program or function that runs as a process of its own */
struct muster_result;       /* what an offloaded function gives back */
struct muster_counter;      /* a number that all processes add to */
struct sockaddr;
struct MHD_Connection; /* from <microhttpd.h> */

enum muster_role {
        MUSTER_ROLE_WORKER,  /* serves requests; there are several */
        MUSTER_ROLE_AGENT,   /* background work; there is one */
        MUSTER_ROLE_COMPUTE, /* runs offloaded functions, one at a time; see muster_offload() */
        MUSTER_ROLE_CHILD,   /* a function that muster_fork() has started */
        MUSTER_ROLE_MASTER,  /* no application runs there; where messages of an operator come from */
};

/* Answers a request, now or later: see muster_request_suspend(). */
typedef void (*muster_handler_t)(struct muster_request *request);

/* A timer's function. `data` is what the timer was made with. */
typedef void (*muster_timer_handler_t)(struct muster *muster, void *data);

/*
 * One row of the route table.
 *
 * path: begins with a slash. `{name}` stands for exactly one segment, which must not be empty
 *       ("/items/{id}"); `{name...}` at the end stands for all the rest, empty included
 * ("/files/{path...}"). Where several rows fit, literal segments win over `{name}`, and that over
 * `{name...}`; the order of the rows does not matter, and two rows that can't be told apart are refused when
 * the module is loaded. method: "GET", "POST" …, or "*" for every method that has no row of its own. A GET
 * row answers HEAD too, and OPTIONS is answered with Allow unless a row takes it. A path that fits with no
 * row for the method is answered 405 with Allow, one that fits nothing 404.
 */
struct muster_route {
        const char *method;
        const char *path;
        muster_handler_t handler;
};

/*
 * One row of the schedule table: work that is to be done now and then.
 *
 *     static int refresh(struct muster *muster, struct muster_job *job) {
 *             return cache_load(muster_data(muster));
 *     }
 *
 *     static const struct muster_schedule schedules[] = {
 *             { "refresh", refresh, .interval = "10min", .type = MUSTER_SCHEDULE_ALL, .immediate = true },
 *             { "report", report, .cron = "30 4 * * mon-fri", .jitter = "5min" },
 *             {},
 *     };
 *
 * name: of the schedule, for the log, `musterctl schedule` and [schedule:NAME] in the configuration, where an
 *       operator can set everything below but the handler: letters, digits, _ and -, whatever their case. Two rows
 *       of one name, or whatever else is wrong in a row, fail the start.
 * handler: does it, in a worker. 0, or a negative errno, which is logged with how long it took. A worker that
 *       dies of it or while it goes on is no reason to leave it undone: another worker gets it, until three have died.
 * interval or cron: when, exactly one of them. A span as in systemd.time(7) ("10s", "10min"), at least 10ms; the
 *       first run comes after one interval. Or 5 fields as in crontab(5), or 6, the first being seconds, or "@daily"
 *       and the like; in local time. muster(7) tells what becomes of times that come twice, never, or are missed.
 * jitter: a span; each run comes that much later at most, NULL for none.
 * type: one worker, which the master picks, or all of them.
 * overlap: what happens when a run is due and the one before still goes on.
 * immediate: once at the start too, and when a reload has brought new processes.
 * disable: not before an operator enables it.
 */
typedef int (*muster_schedule_handler_t)(struct muster *muster, struct muster_job *job);

enum muster_schedule_type {
        MUSTER_SCHEDULE_WORKER,
        MUSTER_SCHEDULE_ALL,
};

enum muster_overlap {
        MUSTER_OVERLAP_SKIP,  /* it is left out, and counted */
        MUSTER_OVERLAP_QUEUE, /* once more when that is over */
        MUSTER_OVERLAP_ALLOW, /* both go on */
};

struct muster_schedule {
        const char *name;
        muster_schedule_handler_t handler;
        const char *interval;
        const char *cron;
        const char *jitter;
        enum muster_schedule_type type;
        enum muster_overlap overlap;
        bool immediate;
        bool disable;
};

/*
 * One row of the table of functions that can be offloaded. See muster_offload().
 *
 * name: up to 63 visible ASCII characters. function: does it, and gives what it has found back by `result`. The input
 *       is followed by a NUL that is not counted. 0 or what else is not negative, or a negative errno.
 */
typedef int (*muster_task_function_t)(const void *input, size_t size, struct muster_result *result);

struct muster_task {
        const char *name;
        muster_task_function_t function;
};

/*
 * One row of the table of functions that can be forked. See muster_fork().
 */
typedef int (*muster_fork_function_t)(struct muster *muster, int argc, char **argv);

struct muster_fork {
        const char *name;
        muster_fork_function_t function;
};

/*
 * What a module is. Define it with MUSTER_APPLICATION(), never by hand. All members may be left out.
 *
 * worker_start, agent_start: called once before the process takes part: open what is needed, start timers.
 *       0, or a negative errno, which ends the process; say the reason with muster_fail(). When the agent or
 *       every worker fails like that as the service starts, the start has failed; later, the process is started again.
 * worker_ready, agent_ready: everything has started ("muster-ready"): all workers and the agent are there.
 *       A process that is started later hears it as soon as it is ready itself.
 * worker_stop, agent_stop: called once before the process ends in good order, after the last request. A
 *       process that is killed or drains after a fault does not get it.
 * compute_start, compute_stop: the same for the processes that run `tasks`: load the model, the tables. When none of them
 *       starts as the service does, the start has failed.
 */
struct muster_application {
        unsigned int api;  /* MUSTER_API, set by the macro */
        unsigned int size; /* of this structure, set by the macro */
        const char *name;
        const char *version;
        const struct muster_route *routes; /* ended by a row of nothing, {} */
        int (*worker_start)(struct muster *muster);
        void (*worker_ready)(struct muster *muster);
        void (*worker_stop)(struct muster *muster);
        int (*agent_start)(struct muster *muster);
        void (*agent_ready)(struct muster *muster);
        void (*agent_stop)(struct muster *muster);
        const struct muster_schedule *schedules; /* ended by a row of nothing, {}; and so are these: */
        const struct muster_task *tasks;
        const struct muster_fork *forks;
        int (*compute_start)(struct muster *muster);
        void (*compute_stop)(struct muster *muster);
};

#define MUSTER_APPLICATION(...)                                                                             \
        extern MUSTER_PUBLIC const struct muster_application muster_application;                            \
        const struct muster_application muster_application = { .api = MUSTER_API,                           \
                                                               .size = sizeof(struct muster_application),   \
                                                               __VA_ARGS__ }

/* ---------------------------------------------------------------------------------------------------------
 * The process
 */

/* What this process is, the name of the instance it belongs to ("hello" of /etc/muster/hello.conf), and the
 * worker's number from 0 (-1 in the agent, its own number in a compute process). A worker that takes the place of another has
 * its number. */
MUSTER_PUBLIC enum muster_role muster_role(const struct muster *muster);
MUSTER_PUBLIC const char *muster_instance(const struct muster *muster);
MUSTER_PUBLIC int muster_worker(const struct muster *muster);

/* A pointer of the application's own, NULL at first. Muster never follows or frees it. */
MUSTER_PUBLIC void muster_set_data(struct muster *muster, void *data);
MUSTER_PUBLIC void *muster_data(const struct muster *muster);

/* Says why a start function fails, for the log and `systemctl status`. Returns `error`, a negative errno, so
 * that `return muster_fail(muster, -ENOENT, "No such table: %s", name);` does both. */
MUSTER_PUBLIC int muster_fail(struct muster *muster, int error, const char *format, ...)
        __attribute__((__format__(__printf__, 3, 4)));

/* ---------------------------------------------------------------------------------------------------------
 * Configuration: the [app] section of the instance's configuration file, the application's own.
 * Keys are found whatever their case.
 */

/* The value as written, or NULL where the key is not set. */
MUSTER_PUBLIC const char *muster_config(const struct muster *muster, const char *key);

/* The value read as a number, a yes/no, or a span as in systemd.time(7); `fallback` where the key is not
 * set. -EINVAL for a value that is no such thing, -ERANGE outside min … max; the reason is set as
 * muster_fail() does, so that a start function can return the error as it is. */
MUSTER_PUBLIC int muster_config_number(struct muster *muster, const char *key, uint64_t min, uint64_t max,
                                       uint64_t fallback, uint64_t *ret);
MUSTER_PUBLIC int muster_config_bool(struct muster *muster, const char *key, bool fallback, bool *ret);
MUSTER_PUBLIC int muster_config_duration(struct muster *muster, const char *key, uint64_t fallback,
                                         uint64_t *ret_usec);

/* ---------------------------------------------------------------------------------------------------------
 * Log: to the journal under systemd, to standard error otherwise. Levels are those of syslog.h (LOG_ERR,
 * LOG_INFO …); what is above `[log] level` is not made. %m is errno's text.
 */

MUSTER_PUBLIC void muster_log(int level, const char *format, ...)
        __attribute__((__format__(__printf__, 2, 3)));

/* The same with fields of the application's own for `journalctl KEY=value`: an array of "KEY=value" strings
 * ended by NULL. Keys are capital letters, digits and underscores and don't begin with an underscore; a
 * field whose key is not like that is left out. */
MUSTER_PUBLIC void muster_log_fields(int level, const char *const *fields, const char *format, ...)
        __attribute__((__format__(__printf__, 3, 4)));

/* ---------------------------------------------------------------------------------------------------------
 * Timers
 */

/* Calls `handler` once after `usec`, or every `usec` (at least 1 ms) until it is cancelled; ticks that were
 * missed are not made up for. The timer belongs to muster: one that is called once is gone after its call.
 * Returns NULL with errno set (EINVAL, ENOMEM). */
MUSTER_PUBLIC struct muster_timer *muster_timer_after(struct muster *muster, uint64_t usec,
                                                      muster_timer_handler_t handler, void *data);
MUSTER_PUBLIC struct muster_timer *muster_timer_every(struct muster *muster, uint64_t usec,
                                                      muster_timer_handler_t handler, void *data);

/* Ends a timer, also from within its own handler; takes NULL. Returns NULL. */
MUSTER_PUBLIC struct muster_timer *muster_timer_cancel(struct muster_timer *timer);

/* ---------------------------------------------------------------------------------------------------------
 * Descriptors: for libraries that want to be told when theirs are ready (libcurl's multi interface, a database
 * client).
 */

enum {
        MUSTER_READABLE = 1 << 0,
        MUSTER_WRITABLE = 1 << 1,
        MUSTER_HANGUP = 1 << 2, /* only told, and always: error or hang-up */
};

/* `events` says what it is ready for. */
typedef void (*muster_watch_handler_t)(struct muster *muster, int fd, unsigned int events, void *data);

/* Calls `handler` as often as the descriptor is ready for one of `events` (level-triggered). The descriptor stays the
 * caller's: end the watch before it is closed. A worker's watch whose handler faulted rests: the worker leaves, and what
 * the handler faulted on is still there. Returns NULL with errno set (EINVAL, EBADF, EEXIST for one that is watched,
 * EPERM for a regular file, ENOMEM). */
MUSTER_PUBLIC struct muster_watch *muster_watch_fd(struct muster *muster, int fd, unsigned int events,
                                                   muster_watch_handler_t handler, void *data);

/* Watches for other events from now on; 0 for none, not even a hang-up. 0, -EINVAL, -EBADF where the descriptor was
 * closed. */
MUSTER_PUBLIC int muster_watch_change(struct muster_watch *watch, unsigned int events);

/* Ends it, also from within its own handler; takes NULL. Returns NULL. */
MUSTER_PUBLIC struct muster_watch *muster_watch_end(struct muster_watch *watch);

/* ---------------------------------------------------------------------------------------------------------
 * Messages between the processes of the instance
 *
 * A message is an action, a name of up to 255 bytes that receivers listen for, with data of any kind: up to 16 MiB, of
 * which more than 64 KiB are carried in shared memory. The master routes. Messages from one sender reach one
 * receiver in the order they were sent, each exactly once while both live. What is sent before everything has
 * started ("muster-ready") waits until then, and a process that starts later gets what is sent to it from its
 * start on as soon as it is ready. Nothing waits for a slow receiver: the queue to each is bounded, and what
 * exceeds it is dropped, counted, and told to the sender by its failure handler.
 *
 * The calls that send return 0; -EINVAL for an action that is empty, too long, or "muster-ready", which nobody but the master
 * says; -EMSGSIZE for too much data, -ENOBUFS when the sender's own queue is full (nothing was sent: try again later),
 * -ENOTCONN without a master, -ENOMEM. Nothing is sent before the function that calls returns to the loop, unless it is a
 * lot: what is sent together travels together.
 */

/* Called for each message with the action it was registered for. The message is valid until it returns. */
typedef void (*muster_message_handler_t)(struct muster *muster, struct muster_message *message, void *data);

/* Listens for an action: always, or for the next message only. Handlers of one action are called in the order they were
 * registered. "muster-ready" is the action everybody hears when all have started, and later ones when they are
 * ready. 0, -EINVAL, -ENOMEM. */
MUSTER_PUBLIC int muster_on(struct muster *muster, const char *action, muster_message_handler_t handler,
                            void *data);
MUSTER_PUBLIC int muster_once(struct muster *muster, const char *action, muster_message_handler_t handler,
                              void *data);

/* Stops listening with that handler and data, or, where handler is NULL, all that listen for the action; also from within a
 * handler. Returns how many that were, 0 for none. */
MUSTER_PUBLIC int muster_off(struct muster *muster, const char *action, muster_message_handler_t handler,
                             void *data);

/* To everybody, the sender too. */
MUSTER_PUBLIC int muster_broadcast(struct muster *muster, const char *action, const void *data, size_t size);

/* To all workers; if the sender is one, to itself too. */
MUSTER_PUBLIC int muster_send_to_app(struct muster *muster, const char *action, const void *data,
                                     size_t size);

/* To the agent; if that is the sender, to itself. */
MUSTER_PUBLIC int muster_send_to_agent(struct muster *muster, const char *action, const void *data,
                                       size_t size);

/* To one worker: the master picks the least busy. */
MUSTER_PUBLIC int muster_send_random(struct muster *muster, const char *action, const void *data,
                                     size_t size);

/* To the worker or agent with that pid. -ESRCH where there is none, -EINVAL for 0 and less. One that ends in good order
 * handles what has come; what comes later is told to the failure handler. What one had not read yet when it was killed or
 * crashed is lost with it: who must know asks, see muster_ask(). */
MUSTER_PUBLIC int muster_send_to(struct muster *muster, pid_t pid, const char *action, const void *data,
                                 size_t size);

/* The same with a descriptor: a socket, a memfd, a pipe … It stays the caller's and can be closed afterwards. -EBADF. */
MUSTER_PUBLIC int muster_send_handle(struct muster *muster, pid_t pid, const char *action, int fd,
                                     const void *data, size_t size);

/* What is told of messages of this process that did not arrive: `error` is -ESRCH (nobody with that pid, or no worker
 * or agent) or -ENOBUFS (its queue was full), `count` how many. Without a handler it is logged as a warning. */
typedef void (*muster_failure_handler_t)(struct muster *muster, int error, const char *action, pid_t pid,
                                         unsigned int count, void *data);
MUSTER_PUBLIC void muster_on_failure(struct muster *muster, muster_failure_handler_t handler, void *data);

/* What a message is. The data is followed by a NUL that is not counted, lies at a multiple of 8,
 * is never NULL, and for muster to free; `ret_size` may be
 * NULL. `from` is the sender's pid, 0 for `musterctl send`. */
MUSTER_PUBLIC const char *muster_message_action(const struct muster_message *message);
MUSTER_PUBLIC const void *muster_message_data(const struct muster_message *message, size_t *ret_size);
MUSTER_PUBLIC pid_t muster_message_from(const struct muster_message *message);
MUSTER_PUBLIC enum muster_role muster_message_from_role(const struct muster_message *message);

/* The descriptor that came with it, the caller's from then on; -1 for none, or if it was taken. One that nobody takes is
 * closed. */
MUSTER_PUBLIC int muster_message_take_handle(struct muster_message *message);

/* Whom to ask, where it is not a pid. */
#define MUSTER_AGENT  ((pid_t) -1)
#define MUSTER_RANDOM ((pid_t) -2)

/* The answer to a question, or why there is none: `error` is 0, -ETIMEDOUT, -ESRCH (nobody there, or it has ended), -ENOBUFS,
 * -EOPNOTSUPP (nobody there listens for the action), or what muster_message_refuse() said; `reply` is NULL with an error.
 * Called exactly once, unless this process ends before. */
typedef void (*muster_answer_handler_t)(struct muster *muster, int error, struct muster_message *reply,
                                        void *data);

/* Sends a message that wants a reply within `timeout`. Returns as the calls above do; after an error `handler` is not called. */
MUSTER_PUBLIC int muster_ask(struct muster *muster, pid_t pid, const char *action, const void *data,
                             size_t size, uint64_t timeout, muster_answer_handler_t handler,
                             void *handler_data);

/* Replies to a message, from within its handler. -ENOMSG where no reply is wanted or one was given, -EINVAL for an `error`
 * that is no negative errno, else as the calls above. A handler that returns without a reply leaves its asker to the
 * timeout. */
MUSTER_PUBLIC int muster_message_reply(struct muster_message *message, const void *data, size_t size);
MUSTER_PUBLIC int muster_message_refuse(struct muster_message *message, int error);

/* Replies later: keeps the right to do so. NULL with errno set (ENOMSG, ENOMEM). The other two use it up; `error` is 0, or a
 * negative errno that the asker is told instead of data. */
MUSTER_PUBLIC struct muster_reply *muster_message_reply_later(struct muster_message *message);
MUSTER_PUBLIC int muster_reply_send(struct muster_reply *reply, int error, const void *data, size_t size);

/* ---------------------------------------------------------------------------------------------------------
 * Schedules: see struct muster_schedule
 */

/* Which one this is a run of, and how often it was tried before (its worker died, and perhaps after it had done it). */
MUSTER_PUBLIC const char *muster_job_name(const struct muster_job *job);
MUSTER_PUBLIC unsigned int muster_job_attempt(const struct muster_job *job);

/* The handler may return 0 before the job is done; it is when muster_job_finish() is called, with 0 or a negative errno and a
 * text for the log (NULL for none, up to 255 bytes), after which the job is not to be used. A handler that returns an
 * error has finished it. A worker that ends waits for its jobs as it does for its requests, for `[worker]
 * drain_timeout`; what is not finished then, another worker begins anew. 0, or -EALREADY. */
MUSTER_PUBLIC int muster_job_suspend(struct muster_job *job);
MUSTER_PUBLIC int muster_job_finish(struct muster_job *job, int result, const char *format, ...)
        __attribute__((__format__(__printf__, 3, 4)));

/* ---------------------------------------------------------------------------------------------------------
 * A message broker: messages from and to other systems, in the agent only. `[broker] url` says where it is
 * ("nats://127.0.0.1:4222"); the package muster-nats is needed for that one.
 *
 *     static void changed(struct muster *muster, const char *subject, const void *data, size_t size, void *handler_data) {
 *             muster_send_to_app(muster, "refresh", "push", 4);
 *     }
 *
 *     static int agent_start(struct muster *muster) {
 *             return muster_subscribe(muster, "catalogue.*", changed, NULL) ? 0 : -errno;
 *     }
 *
 * The connection is made in the background, and whenever it is lost made again, with a growing pause and all
 * subscriptions. A broker like NATS keeps nothing for who is not there: what is sent while there is no connection, before
 * agent_ready, or in the moment in which one agent takes over from another is not delivered later (in that
 * moment it may be delivered twice). So a message is best a hint to look, and something else a safety net.
 */

/* The data is followed by a NUL that is not counted, and together with the subject it is valid while the handler runs. */
typedef void (*muster_broker_handler_t)(struct muster *muster, const char *subject, const void *data,
                                        size_t size, void *handler_data);

/* Subscribes to a subject or, where the broker has them, a pattern ("orders.*", "orders.>"); also while there is no
 * connection. Messages come once the agent is ready, in the order in which the broker sends them. Returns NULL with
 * errno set: EPERM outside the agent, ENOTCONN where no broker is configured, EINVAL, ENOMEM. */
MUSTER_PUBLIC struct muster_subscription *muster_subscribe(struct muster *muster, const char *subject,
                                                           muster_broker_handler_t handler, void *data);

/* Ends it, also from within its own handler, which is not called again; takes NULL. Returns NULL. */
MUSTER_PUBLIC struct muster_subscription *muster_unsubscribe(struct muster_subscription *subscription);

/* Publishes. With 0 the message will be sent, without waiting for it; what is left when the connection is lost is sent when
 * it is back. -EAGAIN while there is no connection, -ENOBUFS when too much waits already ([broker] queue), -EMSGSIZE
 * for more than the broker takes (NATS: 1 MiB unless configured), else the errors above. */
MUSTER_PUBLIC int muster_publish(struct muster *muster, const char *subject, const void *data, size_t size);

/* Whether there is a connection now. */
MUSTER_PUBLIC bool muster_broker_connected(const struct muster *muster);

/* Calls `handler` whenever a connection is made and whenever it is lost, however short that was: what others have sent
 * meanwhile did not come, so this is the time to look. Not called for the connection there is already. There is one
 * handler; NULL for none. 0, -EPERM, -ENOTCONN as above. */
typedef void (*muster_broker_state_handler_t)(struct muster *muster, bool connected, void *data);
MUSTER_PUBLIC int muster_on_broker(struct muster *muster, muster_broker_state_handler_t handler, void *data);

/* ---------------------------------------------------------------------------------------------------------
 * Requests
 */

/* The process this request is served by. */
MUSTER_PUBLIC struct muster *muster_request_muster(const struct muster_request *request);

/* The method as sent ("GET"; a HEAD request says "HEAD"). */
MUSTER_PUBLIC const char *muster_request_method(const struct muster_request *request);

/* The path, percent-decoded segment by segment, without the query ("/items/a b"), and the request target as
 * it stood in the request line ("/items/a%20b?x=1"). */
MUSTER_PUBLIC const char *muster_request_path(const struct muster_request *request);
MUSTER_PUBLIC const char *muster_request_target(const struct muster_request *request);

/* What `{name}` or `{name...}` of the route stood for, decoded; NULL where the route has no such name. Where the
 * client encoded a slash (%2F) there is one in it, be it at the beginning; "." and ".." never stand between its
 * slashes: dot segments are removed before, and what an encoded slash would bring back is answered 400. */
MUSTER_PUBLIC const char *muster_request_param(const struct muster_request *request, const char *name);

/* The first value of a name in the query, decoded (+ is a space); "" for a name without a value, NULL where
 * there is none. Names are compared to the letter. */
MUSTER_PUBLIC const char *muster_request_query(struct muster_request *request, const char *name);

/* The first value of a header field, whatever the case of its name, or NULL. For a request whose target is
 * absolute ("GET http://host/…"), "Host" is that of the target. */
MUSTER_PUBLIC const char *muster_request_header(const struct muster_request *request, const char *name);

/* Calls `each` for every header field or query parameter in the order they were sent, until it returns
 * false. */
MUSTER_PUBLIC void muster_request_each_header(struct muster_request *request,
                                              bool (*each)(void *data, const char *name, const char *value),
                                              void *data);
MUSTER_PUBLIC void muster_request_each_query(struct muster_request *request,
                                             bool (*each)(void *data, const char *name, const char *value),
                                             void *data);

/* The body, whole (a handler is called when all of it is there), followed by a NUL that is not counted.
 * Never NULL; "" of size 0 where there was none. `ret_size` may be NULL. */
MUSTER_PUBLIC const void *muster_request_body(const struct muster_request *request, size_t *ret_size);

/* The peer: as text ("127.0.0.1:50022", "[::1]:50022", "unix"), and as its socket address. */
MUSTER_PUBLIC const char *muster_request_peer(struct muster_request *request);
MUSTER_PUBLIC const struct sockaddr *muster_request_peer_address(const struct muster_request *request);

/* When its header had arrived, in microseconds since 1970. */
MUSTER_PUBLIC uint64_t muster_request_began(const struct muster_request *request);

/* A pointer of the application's own for this request, NULL at first. */
MUSTER_PUBLIC void muster_request_set_data(struct muster_request *request, void *data);
MUSTER_PUBLIC void *muster_request_data(const struct muster_request *request);

/* The way out for what this interface does not offer: libmicrohttpd's connection, to be read from
 * (MHD_get_connection_values() …). Responses must not be queued on it. Valid while the handler runs, and for
 * a suspended request until it is answered; NULL once the client is gone. */
MUSTER_PUBLIC struct MHD_Connection *muster_request_connection(const struct muster_request *request);

/* Answers later: the handler may return without an answer, the connection rests, and the loop goes on. The
 * request is then the application's, and stays valid until it responds once, be it to a client that has gone
 * (the answer is then dropped). Past `[http] request_timeout` the client is told 503 and the application's
 * answer is dropped too. 0, or -EALREADY where it is answered. A handler that returns without an answer and
 * without this is an error, logged and answered 500. */
MUSTER_PUBLIC int muster_request_suspend(struct muster_request *request);

/* Suspends the request and calls `handler` with it after `usec`, unless it is answered before. A fault in that
 * handler is this request's: it gets the 500. 0, -EALREADY, -ENOMEM. */
MUSTER_PUBLIC int muster_request_after(struct muster_request *request, uint64_t usec,
                                       muster_handler_t handler);

/* ---------------------------------------------------------------------------------------------------------
 * Responses
 *
 * Each muster_respond… call answers the request; for a suspended one it also hands it back, so that the
 * pointer is not to be used afterwards. They return 0, -EALREADY for a request that is answered, -EINVAL for
 * a status outside 200 … 599, -ENOMEM. Date, Server, Content-Length and Connection are muster's business.
 * The answer to HEAD is made like that to GET; its body is left out.
 */

/* Adds a header field to the answer to come. -EINVAL for a name that is no token, a value that is empty or has
 * control bytes in it, or one of the fields that are muster's business (those above, Keep-Alive, Transfer-Encoding, Trailer,
 * Upgrade); -E2BIG when all that were added are more than 4 KiB together. Beside the largest of requests there may
 * be memory for less (see max_header in muster.conf(5)): the answer is then 500, and the log says so. */
MUSTER_PUBLIC int muster_response_header(struct muster_request *request, const char *name,
                                         const char *value);

/* A text from a printf format; text/plain; charset=utf-8 unless a Content-Type was added. */
MUSTER_PUBLIC int muster_respond_text(struct muster_request *request, unsigned int status,
                                      const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

/* Bytes, copied. `type` is the Content-Type, NULL or "" for application/octet-stream; it counts as an added field:
 * -EINVAL for control bytes, -E2BIG. */
MUSTER_PUBLIC int muster_respond_bytes(struct muster_request *request, unsigned int status, const char *type,
                                       const void *bytes, size_t size);

/* Bytes that never change and never go away (a string literal, a static table): not copied, and without
 * added header fields the fastest answer there is. `type` too must stay. */
MUSTER_PUBLIC int muster_respond_static(struct muster_request *request, unsigned int status,
                                        const char *type, const void *bytes, size_t size);

/* A JSON text, which the application has made; application/json. */
MUSTER_PUBLIC int muster_respond_json(struct muster_request *request, unsigned int status, const char *json);

/* A status with a short text that says it ("404 Not Found"). An answer 304 says the number of the bytes it was given,
 * which are not sent and should be those of 200; without any, as here, it says none, and the connection ends
 * with it. */
MUSTER_PUBLIC int muster_respond_status(struct muster_request *request, unsigned int status);

/* A regular file, sent by the kernel (sendfile) with ETag and Last-Modified, and Content-Type from `type`
 * or, where that is NULL, from the name's ending. Conditional requests (If-Match, If-None-Match,
 * If-Modified-Since, If-Unmodified-Since) and Range with If-Range are answered as RFC 9110 says: 200, 206,
 * 304, 412 or 416. A negative errno where it can't be opened (-ENOENT, -EACCES, -EISDIR …), and then nothing
 * has been answered yet. The path is taken as it is: what a client may name is for the application to check;
 * muster_respond_file_below() does it. */
MUSTER_PUBLIC int muster_respond_file(struct muster_request *request, const char *path, const char *type);

/* The same for a path below a directory, from a route such as "/files/{path...}": a path that leaves it, by
 * ".." or by a symbolic link, is -EXDEV. */
MUSTER_PUBLIC int muster_respond_file_below(struct muster_request *request, const char *directory,
                                            const char *path, const char *type);

/* ---------------------------------------------------------------------------------------------------------
 * Children: programs, and functions of the module, that run as processes of their own
 *
 * They need `[worker] children = yes`; otherwise the calls fail with EPERM, and the log says so. All is told by
 * handlers on the loop, nothing blocks.
 *
 *     static void on_list(struct muster_child *child, int error, const struct muster_exec_result *result,
 *                         void *data) {
 *             if (error < 0 || result->code != 0)
 *                     muster_respond_status(data, 502);
 *             else
 *                     muster_respond_bytes(data, 200, "text/plain", result->output, result->output_size);
 *     }
 *
 *     static void list(struct muster_request *request) {
 *             const char *const argv[] = { "ls", "-l", NULL };
 *
 *             if (!muster_exec_file(muster_request_muster(request), argv, NULL, on_list, request))
 *                     muster_respond_text(request, 503, "ls: %s", strerror(errno));
 *             else
 *                     muster_request_suspend(request);
 *     }
 *
 * What a child gets: the three standard streams that it is given, and no other descriptor; default actions
 * for all signals and none blocked; the user and the sandbox of its parent; an environment without what
 * systemd and muster have put there for themselves (NOTIFY_SOCKET, LISTEN_FDS, MUSTER_… and the like).
 *
 * How it ends: by itself, or together with the process that has started it, in good order (kill_signal, and
 * SIGKILL a second later) or not (SIGKILL), unless it is detached. Then it goes on without its parent, but
 * not without the service: nothing outlives that. What a child has itself started and left behind goes on
 * when it ends, and ends with the parent where the processes have cgroups of their own, as under the shipped
 * unit, and with the service otherwise.
 *
 * A child is valid until its last handler has returned: `on_close`, or the one of muster_exec().
 */

enum muster_stdio_type {
        MUSTER_STDIO_AUTO, /* a pipe for output that has a handler; else input is null, output inherited, or
                               * null in a detached child */
        MUSTER_STDIO_PIPE, /* written by muster_child_write(), read by on_output and on_errors */
        MUSTER_STDIO_NULL, /* /dev/null */
        MUSTER_STDIO_INHERIT, /* the parent's own; output of services goes to the log */
        MUSTER_STDIO_FD, /* that descriptor, which stays the caller's and can be closed after the call */
};

struct muster_stdio {
        enum muster_stdio_type type;
        int fd;
};

/* Bytes of a child's output, in the order and the pieces they come in; NULL and 0 once for its end. */
typedef void (*muster_child_bytes_handler_t)(struct muster_child *child, const void *bytes, size_t size,
                                             void *data);

/* A message of a child that muster_fork() has started. The bytes are followed by a NUL that is not counted.
 * `fd` is a descriptor that came with it, or -1; it is closed when the handler returns: to keep it, make a
 * copy by fcntl(fd, F_DUPFD_CLOEXEC, 0). */
typedef void (*muster_child_message_handler_t)(struct muster_child *child, const void *bytes, size_t size,
                                               int fd, void *data);

/* Something happened to the child and there is no more to say than that. */
typedef void (*muster_child_handler_t)(struct muster_child *child, void *data);

/* It has ended, and all its output was handed over. `code` is its exit status, -1 where a signal has ended
 * it; `signal` is that signal, or 0. */
typedef void (*muster_child_close_handler_t)(struct muster_child *child, int code, int signal, void *data);

/*
 * What is to be started and how. Everything may be left out but argv or command, and is copied.
 *
 * argv: the program and its arguments, ended by NULL, as for execvp(3): a name without a slash is looked up
 *       in the PATH of the child's environment. file: the program, where that is not argv[0].
 * command: instead, a text for /bin/sh -c.
 * directory: where it is started. A `file` that is a relative path is meant from there.
 * environment: all of it, "KEY=VALUE" strings ended by NULL; NULL for what is said above. set: changes to
 *       that, "KEY=VALUE" to set and "KEY" to remove.
 * input, output, errors: its standard streams.
 * detached: in a session of its own; it outlives its parent.
 * timeout: after that it gets kill_signal (0: SIGTERM), and SIGKILL when it is still there after `[worker]
 *       kill_timeout`. 0: it may take for ever.
 * max_buffer: how much of each of output and errors muster_exec() keeps; 0: 200 KiB.
 * linger: how long `on_close` waits for the end of output that others, which the child has started, keep open
 *       after it has ended; 0: two seconds. What comes later is lost to us, and whoever writes it gets
 *       SIGPIPE.
 * on_output, on_errors: its output, as it comes. See muster_child_pause().
 * on_message: from a muster_fork().
 * on_drain: what muster_child_write() or muster_child_send() could not take at once has been taken by the child.
 * on_close: the end. Comes last, and exactly once, unless the parent ends before.
 * data: for the handlers.
 */
struct muster_spawn_options {
        const char *const *argv;
        const char *file;
        const char *command;
        const char *directory;
        const char *const *environment;
        const char *const *set;
        struct muster_stdio input;
        struct muster_stdio output;
        struct muster_stdio errors;
        bool detached;
        int kill_signal;
        uint64_t timeout;
        size_t max_buffer;
        uint64_t linger;
        muster_child_bytes_handler_t on_output;
        muster_child_bytes_handler_t on_errors;
        muster_child_message_handler_t on_message;
        muster_child_handler_t on_drain;
        muster_child_close_handler_t on_close;
        void *data;
        void *reserved[8]; /* for later: NULL */
};

/* Starts a program. Returns NULL with errno set, and then no handler is called: EPERM without `[worker]
 * children = yes`, ENOENT (no such program, or no such directory), EACCES (not executable), ENOEXEC, E2BIG,
 * EAGAIN (as many processes as there may be), EMFILE, EINVAL, ENOMEM … */
MUSTER_PUBLIC struct muster_child *muster_spawn(struct muster *muster,
                                                const struct muster_spawn_options *options);

/* What muster_exec() hands over; valid until the handler returns. Both texts are followed by a NUL that is
 * not counted. */
struct muster_exec_result {
        int code;   /* the exit status, or -1 */
        int signal; /* that has ended it, or 0 */
        const char *output;
        size_t output_size;
        const char *errors;
        size_t errors_size;
};

/* `error` is 0 where the child has run to its end, whatever its exit status. -ENOBUFS: it was killed since it
 * wrote more than max_buffer to one of its streams (of which the first max_buffer bytes are there);
 * -ETIMEDOUT: it was killed past its timeout; another negative errno where its output could not be read. */
typedef void (*muster_exec_handler_t)(struct muster_child *child, int error,
                                      const struct muster_exec_result *result, void *data);

/* Runs a command of the shell, or a program without a shell, and collects what it writes. `options` may be
 * NULL; of its members argv, command, output, errors and the handlers are not used. Handlers get `data`.
 * Returns as muster_spawn(). Never put what a client sent into a command: give it to muster_exec_file() as an
 * argument. */
MUSTER_PUBLIC struct muster_child *muster_exec(struct muster *muster, const char *command,
                                               const struct muster_spawn_options *options,
                                               muster_exec_handler_t handler, void *data);
MUSTER_PUBLIC struct muster_child *muster_exec_file(struct muster *muster, const char *const *argv,
                                                    const struct muster_spawn_options *options,
                                                    muster_exec_handler_t handler, void *data);

/* Runs a function of the module, by its name in the table `forks`, in a fresh process that loads the module
 * too: nothing is shared. `arguments` may be NULL, and so may `options`, of which argv, file and command are
 * not used. ENOENT for a name that is not in the table, else as muster_spawn(). What is sent before the
 * function listens waits for it.
 *
 * The function is called with argv[0] as its name and the arguments behind. When it returns a number other
 * than 0 the process ends with that exit status (a negative errno: with 1, and it is logged). With 0 it goes
 * on with a loop of its own as long as there is anything to wait for: a message of its parent, once
 * muster_on_parent_message() was called, a timer, a watched descriptor, a child. It ends when its parent
 * does, unless it is detached. A fault ends it by its signal; the parent gets on_close, and the log the
 * backtrace. */
MUSTER_PUBLIC struct muster_child *muster_fork(struct muster *muster, const char *name,
                                               const char *const *arguments,
                                               const struct muster_spawn_options *options);

/* Sends a message to a child of muster_fork(), with a descriptor (a socket, a memfd, a pipe …; -1: none) that
 * stays the caller's and can be closed afterwards. Up to 16 MiB. 0; -ENOBUFS when the child has not read 1
 * MiB yet (nothing was sent: wait for on_drain), -EPIPE when it is gone, -EMSGSIZE, -EBADF, -EINVAL for a child of
 * another kind, -ENOMEM. */
MUSTER_PUBLIC int muster_child_send(struct muster_child *child, const void *bytes, size_t size, int fd);

/* Closes the child's channel: when it has nothing else to wait for, it ends. What the child has not read may be lost:
 * wait for on_drain first. */
MUSTER_PUBLIC void muster_child_disconnect(struct muster_child *child);

/* Writes to a child's input (MUSTER_STDIO_PIPE). Returns how many bytes were taken, which may be fewer than
 * `size`: then on_drain tells when there is room again. -EAGAIN for none, -EPIPE when the child does not read
 * any more, -EINVAL without a pipe, -ENOMEM. */
MUSTER_PUBLIC ssize_t muster_child_write(struct muster_child *child, const void *bytes, size_t size);

/* The end of its input, after what was written. */
MUSTER_PUBLIC void muster_child_end_input(struct muster_child *child);

/* Reads no more output from this stream (STDOUT_FILENO or STDERR_FILENO) until it is resumed, so that the
 * child waits for us. `on_close` does not come before it was read to its end. */
MUSTER_PUBLIC void muster_child_pause(struct muster_child *child, int stream);
MUSTER_PUBLIC void muster_child_resume(struct muster_child *child, int stream);

/* Sends a signal to the child and those it has started (its process group). 0, -ESRCH when it has ended,
 * -EINVAL. */
MUSTER_PUBLIC int muster_child_kill(struct muster_child *child, int signal);

/* Its pid; 0 when it has ended. The process it belongs to. Why muster itself has killed it: 0, -ETIMEDOUT,
 * -ENOBUFS. */
MUSTER_PUBLIC pid_t muster_child_pid(const struct muster_child *child);
MUSTER_PUBLIC struct muster *muster_child_muster(const struct muster_child *child);
MUSTER_PUBLIC int muster_child_error(const struct muster_child *child);

/* Another pointer for its handlers. */
MUSTER_PUBLIC void muster_child_set_data(struct muster_child *child, void *data);
MUSTER_PUBLIC void *muster_child_data(const struct muster_child *child);

/* In a process that muster_fork() has started: listens for the parent's messages (NULL: no more), which are
 * handed over as to muster_child_message_handler_t; sends one to it, which waits as long as the parent has not read
 * 1 MiB of earlier ones; and ends with an exit status (0 … 255) when the handler it is called from has returned and
 * all is sent. -ENOTCONN in any other process, else as muster_child_send(). */
typedef void (*muster_parent_message_handler_t)(struct muster *muster, const void *bytes, size_t size,
                                                int fd, void *data);
MUSTER_PUBLIC int muster_on_parent_message(struct muster *muster, muster_parent_message_handler_t handler,
                                           void *data);
MUSTER_PUBLIC int muster_parent_send(struct muster *muster, const void *bytes, size_t size, int fd);
MUSTER_PUBLIC void muster_exit(struct muster *muster, int code);

/* ---------------------------------------------------------------------------------------------------------
 * State: what one process keeps, and what all count together
 */

/* A pointer of the application's own under a key, for as long as this process lives; other processes have a store of their
 * own. `destroy`, which may be NULL, is called with the value when another takes its place (unless that is the same
 * pointer), when it is taken away by a value of NULL, and after the stop function when the process ends in good order,
 * the newest first. The key is copied. 0, or -ENOMEM; after an error the value is still the caller's.
 *
 * For what there is one of, muster_set_data() will do. Here each part of an application finds its own, and a cache of many
 * keys is fine, be they chosen by clients. */
MUSTER_PUBLIC int muster_store_set(struct muster *muster, const char *key, void *value,
                                   void (*destroy)(void *value));

/* What is there under a key, or NULL; and how many keys there are. */
MUSTER_PUBLIC void *muster_store_get(const struct muster *muster, const char *key);
MUSTER_PUBLIC size_t muster_store_count(const struct muster *muster);

/* A counter that the whole service has under this name: 64 bits wide, 0 at first, made by whoever asks for it first. It
 * survives what happens to processes (a crash, a reload, `musterctl upgrade`) and ends with the service. A name is a letter
 * and then letters, digits and any of "._-:", 55 at most; there is room for 256 names. The same handle for the same name,
 * valid as long as the process. NULL with errno set (EINVAL, ENOSPC, ENOMEM); the calls below take NULL and do
 * nothing, so that a start function may leave it at that.
 *
 *     static struct muster_counter *hits;
 *
 *     static int start(struct muster *muster) {
 *             hits = muster_counter(muster, "hits");
 *             return hits ? 0 : -errno;
 *     }
 *
 *     static void test(struct muster_request *request) {
 *             muster_counter_add(hits, 1);
 *             muster_respond_text(request, 200, "%" PRIu64, muster_counter_get(hits));
 *     }
 *
 * `musterctl counters` shows them all. */
MUSTER_PUBLIC struct muster_counter *muster_counter(struct muster *muster, const char *name);

/* Adds, here: one instruction, no lock, nothing is lost when this process is killed right after. May be called in a thread or
 * a signal handler. */
MUSTER_PUBLIC void muster_counter_add(struct muster_counter *counter, uint64_t n);

/* What all processes have added, modulo 2^64, those that have ended too (what a process of muster_fork() adds is its own
 * until it ends, and then its parent's; what one adds that has outlived its parent is lost): adding up takes some nanoseconds for each
 * process there is. What this process has added is in it; what another adds at this moment may be or not, so two
 * processes that add and then get can get the same. */
MUSTER_PUBLIC uint64_t muster_counter_get(const struct muster_counter *counter);

/* ---------------------------------------------------------------------------------------------------------
 * Computing elsewhere
 *
 * A function that takes long keeps its worker from everything else. Offloaded, it runs in a compute process: the master
 * keeps some of them ready (`[compute] processes`), at a priority at which serving wins, and gives each one job at a time.
 * The request waits meanwhile and the worker goes on; a job that crashes takes its own request with it and no other.
 *
 *     static int sum(const void *input, size_t size, struct muster_result *result) {
 *             uint64_t n = strtoull(input, NULL, 10), total = 0;
 *
 *             for (uint64_t i = 0; i < n; i++)
 *                     total += i;
 *             return muster_result_text(result, "%" PRIu64, total);
 *     }
 *
 *     static void answer(struct muster_request *request, int error, const void *output, size_t size, void *data) {
 *             muster_respond_bytes(request, 200, "text/plain", output, size);
 *     }
 *
 *     static void compute(struct muster_request *request) {
 *             const char *n = muster_request_query(request, "n");
 *
 *             if (n)
 *                     muster_offload(request, "sum", n, strlen(n), NULL, answer, NULL);
 *             else
 *                     muster_respond_text(request, 400, "Say which n: /?n=1000");
 *     }
 *
 *     static const struct muster_task tasks[] = { { "sum", sum }, {} };
 *
 *     MUSTER_APPLICATION(.name = "sums", .routes = routes, .tasks = tasks);
 *
 * The function sees its input and what compute_start has prepared, and nothing of the request or the worker. It should leave
 * nothing half done behind: when its time is over, or nobody waits for it any more, its process is killed.
 */

struct muster_offload_options {
        uint64_t timeout; /* from now to the result; 0: what `[compute] timeout` says */
        bool errors;      /* the handler is told of errors, too, and answers */
};

/* What has become of it. `error` is 0 or what the function returned. The output is followed by a NUL that is not counted,
 * and valid until the handler returns; it answers the request, now or later.
 *
 * Unless `errors` asks for them, the handler is not told of failures: muster logs and answers them. With it, it is called
 * exactly once, with `error` being
 *      -EAGAIN       too many wait (without it: 503 with Retry-After)
 *      -ETIMEDOUT    its time was over (504)
 *      -EFAULT       it crashed, or was killed (500; the crash is logged, whoever answers)
 *      -ENOTCONN     there is no process to run it (503)
 *      -ECANCELED    the client is gone or has been answered otherwise; an answer is dropped
 * or what else it failed with, the function's own error among it (500). `request` is NULL where it was answered meanwhile:
 * only `data` is left to take care of. */
typedef void (*muster_offload_handler_t)(struct muster_request *request, int error, const void *output,
                                         size_t size, void *data);

/* Runs a function of the table `tasks` in a compute process, and suspends the request until it has. The input is copied,
 * up to 1 GiB; more than 64 KiB are carried in shared memory, as is such an output. When the client goes away the job is
 * cancelled; one that is only half closed (it will send nothing more) counts as gone. `options` may be NULL.
 *
 * 0; -ENOENT where there is no such task, -EALREADY for a request that is answered, -EINVAL, -EMSGSIZE, -ENOBUFS
 * when the worker's own queue to the master is full, -ENOTCONN where `[compute] processes` is 0, -EOPNOTSUPP in a process
 * that serves nothing, -ENOMEM. After an error the request is as it was.
 *
 * A worker that was started without a master runs it in a thread. */
MUSTER_PUBLIC int muster_offload(struct muster_request *request, const char *task, const void *input,
                                 size_t size, const struct muster_offload_options *options,
                                 muster_offload_handler_t handler, void *data);

/* The same in a thread of this worker (`[compute] threads`), for a library's calls that block: nothing is copied
 * between processes, and what this process has open is there. The function must be safe to run beside the
 * loop: of this interface it may call those for its result, for counters (not to make one), for the configuration
 * and the log. All signals are blocked in it. A thread cannot be ended: past its time the request is answered and the thread
 * runs on. A fault in it ends the worker at once, with all its requests. */
MUSTER_PUBLIC int muster_offload_thread(struct muster_request *request, const char *task, const void *input,
                                        size_t size, const struct muster_offload_options *options,
                                        muster_offload_handler_t handler, void *data);

/* Both for no request, from timers, schedules and messages, in workers and agent: the handler is always told, exactly once.
 * `options->errors` makes no difference. */
typedef void (*muster_offload_call_handler_t)(struct muster *muster, int error, const void *output,
                                              size_t size, void *data);
MUSTER_PUBLIC int muster_offload_call(struct muster *muster, const char *task, const void *input,
                                      size_t size, const struct muster_offload_options *options,
                                      muster_offload_call_handler_t handler, void *data);
MUSTER_PUBLIC int muster_offload_thread_call(struct muster *muster, const char *task, const void *input,
                                             size_t size, const struct muster_offload_options *options,
                                             muster_offload_call_handler_t handler, void *data);

/* The process that the function runs in: in a compute process for muster_data(), as compute_start has set it. */
MUSTER_PUBLIC struct muster *muster_result_muster(const struct muster_result *result);

/* Makes these bytes the output: copied; a text from a printf format. In place of what was there before. 0, -EMSGSIZE past
 * 1 GiB, -ENOMEM. Without one the output is empty. */
MUSTER_PUBLIC int muster_result_set(struct muster_result *result, const void *bytes, size_t size);
MUSTER_PUBLIC int muster_result_text(struct muster_result *result, const char *format, ...)
        __attribute__((__format__(__printf__, 2, 3)));

/* Room for an output of that size, to be written in place, without a copy; NULL with errno set (EMSGSIZE, ENOMEM). It is the
 * output whatever is in it, of that size unless muster_result_trim() makes it smaller. */
MUSTER_PUBLIC void *muster_result_buffer(struct muster_result *result, size_t size);
MUSTER_PUBLIC void muster_result_trim(struct muster_result *result, size_t size);

#ifdef __cplusplus
}
#endif
