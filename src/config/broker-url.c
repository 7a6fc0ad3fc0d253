/* SPDX-License-Identifier: MIT */

/*
 * URLs of message brokers, as [broker] url has them.
 *
 * The scheme says which protocol is spoken, and so which driver is needed: one row here and a plugin of that name. The
 * rest is taken apart here and not by the driver's library, so that --check tells what is wrong with it, and so
 * that there is a name of the server without the password in it: nothing but that is ever logged.
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "config/broker-url.h"
#include "util/macro.h"
#include "util/parse.h"

static const struct scheme {
        const char *name;
        const char *driver;
        bool tls;
        unsigned int port;
} schemes[] = {
        { "nats", "nats", false, 4222 },
        { "tls", "nats", true, 4222 },
};

static const struct scheme *find_scheme(const char *text, size_t length) {
        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (strlen(schemes[i].name) == length && strncmp(schemes[i].name, text, length) == 0)
                        return &schemes[i];
        return NULL;
}

static int digit_of(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
                return (c | 0x20) - 'a' + 10;
        return -1;
}

/* Without the bytes that could end a line of a protocol. */
static int decode(const char *text, size_t length, char *buffer, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < length; i++) {
                int c = (unsigned char) text[i];

                if (c == '%') {
                        int high = length - i > 2 ? digit_of(text[i + 1]) : -1;
                        int low = length - i > 2 ? digit_of(text[i + 2]) : -1;

                        if (high < 0 || low < 0)
                                return -EINVAL;
                        c = high * 16 + low;
                        i += 2;
                }
                if (c < 0x20 || c == 0x7f || n + 1 >= size)
                        return -EINVAL;
                buffer[n++] = (char) c;
        }
        buffer[n] = '\0';
        return 0;
}

static int parse_user(const char *text, size_t length, struct config_broker_url *ret) {
        const char *colon = memchr(text, ':', length);
        size_t user = colon ? (size_t) (colon - text) : length;
        int r;

        if (user == 0 || (colon && user + 1 == length))
                return -EINVAL;
        r = decode(text, user, ret->user, sizeof(ret->user));
        if (r < 0 || !colon)
                return r;
        return decode(colon + 1, length - user - 1, ret->password, sizeof(ret->password));
}

static int parse_port(const char *text, size_t length, unsigned int *ret) {
        char digits[8];
        uint64_t port;

        if (length == 0 || length >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, text, length);
        digits[length] = '\0';
        if (parse_uint64(digits, &port) < 0 || port == 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret = (unsigned int) port;
        return 0;
}

static int parse_host(const char *text, size_t length, struct config_broker_url *ret) {
        static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
        static const char ipv6[] = "0123456789abcdefABCDEF:.";
        bool bracketed = length > 0 && text[0] == '[';
        const char *end = bracketed ? memchr(text, ']', length) : memchr(text, ':', length);
        size_t host, rest;

        if (bracketed && !end)
                return -EINVAL;
        text += bracketed;
        length -= bracketed;
        host = end ? (size_t) (end - text) : length;
        if (host == 0 || host >= sizeof(ret->host))
                return -EINVAL;
        memcpy(ret->host, text, host);
        ret->host[host] = '\0';
        if (strspn(ret->host, bracketed ? ipv6 : name) != host)
                return -EINVAL;
        rest = host + bracketed;
        if (rest == length)
                return 0;
        return text[rest] == ':' ? parse_port(text + rest + 1, length - rest - 1, &ret->port) : -EINVAL;
}

int config_broker_url_parse(const char *text, struct config_broker_url *ret) {
        struct config_broker_url url = {};
        const char *authority = strstr(text, "://"), *at;
        const struct scheme *scheme;
        size_t length;
        int r = 0;

        scheme = authority ? find_scheme(text, (size_t) (authority - text)) : NULL;
        if (!scheme)
                return -EINVAL;
        url.driver = scheme->driver;
        url.tls = scheme->tls;
        url.port = scheme->port;

        authority += 3;
        length = strlen(authority);
        if (length > 0 && authority[length - 1] == '/')
                length--;
        at = memrchr(authority, '@', length);
        if (at) {
                r = parse_user(authority, (size_t) (at - authority), &url);
                length -= (size_t) (at + 1 - authority);
                authority = at + 1;
        }
        r = r < 0 ? r : parse_host(authority, length, &url);
        if (r < 0)
                return r;
        *ret = url;
        return 0;
}

char *config_broker_url_name(const struct config_broker_url *url, char *buffer, size_t size) {
        bool ipv6 = strchr(url->host, ':') != NULL;
        const char *scheme = "";

        for (size_t i = 0; i < ELEMENTSOF(schemes); i++)
                if (streq(schemes[i].driver, url->driver) && schemes[i].tls == url->tls)
                        scheme = schemes[i].name;
        (void) snprintf(buffer, size, "%s://%s%s%s:%u", scheme, ipv6 ? "[" : "", url->host, ipv6 ? "]" : "",
                        url->port);
        return buffer;
}
