/* SPDX-License-Identifier: MIT */

/*
 * The article: "多进程如何同时监听一个端口", the example that does not work: every worker calls listen() on the same port.
 *
 *     http.createServer((req, res) => {
 *         res.end('I am worker, pid: ' + process.pid + ', ppid: ' + process.ppid);
 *     }).listen(3000);
 *
 * The first one gets it, the others the error EADDRINUSE; `[app] port` is the port. That is why muster's workers inherit
 * the listening sockets from the master, which has them from systemd: at that address all of them answer, and send-handle.c
 * shows how the article does it.
 *
 * The port of this example is only listened on; nobody accepts there.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <muster/app.h>

static uint64_t port;
static bool listens;

static int listen_on_port(void) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t) port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        const void *generic = &address;
        int fd, error;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, generic, sizeof(address)) < 0 || listen(fd, SOMAXCONN) < 0) {
                error = -errno;
                (void) close(fd);
                return error;
        }
        return fd;
}

static void say(struct muster_request *request) {
        muster_respond_text(request, 200, "I am worker, pid: %d, ppid: %d, %s", getpid(), getppid(),
                            listens ? "and the port is mine" : "and the port is another's");
}

static int start(struct muster *muster) {
        int r;

        r = muster_config_number(muster, "port", 1, UINT16_MAX, 3000, &port);
        if (r < 0)
                return r;
        r = listen_on_port();
        listens = r >= 0;
        if (r < 0)
                muster_log(LOG_ERR, "Error: listen %s 127.0.0.1:%d", strerrorname_np(-r), (int) port);
        return 0;
}

static const struct muster_route routes[] = {
        { "GET", "/", say },
        {},
};

MUSTER_APPLICATION(.name = "port-in-use", .routes = routes, .worker_start = start);
