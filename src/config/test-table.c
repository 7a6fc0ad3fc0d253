/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/table.h"

static int set(struct config *config, const char *section, const char *name, const char *text) {
        const struct config_key *key = config_key_find(section, name);

        assert_non_null(key);
        return config_key_set(key, config, text);
}

static void every_key_is_complete_and_there_once(void **state) {
        for (size_t i = 0; i < config_table_size; i++) {
                const struct config_key *key = &config_table[i];

                assert_non_null(key->help);
                assert_int_equal(key->help[strlen(key->help) - 1], '.');
                assert_true(key->required || key->fallback);
                assert_true(key->type != CONFIG_ENUM || key->names);
                assert_true(!key->check || key->allowed);
                assert_true(!key->required || key->allowed);
                assert_true(key->min <= key->max);
                assert_true(key->type != CONFIG_UINT || key->max <= UINT32_MAX);
                assert_ptr_equal(config_key_find(key->section, key->name), key);
                for (size_t j = 0; j < i; j++)
                        assert_int_not_equal(config_table[j].offset, key->offset);
        }
}

static void every_default_is_within_its_own_range(void **state) {
        _cleanup_config_ struct config *config = NULL;

        assert_int_equal(config_new(&config), 0);
        for (size_t i = 0; i < config_table_size; i++)
                if (config_table[i].fallback)
                        assert_int_equal(config_key_set(&config_table[i], config, config_table[i].fallback),
                                         0);
}

static void defaults_are_those_of_the_design(void **state) {
        _cleanup_config_ struct config *c = NULL;

        assert_int_equal(config_new(&c), 0);
        assert_null(c->muster.module);
        assert_int_equal(c->muster.stop_timeout, 20 * USEC_PER_SEC);
        assert_true(c->muster.exit_idle == USEC_NEVER);
        assert_string_equal(c->http.listen[0], "127.0.0.1:8080");
        assert_null(c->http.listen[1]);
        assert_int_equal(c->http.max_body, 1048576);
        assert_int_equal(c->http.max_header, 8192);
        assert_int_equal(c->http.header_timeout, 10 * USEC_PER_SEC);
        assert_int_equal(c->http.idle_timeout, 60 * USEC_PER_SEC);
        assert_int_equal(c->http.min_body_rate, 256);
        assert_int_equal(c->http.request_timeout, 60 * USEC_PER_SEC);
        assert_int_equal(c->http.max_connections, 1024);
        assert_string_equal(c->http.server_header, "muster");
        assert_int_equal(c->worker.workers, 0);
        assert_int_equal(c->worker.min_workers, 0);
        assert_int_equal(c->worker.max_workers, 0);
        assert_int_equal(c->worker.max_requests, UINT_MAX);
        assert_true(c->worker.max_age == USEC_NEVER);
        assert_true(c->worker.max_rss == UINT64_MAX);
        assert_int_equal(c->worker.ready_timeout, 30 * USEC_PER_SEC);
        assert_int_equal(c->worker.drain_timeout, 10 * USEC_PER_SEC);
        assert_int_equal(c->worker.kill_timeout, 5 * USEC_PER_SEC);
        assert_true(c->worker.drain && c->worker.core);
        assert_int_equal(c->agent.fault_limit, 10);
        assert_int_equal(c->restart.limit, 60);
        assert_int_equal(c->restart.interval, 60 * USEC_PER_SEC);
        assert_int_equal(c->restart.on_limit, CONFIG_ON_LIMIT_BACKOFF);
        assert_int_equal(c->log.level, LOG_INFO);
        assert_false(c->log.access);
        assert_true(c->log.slow == USEC_NEVER);
}

