/* SPDX-License-Identifier: MIT */

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/address.h"
#include "util/macro.h"

static void ipv4_needs_a_port(void **state) {
        struct config_address a;

        assert_int_equal(config_address_parse("127.0.0.1:8080", &a), 0);
        assert_int_equal(a.socket.in.sin_family, AF_INET);
        assert_int_equal(ntohs(a.socket.in.sin_port), 8080);
        assert_int_equal(ntohl(a.socket.in.sin_addr.s_addr), INADDR_LOOPBACK);
        assert_int_equal(a.size, sizeof(struct sockaddr_in));
        assert_int_equal(config_address_parse("127.0.0.1", &a), -EINVAL);
}

static void a_bare_port_is_every_address_and_brackets_are_ipv6_only(void **state) {
        struct config_address a;

        assert_int_equal(config_address_parse("80", &a), 0);
        assert_int_equal(a.socket.in6.sin6_family, AF_INET6);
        assert_true(IN6_IS_ADDR_UNSPECIFIED(&a.socket.in6.sin6_addr));
        assert_true(a.dual);
        assert_int_equal(config_address_parse("[::1]:80", &a), 0);
        assert_true(IN6_IS_ADDR_LOOPBACK(&a.socket.in6.sin6_addr));
        assert_int_equal(ntohs(a.socket.in6.sin6_port), 80);
        assert_false(a.dual);
}

static void unix_sockets_have_a_path_or_an_abstract_name(void **state) {
        struct config_address a;
        char path[200];

        assert_int_equal(config_address_parse("/run/x", &a), 0);
        assert_int_equal(a.socket.un.sun_family, AF_UNIX);
        assert_string_equal(a.socket.un.sun_path, "/run/x");
        assert_int_equal(a.size, offsetof(struct sockaddr_un, sun_path) + 7);
        assert_int_equal(config_address_parse("@x", &a), 0);
        assert_memory_equal(a.socket.un.sun_path, "\0x", 2);
        assert_int_equal(a.size, offsetof(struct sockaddr_un, sun_path) + 2);

        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[108] = '\0';
        assert_int_equal(config_address_parse(path, &a), -ENAMETOOLONG);
        path[107] = '\0';
        assert_int_equal(config_address_parse(path, &a), 0);
}

static void anything_else_is_refused(void **state) {
        static const char *const cases[] = {
                "",
                "localhost:80",
                ":80",
                "0",
                "65536",
                "-1",
                "80x",
                "1.2.3:80",
                "1.2.3.4:",
                "::1:80",
                "[::1]",
                "[::1]80",
                "[::1:80",
                "[]:80",
                "[1.2.3.4]:80",
                "1.2.3.4:0",
                "/",
                "@",
                "[",
                "]:80",
                "[::1]:+80",
                "1.2.3.4:99999999999999999999",
                "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:80",
        };
        struct config_address a = { .size = 7 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(config_address_parse(cases[i], &a), -EINVAL);
        assert_int_equal(a.size, 7);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(ipv4_needs_a_port),
                cmocka_unit_test(a_bare_port_is_every_address_and_brackets_are_ipv6_only),
                cmocka_unit_test(unix_sockets_have_a_path_or_an_abstract_name),
                cmocka_unit_test(anything_else_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
