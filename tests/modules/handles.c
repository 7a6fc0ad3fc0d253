/* SPDX-License-Identifier: MIT */

/*
 * An application for the test of handles: one worker opens something and gives it to another, which uses it.
 *
 * GET /give?kind=KIND&to=PID[&port=N]: opens it, sends it with the text "given" and closes its own; says the port it is
 * bound to, if it is. KIND is `tcp` (connected to the port), `listen`, `udp`, `memfd` (which it keeps too, for
 * GET /look) or `nothing`, whose descriptor is none. The receiver says its pid by what it got, to whoever is at the
 * other end.
 * GET /heap?to=PID&count=N: as many that the receiver does not take, and between them messages without one.
 * GET /heard: how many of both this worker has heard, and whether they came in the order they were sent.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <muster/app.h>

#define LOOK_AGAIN MUSTER_MSEC(2)

static int kept = -1; /* the memfd */
static unsigned int heard, with_handle;
static bool disordered;

static unsigned int number(struct muster_request *request, const char *name) {
        const char *text = muster_request_query(request, name);

        return text ? (unsigned int) strtoul(text, NULL, 10) : 0;
}

/* ---- Giving ---- */

union address {
        struct sockaddr any;
        struct sockaddr_in in;
};

static int open_socket(int type, unsigned int port, unsigned int *ret_port) {
        union address address = {
                .in = {
                        .sin_family = AF_INET,
                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                        .sin_port = htons((uint16_t) port),
                },
        };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, type | SOCK_CLOEXEC | (port == 0 ? SOCK_NONBLOCK : 0), 0), r;

        if (fd < 0)
                return -errno;
        if (port > 0)
                r = connect(fd, &address.any, size);
        else
                r = bind(fd, &address.any, size);
        if (r >= 0 && port == 0 && type == SOCK_STREAM)
                r = listen(fd, 16);
        if (r >= 0)
                r = getsockname(fd, &address.any, &size);
        if (r < 0) {
                r = -errno;
                (void) close(fd);
                return r;
        }
        *ret_port = ntohs(address.in.sin_port);
        return fd;
}

static int open_memfd(void) {
        static const char text[] = "written by the one who gave it";
        int fd = memfd_create("kept", MFD_CLOEXEC);

        if (fd >= 0 && write(fd, text, sizeof(text) - 1) < 0) {
                (void) close(fd);
                return -1;
        }
        return fd;
}

static int open_kind(const char *kind, unsigned int port, unsigned int *ret_port) {
        if (strcmp(kind, "tcp") == 0 || strcmp(kind, "listen") == 0)
                return open_socket(SOCK_STREAM, port, ret_port);
        if (strcmp(kind, "udp") == 0)
                return open_socket(SOCK_DGRAM, 0, ret_port);
        if (strcmp(kind, "memfd") == 0)
                return open_memfd();
        return 9999;
}

static void give(struct muster_request *request) {
        const char *kind = muster_request_query(request, "kind");
        unsigned int port = 0;
        int fd, r;

        fd = open_kind(kind, number(request, "port"), &port);
        if (fd < 0) {
                muster_respond_text(request, 500, "%s", strerror(errno));
                return;
        }
        r = muster_send_handle(muster_request_muster(request), (pid_t) number(request, "to"), kind, fd,
                               "given", 5);
        if (strcmp(kind, "memfd") == 0)
                kept = fd;
        else
                (void) close(fd);
        if (r < 0)
                muster_respond_text(request, 500, "%s", strerrorname_np(-r));
        else
                muster_respond_text(request, 200, "%u", port);
}

static void look(struct muster_request *request) {
        char text[128] = "";

        if (pread(kept, text, sizeof(text) - 1, 0) < 0)
                muster_respond_text(request, 500, "%s", strerror(errno));
        else
                muster_respond_text(request, 200, "%s", text);
}