static void a_value_is_taken_whole_or_not_at_all(void **state) {
        _cleanup_config_ struct config *c = NULL;

        assert_int_equal(config_new(&c), 0);
        assert_int_equal(set(c, "worker", "workers", "12abc"), -EINVAL);
        assert_int_equal(set(c, "worker", "workers", "-1"), -EINVAL);
        assert_int_equal(set(c, "worker", "workers", ""), -EINVAL);
        assert_int_equal(set(c, "worker", "workers", "Auto"), -EINVAL);
        assert_int_equal(set(c, "worker", "workers", "0"), -ERANGE);
        assert_int_equal(set(c, "worker", "workers", "257"), -ERANGE);
        assert_int_equal(set(c, "worker", "workers", "4294967297"), -ERANGE);
        assert_int_equal(set(c, "worker", "workers", "18446744073709551617"), -ERANGE);
        assert_int_equal(c->worker.workers, 0);
        assert_int_equal(set(c, "worker", "workers", "256"), 0);
        assert_int_equal(c->worker.workers, 256);
        assert_int_equal(set(c, "http", "idle_timeout", "infinity"), -ERANGE);
        assert_int_equal(set(c, "http", "idle_timeout", "99ms"), -ERANGE);
        assert_int_equal(set(c, "http", "request_timeout", "infinity"), 0);
        assert_true(c->http.request_timeout == USEC_NEVER);
        assert_int_equal(set(c, "log", "level", "warn"), -EINVAL);
        assert_int_equal(set(c, "log", "level", "debug"), 0);
        assert_int_equal(c->log.level, LOG_DEBUG);
        assert_int_equal(set(c, "restart", "on_limit", "exit"), 0);
        assert_int_equal(c->restart.on_limit, CONFIG_ON_LIMIT_EXIT);
        assert_int_equal(set(c, "muster", "module", ""), -EINVAL);
}

static void a_header_value_cannot_carry_a_second_header(void **state) {
        _cleanup_config_ struct config *c = NULL;

        assert_int_equal(config_new(&c), 0);
        assert_int_equal(set(c, "http", "server_header", "a\r\nX: y"), -EINVAL);
        assert_int_equal(set(c, "http", "server_header", " a"), -EINVAL);
        assert_int_equal(set(c, "http", "server_header", "\xc3\xa4"), -EINVAL);
        assert_int_equal(set(c, "http", "server_header", "a/1 (b)"), 0);
        assert_int_equal(set(c, "http", "server_header", ""), 0);
        assert_string_equal(c->http.server_header, "");
}

static void a_list_is_checked_item_by_item(void **state) {
        _cleanup_config_ struct config *c = NULL;

        assert_int_equal(config_new(&c), 0);
        assert_int_equal(set(c, "http", "listen", "80 nonsense"), -EINVAL);
        assert_int_equal(set(c, "http", "listen", "  "), -ERANGE);
        assert_string_equal(c->http.listen[0], "127.0.0.1:8080");
        assert_int_equal(set(c, "http", "listen", " [::1]:80\t/run/x  @y "), 0);
        assert_string_equal(c->http.listen[0], "[::1]:80");
        assert_string_equal(c->http.listen[1], "/run/x");
        assert_string_equal(c->http.listen[2], "@y");
        assert_null(c->http.listen[3]);
}

static void what_is_allowed_is_said_in_words(void **state) {
        static const char *const cases[][3] = {
                { "worker", "workers", "1 to 256 or auto" },
                { "worker", "min_workers", "1 to 256 or workers" },
                { "worker", "max_rss", "1M to 1T or infinity" },
                { "restart", "on_limit", "backoff or exit" },
                { "worker", "kill_timeout", "10ms to 10min" },
                { "http", "max_header", "1K to 1M" },
                { "log", "access", "yes or no" },
                { "log", "level", "emerg, alert, crit, err, warning, notice, info or debug" },
                { "agent", "fault_limit", "0 to 100000 faults a minute" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *allowed = NULL;

                assert_int_equal(config_key_allowed(config_key_find(cases[i][0], cases[i][1]), &allowed), 0);
                assert_string_equal(allowed, cases[i][2]);
        }
}

static void a_slip_finds_the_name_that_was_meant(void **state) {
        assert_string_equal(config_nearest_key("http", "max_bodi"), "max_body");
        assert_string_equal(config_nearest_key("http", "MAX_BDOY"), "max_body");
        assert_string_equal(config_nearest_key("worker", "worker"), "workers");
        assert_string_equal(config_nearest_section("htpt"), "http");
        assert_string_equal(config_nearest_section("ap"), "app");
        assert_null(config_nearest_key("http", "zebra"));
        assert_null(config_nearest_key("worker", "listen"));
        assert_null(config_nearest_section("x"));
        assert_null(
                config_nearest_key("http", "a_name_that_is_far_longer_than_any_key_of_the_table_can_be"));
        assert_string_equal(config_other_section("listen"), "http");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_key_is_complete_and_there_once),
                cmocka_unit_test(every_default_is_within_its_own_range),
                cmocka_unit_test(defaults_are_those_of_the_design),
                cmocka_unit_test(a_value_is_taken_whole_or_not_at_all),
                cmocka_unit_test(a_header_value_cannot_carry_a_second_header),
                cmocka_unit_test(a_list_is_checked_item_by_item),
                cmocka_unit_test(what_is_allowed_is_said_in_words),
                cmocka_unit_test(a_slip_finds_the_name_that_was_meant),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
