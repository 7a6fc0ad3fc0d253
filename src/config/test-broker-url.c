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
                bool tls;
                const char *user, *password, *host;
                unsigned int port;
                const char *name;
        } cases[] = {
                { "nats://127.0.0.1:4223", false, "", "", "127.0.0.1", 4223, "nats://127.0.0.1:4223" },
                { "nats://broker.example.org", false, "", "", "broker.example.org", 4222,
                  "nats://broker.example.org:4222" },
                { "tls://broker/", true, "", "", "broker", 4222, "tls://broker:4222" },
                { "nats://[::1]:1", false, "", "", "::1", 1, "nats://[::1]:1" },
                { "nats://[fe80::1]", false, "", "", "fe80::1", 4222, "nats://[fe80::1]:4222" },
                { "nats://me:secret@h:65535", false, "me", "secret", "h", 65535, "nats://h:65535" },
                { "nats://token@h", false, "token", "", "h", 4222, "nats://h:4222" },
                { "nats://a%3ab:p%40%25@h", false, "a:b", "p@%", "h", 4222, "nats://h:4222" },
                { "nats://me:p@ss:w/rd@h", false, "me", "p@ss:w/rd", "h", 4222, "nats://h:4222" },
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
        strcpy(text + 7 + CONFIG_BROKER_TEXT_MAX - 1, "@h");
        assert_int_equal(config_broker_url_parse(text, &url), 0);
        strcpy(text + 7 + CONFIG_BROKER_TEXT_MAX - 1, "u@h");
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
