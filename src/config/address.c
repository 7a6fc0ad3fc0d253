/* SPDX-License-Identifier: MIT */

/*
 * Addresses to listen on, as [http] listen has them.
 *
 * Names are not looked up: a service that waits for DNS before it can bind does not start when it should.
 * A bare port means every address of both families by one IPv6 socket, which is what ListenStream=8080
 * means in a socket unit; "[::]:8080" means IPv6 only, as it says.
 */

#include <arpa/inet.h>
#include <errno.h>

#include "config/address.h"
#include "util/macro.h"
#include "util/parse.h"

static int parse_port(const char *text, in_port_t *ret) {
        uint64_t port;
        int r;

        r = parse_uint64(text, &port);
        if (r < 0 || port == 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret = htons((uint16_t) port);
        return 0;
}

static int parse_unix(const char *text, struct config_address *ret) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        size_t length = strlen(text);

        if (length < 2)
                return -EINVAL;
        if (length >= sizeof(un.sun_path))
                return -ENAMETOOLONG;
        memcpy(un.sun_path, text, length);
        if (text[0] == '@')
                un.sun_path[0] = '\0';

        ret->socket.un = un;
        /* An abstract name is as long as the size says, a path ends with its NUL. */
        ret->size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + (text[0] != '@'));
        return 0;
}

static int parse_in6(const char *host, const char *port, bool dual, struct config_address *ret) {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

        if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1 || parse_port(port, &in6.sin6_port) < 0)
                return -EINVAL;
        ret->socket.in6 = in6;
        ret->size = sizeof(in6);
        ret->dual = dual;
        return 0;
}

static int parse_in(const char *host, const char *port, struct config_address *ret) {
        struct sockaddr_in in = { .sin_family = AF_INET };

        if (inet_pton(AF_INET, host, &in.sin_addr) != 1 || parse_port(port, &in.sin_port) < 0)
                return -EINVAL;
        ret->socket.in = in;
        ret->size = sizeof(in);
        return 0;
}

int config_address_parse(const char *text, struct config_address *ret) {
        struct config_address address = { 0 };
        char host[INET6_ADDRSTRLEN];
        const char *colon;
        bool bracketed;
        size_t length;
        int r;

        if (text[0] == '/' || text[0] == '@') {
                r = parse_unix(text, &address);
                goto finish;
        }
        colon = strrchr(text, ':');
        if (!colon) {
                r = parse_in6("::", text, true, &address);
                goto finish;
        }

        bracketed = text[0] == '[';
        length = (size_t) (colon - text);
        if (length >= sizeof(host) || (bracketed && (length < 2 || text[length - 1] != ']')))
                return -EINVAL;
        if (bracketed) {
                text++;
                length -= 2;
        }
        memcpy(host, text, length);
        host[length] = '\0';
        r = bracketed ? parse_in6(host, colon + 1, false, &address) : parse_in(host, colon + 1, &address);

finish:
        if (r < 0)
                return r;
        *ret = address;
        return 0;
}
