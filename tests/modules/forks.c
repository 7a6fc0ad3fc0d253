/* SPDX-License-Identifier: MIT */

/* An application that runs functions of its own as processes, and talks with them. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <muster/app.h>

/* ---- The functions ---- */

/* for_compute.js of the article: waits for a number, answers the sum. */
static void on_number(struct muster *muster, const void *bytes, size_t size, int fd, void *data) {
        uint64_t n = strtoull(bytes, NULL, 10), sum = 0;
        char text[32];

        for (uint64_t i = 0; i < n; i++)
                sum += i;
        (void) snprintf(text, sizeof(text), "%" PRIu64, sum);
        (void) muster_parent_send(muster, text, strlen(text), -1);
}

static int compute(struct muster *muster, int argc, char **argv) {
        return muster_on_parent_message(muster, on_number, NULL);
}

/* Says what it is, and ends. */
static int describe(struct muster *muster, int argc, char **argv) {
        char text[1024];
        int n;

        n = snprintf(text, sizeof(text), "role=%u worker=%d instance=%s pid=%d ppid=%d argc=%d key=%s",
                     (unsigned int) muster_role(muster), muster_worker(muster), muster_instance(muster),
                     getpid(), getppid(), argc,
                     muster_config(muster, "key") ? muster_config(muster, "key") : "");
        for (int i = 0; i < argc; i++)
                n += snprintf(text + n, sizeof(text) - (size_t) n, " [%s]", argv[i]);
        (void) muster_parent_send(muster, text, (size_t) n, -1);
        return 0;
}

/* Sends back what it gets, with its descriptor. */
static void on_echo(struct muster *muster, const void *bytes, size_t size, int fd, void *data) {
        int r;

        r = muster_parent_send(muster, bytes, size, fd);
        if (r < 0)
                muster_exit(muster, 100);
}

static int echo(struct muster *muster, int argc, char **argv) {
        return muster_on_parent_message(muster, on_echo, NULL);
}

/* Writes to the descriptor it gets: a connected socket, a pipe, a file. */
static void on_handle(struct muster *muster, const void *bytes, size_t size, int fd, void *data) {
        (void) !write(fd, bytes, size);
        (void) shutdown(fd, SHUT_WR);
        muster_exit(muster, 5);
}

static int handle(struct muster *muster, int argc, char **argv) {
        return muster_on_parent_message(muster, on_handle, NULL);
}

/* Listens late: by then its parent has sent what it has. */
static void listen_now(struct muster *muster, void *data) {
        (void) muster_on_parent_message(muster, on_echo, NULL);
}

static int late(struct muster *muster, int argc, char **argv) {
        return muster_timer_after(muster, MUSTER_MSEC(300), listen_now, NULL) ? 0 : -errno;
}

static void tick(struct muster *muster, void *data) {
        static int left = 3;

        (void) muster_parent_send(muster, "tick", 4, -1);
        if (--left == 0)
                muster_exit(muster, 3);
}

static int timer(struct muster *muster, int argc, char **argv) {
        return muster_timer_every(muster, MUSTER_MSEC(20), tick, NULL) ? 0 : -errno;
}

/* Sends progress while it computes, without ever coming to the loop. */
static int busy(struct muster *muster, int argc, char **argv) {
        (void) muster_parent_send(muster, "begun", 5, -1);
        while (getpid() > 0)
                ;
        return 0;
}

static int flood(struct muster *muster, int argc, char **argv) {
        static char piece[32768];
        unsigned int n = argc > 1 ? (unsigned int) strtoul(argv[1], NULL, 10) : 0;
        int r = 0;

        for (unsigned int i = 0; i < n && r == 0; i++)
                r = muster_parent_send(muster, piece, sizeof(piece), -1);
        return r;
}

/* Not NULL, which UBSan would notice before the hardware does. */
static volatile int *volatile nowhere = (int *) 16;

static int crash(struct muster *muster, int argc, char **argv) {
        return *nowhere;
}

static void crash_later(struct muster *muster, void *data) {
        if (raise(SIGABRT) == 0) /* not the last call: the backtrace is to have this function */
                muster_exit(muster, 101);
}

static int crash_in_timer(struct muster *muster, int argc, char **argv) {
        return muster_timer_after(muster, MUSTER_MSEC(10), crash_later, NULL) ? 0 : -errno;
}

static int fails(struct muster *muster, int argc, char **argv) {
        return muster_fail(muster, -ENOENT, "no such table");
}

static int result(struct muster *muster, int argc, char **argv) {
        return (int) strtol(argv[1], NULL, 10);
}

/* A child of its own, whose output is its message. */
static void on_exec(struct muster_child *child, int error, const struct muster_exec_result *result_,
                    void *data) {
        (void) muster_parent_send(muster_child_muster(child), result_->output, result_->output_size, -1);
}

static int nested(struct muster *muster, int argc, char **argv) {
        return muster_exec(muster, "echo from a child of a child; exit 0", NULL, on_exec, NULL) ? 0 : -errno;
}

static int count(struct muster *muster, int argc, char **argv) {
        struct muster_counter *counter = muster_counter(muster, "counted");

        if (!counter)
                return -errno;
        muster_counter_add(counter, strtoull(argv[1], NULL, 10));
        if (argc > 2)
                abort();
        return 0;
}

static int forever(struct muster *muster, int argc, char **argv) {
        (void) muster_parent_send(muster, "begun", 5, -1);
        (void) signal(SIGTERM, SIG_IGN);
        while (getpid() > 0)
                (void) pause();
        return 0;
}

