/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "config/broker-url.h"
#include "util/macro.h"

static void the_parts_are_found(void **state) {
        static const struct {
                const char *text;
                const char *user, *password, *host, *name;
                unsigned int port;
                bool tls;
        } cases[] = {
                { "nats://127.0.0.1:4223", "", "", "127.0.0.1", "nats://127.0.0.1:4223", 4223, false },
                { "nats://broker.example.org", "", "", "broker.example.org",
                  "nats://broker.example.org:4222", 4222, false },
                { "tls://broker/", "", "", "broker", "tls://broker:4222", 4222, true },
                { "nats://[::1]:1", "", "", "::1", "nats://[::1]:1", 1, false },
                { "nats://[fe80::1]", "", "", "fe80::1", "nats://[fe80::1]:4222", 4222, false },
                { "nats://me:secret@h:65535", "me", "secret", "h", "nats://h:65535", 65535, false },
                { "nats://token@h", "token", "", "h", "nats://h:4222", 4222, false },
                { "nats://a%3ab:p%40%25@h", "a:b", "p@%", "h", "nats://h:4222", 4222, false },
                { "nats://me:p@ss:w/rd@h", "me", "p@ss:w/rd", "h", "nats://h:4222", 4222, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct config_broker_url url;
                char name[CONFIG_BROKER_NAME_MAX];

                assert_int_equal(config_broker_url_parse(cases[i].text, &url), 0);
                assert_string_equal(url.driver, "nats");
                assert_int_equal(url.tls, cases[i].tls);
                assert_string_equal(url.user, cases[i].user);
                assert_string_equal(url.password, cases[i].password);
                assert_string_equal(url.host, cases[i].host);
                assert_int_equal(url.port, cases[i].port);
                assert_string_equal(config_broker_url_name(&url, name, sizeof(name)), cases[i].name);
        }
}

static void anything_else_is_refused(void **state) {
        static const char *const cases[] = {
                "",
                "127.0.0.1:4222",
                "nats:127.0.0.1",
                "http://127.0.0.1",
                "NATS://h",
                "nats://",
                "nats:///",
                "nats://:4222",
                "nats://h:",
                "nats://h:0",
                "nats://h:65536",
                "nats://h:4222x",
                "nats://h:4222/path",
                "nats://h path",
                "nats://@h",
                "nats://:secret@h",
                "nats://me:@h",
                "nats://me:%0a@h",
                "nats://me:%00@h",
                "nats://me:%4@h",
                "nats://me:%zz@h",
                "nats://%@h",
                "nats://::1",
                "nats://[::1",
                "nats://[]:1",
                "nats://[host]:1",
                "nats://[::1]x",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct config_broker_url url;

                if (config_broker_url_parse(cases[i], &url) != -EINVAL)
                        fail_msg("accepted: %s", cases[i]);
        }
}

static void what_is_too_long_is_refused(void **state) {
        struct config_broker_url url;
        char text[2048] = "nats://";

        memset(text + 7, 'h', 255);
        assert_int_equal(config_broker_url_parse(text, &url), 0);
        memset(text + 7, 'h', 256);
        assert_int_equal(config_broker_url_parse(text, &url), -EINVAL);

        memset(text + 7, 'u', CONFIG_BROKER_TEXT_MAX - 1);
        memcpy(text + 7 + CONFIG_BROKER_TEXT_MAX - 1, "@h", 3);
        assert_int_equal(config_broker_url_parse(text, &url), 0);
        memcpy(text + 7 + CONFIG_BROKER_TEXT_MAX - 1, "u@h", 4);
        assert_int_equal(config_broker_url_parse(text, &url), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_parts_are_found),
                cmocka_unit_test(anything_else_is_refused),
                cmocka_unit_test(what_is_too_long_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
