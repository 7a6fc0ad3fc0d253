/* SPDX-License-Identifier: MIT */

/*
 * What keeps us from a server, in the words of the system.
 *
 * Libraries say "no server available", and leave it to the operator to find out whether a name is not known, nobody listens,
 * the network is away or the unit has none. So where one says that, it is tried once more by hand.
 */

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/reach.h"

#define PATIENCE_MSEC 1000

static int wait_connected(int fd) {
        struct pollfd ready = { .fd = fd, .events = POLLOUT };
        int error = 0, n;
        socklen_t size = sizeof(error);

        do
                n = poll(&ready, 1, PATIENCE_MSEC);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n == 0 ? -ETIMEDOUT : -errno;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

static int try_address(const struct addrinfo *address) {
        int fd, r = 0;

        fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
                r = errno == EINPROGRESS ? wait_connected(fd) : -errno;
        (void) close(fd);
        return r;
}

char *broker_reach(const char *host, unsigned int port, char *buffer, size_t size) {
        const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *addresses = NULL;
        char service[16];
        int r;

        (void) snprintf(service, sizeof(service), "%u", port);
        r = getaddrinfo(host, service, &wanted, &addresses);
        if (r != 0) {
                (void) snprintf(buffer, size, "%s", r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
                return buffer;
        }
        r = -EADDRNOTAVAIL;
        for (const struct addrinfo *address = addresses; address && r < 0; address = address->ai_next)
                r = try_address(address);
        freeaddrinfo(addresses);
        (void) snprintf(buffer, size, "%s", r < 0 ? strerror(-r) : "");
        return buffer;
}
