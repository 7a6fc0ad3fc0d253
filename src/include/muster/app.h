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

struct muster;         /* the process the application runs in */
struct muster_request; /* one request and the answer to it */
struct muster_timer;   /* a timer that is running */
struct sockaddr;
struct MHD_Connection; /* from <microhttpd.h> */

enum muster_role {
        MUSTER_ROLE_WORKER, /* serves requests; there are several */
        MUSTER_ROLE_AGENT,  /* background work; there is one */
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
 * What a module is. Define it with MUSTER_APPLICATION(), never by hand. All members may be left out.
 *
 * worker_start, agent_start: called once before the process takes part: open what is needed, start timers.
 *       0, or a negative errno, which ends the process; say the reason with muster_fail(). When the agent or
 *       every worker fails like that as the service starts, the start has failed; later, the process is started again.
 * worker_ready, agent_ready: everything has started ("muster-ready"): all workers and the agent are there.
 *       A process that is started later hears it as soon as it is ready itself.
 * worker_stop, agent_stop: called once before the process ends in good order, after the last request. A
 *       process that is killed or drains after a fault does not get it.
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
 * worker's number from 0 (-1 in the agent). A worker that takes the place of another has its number. */
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

#ifdef __cplusplus
}
#endif