static const struct muster_fork forks[] = {
        { "count", count },
        { "compute", compute },
        { "describe", describe },
        { "echo", echo },
        { "handle", handle },
        { "late", late },
        { "timer", timer },
        { "busy", busy },
        { "flood", flood },
        { "crash", crash },
        { "fails", fails },
        { "result", result },
        { "nested", nested },
        { "forever", forever },
        { "crash-in-timer", crash_in_timer },
        {},
};

/* ---- Their parent ---- */

struct talk {
        struct muster_request *request;
        unsigned int n; /* messages that have come */
        size_t bytes;
        uint64_t sum;
        unsigned int n_fds;
        unsigned int drains;
        size_t wanted; /* disconnect after so many messages; 0: never */
        bool kill;     /* then kill it */
        char last[1024];
};

static uint64_t add_up(const unsigned char *bytes, size_t size) {
        uint64_t sum = 0;

        for (size_t i = 0; i < size; i++)
                sum += (i % 65521 + 1) * bytes[i];
        return sum;
}

static void on_message(struct muster_child *child, const void *bytes, size_t size, int fd, void *data) {
        struct talk *talk = data;

        talk->n++;
        talk->n_fds += fd >= 0;
        talk->bytes += size;
        talk->sum += add_up(bytes, size);
        (void) snprintf(talk->last, sizeof(talk->last), "%.*s", (int) (size < 1000 ? size : 1000),
                        (const char *) bytes);
        if (talk->n != talk->wanted)
                return;
        if (talk->kill)
                (void) muster_child_kill(child, SIGKILL);
        else
                muster_child_disconnect(child);
}

static void on_drain(struct muster_child *child, void *data) {
        ((struct talk *) data)->drains++;
}

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        struct talk *talk = data;

        if (talk->request)
                (void) muster_respond_text(
                        talk->request, 200,
                        "code=%d signal=%d n=%u bytes=%zu sum=%" PRIu64 " fds=%u drains=%u\n%s", code,
                        signal, talk->n, talk->bytes, talk->sum, talk->n_fds, talk->drains, talk->last);
        free(talk);
}

static const char *get(struct muster_request *request, const char *name) {
        return muster_request_query(request, name);
}

static size_t number(struct muster_request *request, const char *name) {
        return get(request, name) ? strtoul(get(request, name), NULL, 10) : 0;
}

/* Sends `text`, and `size` bytes, and as many of both as `times` says. Returns how many could not be sent. */
static size_t send_all(struct muster_child *child, struct muster_request *request, uint64_t *ret_sum) {
        const char *text = get(request, "text"), *path = get(request, "path");
        size_t size = number(request, "size"), times = number(request, "times"), lost = 0;
        unsigned char *bytes = size > 0 ? malloc(size) : NULL;
        int fd = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;

        for (size_t i = 0; i < size; i++)
                bytes[i] = (unsigned char) (i * 7 >> 2);
        *ret_sum = 0;
        for (size_t i = 0; i < (times ? times : 1); i++) {
                if (text)
                        lost += muster_child_send(child, text, strlen(text), fd) < 0;
                if (bytes && muster_child_send(child, bytes, size, fd) < 0)
                        lost++;
                else if (bytes)
                        *ret_sum += add_up(bytes, size);
        }
        if (fd >= 0)
                (void) close(fd);
        free(bytes);
        return lost;
}

static void start(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        struct talk *talk = calloc(1, sizeof(*talk));
        const char *arguments[] = { get(request, "one"), get(request, "one") ? get(request, "two") : NULL,
                                    NULL };
        const struct muster_spawn_options options = {
                .on_message = on_message,
                .on_drain = on_drain,
                .on_close = on_close,
                .detached = number(request, "detached") > 0,
                .timeout = MUSTER_MSEC(number(request, "timeout")),
                .data = talk,
        };
        struct muster_child *child;
        uint64_t sum;
        size_t lost;

        if (!talk)
                return;
        talk->wanted = number(request, "wanted");
        talk->kill = get(request, "kill") != NULL;
        child = muster_fork(muster, get(request, "name"), arguments, &options);
        if (!child) {
                (void) muster_respond_text(request, 200, "failed=%s\n", strerrorname_np(errno));
                free(talk);
                return;
        }
        lost = send_all(child, request, &sum);
        muster_log(LOG_INFO, "Sent: sum %" PRIu64 ", lost %zu", sum, lost);
        if (get(request, "at_once")) {
                (void) muster_respond_text(request, 200, "%d", muster_child_pid(child));
                return;
        }
        talk->request = request;
        (void) muster_request_suspend(request);
}

static void plain(struct muster_request *request) {
        (void) muster_respond_text(request, 200, "ok");
}

static void counted(struct muster_request *request) {
        struct muster_counter *counter = muster_counter(muster_request_muster(request), "counted");

        (void) muster_respond_text(request, 200, "%" PRIu64, counter ? muster_counter_get(counter) : 0);
}

static void pid(struct muster_request *request) {
        (void) muster_respond_text(request, 200, "%d", getpid());
}

static const struct muster_route routes[] = {
        { "GET", "/", plain },
        { "GET", "/pid", pid },
        { "GET", "/counted", counted },
        { "GET", "/fork", start },
        {},
};

MUSTER_APPLICATION(.name = "forks", .routes = routes, .forks = forks);
