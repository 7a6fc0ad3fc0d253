/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An address to listen on, ready for bind(2). */
struct config_address {
        union {
                struct sockaddr sa;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                struct sockaddr_un un;
        } socket;
        socklen_t size;
        bool dual; /* a bare port: [::] that takes IPv4 too, so IPV6_V6ONLY must be off */
};

/* "IPv4:port", "[IPv6]:port", "port" (all addresses), "/path" or "@abstract".
 * Returns 0, -EINVAL for what is none of them, -ENAMETOOLONG for a path that AF_UNIX cannot hold. */
int config_address_parse(const char *text, struct config_address *ret);

/* What the grammar allows, in words, for error messages. */
#define CONFIG_ADDRESS_ALLOWED "IPv4:port, [IPv6]:port, port, /path or @abstract"