static void heap(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        unsigned int count = number(request, "count");
        pid_t to = (pid_t) number(request, "to");
        int r = 0;

        for (unsigned int i = 0; i < count && r >= 0; i++)
                if (i % 2 == 0)
                        r = muster_send_to(muster, to, "heap", &i, sizeof(i));
                else
                        r = muster_send_handle(muster, to, "heap", STDERR_FILENO, &i, sizeof(i));
        muster_respond_text(request, r < 0 ? 500 : 200, "%d", r);
}

/* ---- Getting ---- */

static void say_pid(int fd, const char *what) {
        char text[64];

        (void) snprintf(text, sizeof(text), "%s of %d\n", what, getpid());
        (void) !write(fd, text, strlen(text));
        (void) close(fd);
}

static int take(struct muster_message *message) {
        size_t size;
        const char *data = muster_message_data(message, &size);

        if (size != 5 || strcmp(data, "given") != 0)
                muster_log(LOG_ERR, "The text is not what was given");
        return muster_message_take_handle(message);
}

static void on_tcp(struct muster *muster, struct muster_message *message, void *data) {
        say_pid(take(message), "tcp");
}

/* One client each; until there is one it looks now and then. */
static void accept_one(struct muster *muster, void *data) {
        int listener = (int) (intptr_t) data, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) {
                (void) muster_timer_after(muster, LOOK_AGAIN, accept_one, data);
                return;
        }
        say_pid(fd, "listen");
        (void) close(listener);
}

static void on_listen(struct muster *muster, struct muster_message *message, void *data) {
        accept_one(muster, (void *) (intptr_t) take(message));
}

static void answer_one(struct muster *muster, void *data) {
        int fd = (int) (intptr_t) data;
        union address peer;
        socklen_t size = sizeof(peer);
        char question[64];

        if (recvfrom(fd, question, sizeof(question), 0, &peer.any, &size) < 0) {
                (void) muster_timer_after(muster, LOOK_AGAIN, answer_one, data);
                return;
        }
        if (connect(fd, &peer.any, size) >= 0)
                say_pid(fd, "udp");
}

static void on_udp(struct muster *muster, struct muster_message *message, void *data) {
        answer_one(muster, (void *) (intptr_t) take(message));
}

static void on_memfd(struct muster *muster, struct muster_message *message, void *data) {
        int fd = take(message);

        /* The offset is shared with the one who gave it: this goes behind what is there. */
        say_pid(fd, ", memfd");
}

static void on_heap(struct muster *muster, struct muster_message *message, void *data) {
        static unsigned int next;
        unsigned int i;

        memcpy(&i, muster_message_data(message, NULL), sizeof(i));
        if (i == 0)
                next = 0;
        disordered |= i != next++;
        heard++;
        /* Every other of those with a handle is taken, as it is its taker's to close */
        if (i % 4 == 1) {
                int fd = muster_message_take_handle(message);

                with_handle += fd >= 0;
                disordered |= muster_message_take_handle(message) >= 0;
                (void) close(fd);
        }
}

static void say_heard(struct muster_request *request) {
        muster_respond_text(request, 200, "%u messages, %u handles, %s", heard, with_handle,
                            disordered ? "disordered" : "in order");
}

/* ---- The application ---- */

static void pid(struct muster_request *request) {
        muster_respond_text(request, 200, "%d", getpid());
}

static int start(struct muster *muster) {
        int r;

        r = muster_on(muster, "tcp", on_tcp, NULL);
        r = r < 0 ? r : muster_on(muster, "listen", on_listen, NULL);
        r = r < 0 ? r : muster_on(muster, "udp", on_udp, NULL);
        r = r < 0 ? r : muster_on(muster, "memfd", on_memfd, NULL);
        return r < 0 ? r : muster_on(muster, "heap", on_heap, NULL);
}

static const struct muster_route routes[] = {
        { "GET", "/pid", pid },   { "GET", "/give", give },       { "GET", "/look", look },
        { "GET", "/heap", heap }, { "GET", "/heard", say_heard }, {},
};

MUSTER_APPLICATION(.name = "handles", .routes = routes, .worker_start = start);
