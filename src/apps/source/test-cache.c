/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cache.h"

#define SEC UINT64_C(1000000)

static struct cache cache;

static int set_up(void **state) {
        cache = (struct cache){ .fresh_for = 60 * SEC };
        return 0;
}

static int tear_down(void **state) {
        cache_deinit(&cache);
        return 0;
}

static int set(const char *json, uint64_t now) {
        char *reason = NULL;
        int r;

        r = cache_set(&cache, json, strlen(json), now, &reason);
        assert_true((r < 0) == (reason != NULL));
        free(reason);
        return r;
}

static const char *get(const char *key) {
        return json_string_value(cache_get(&cache, key));
}

static void test_before_the_first_there_is_nothing(void **state) {
        assert_false(cache_is_loaded(&cache));
        assert_null(cache_get(&cache, "a"));
}

static void test_what_the_origin_has_can_be_looked_up(void **state) {
        assert_int_equal(set("{\"a\": \"1\", \"\\u00e4 b\": \"\\n\", \"n\": 7}", SEC), 1);
        assert_true(cache_is_loaded(&cache));
        assert_string_equal(get("a"), "1");
        assert_string_equal(get("\xc3\xa4 b"), "\n");
        assert_int_equal(json_integer_value(cache_get(&cache, "n")), 7);
        assert_null(cache_get(&cache, "b"));
        assert_null(cache_get(&cache, NULL));
}

static void test_new_data_takes_the_place_of_all_there_was(void **state) {
        char version[CACHE_VERSION_SIZE];

        assert_int_equal(set("{\"a\": \"1\", \"b\": \"2\"}", SEC), 1);
        memcpy(version, cache.version, sizeof(version));
        assert_int_equal(set("{\"a\": \"3\"}", 2 * SEC), 1);
        assert_string_equal(get("a"), "3");
        assert_null(cache_get(&cache, "b"));
        assert_string_not_equal(version, cache.version);
        assert_int_equal(set("{\"a\": \"1\", \"b\": \"2\"}", 3 * SEC), 1);
        assert_string_equal(version, cache.version);
}

static void test_the_same_again_is_no_news_but_confirms(void **state) {
        uint64_t changed;

        assert_int_equal(set("{\"a\": \"1\"}", SEC), 1);
        changed = cache.changed;
        cache_doubt(&cache, "why not");
        assert_int_equal(set("{\"a\": \"1\"}", 9 * SEC), 0);
        assert_true(cache.changed == changed);
        assert_true(cache_age(&cache, 10 * SEC) == SEC);
        assert_false(cache_is_stale(&cache, 10 * SEC));
}

static void test_what_is_no_object_changes_nothing(void **state) {
        static const char *const bad[] = {
                "",
                "x",
                "[1]",
                "\"a\"",
                "null",
                "{\"a\": \"2\"",
                "{\"a\": \"2\"} x",
                "{\"a\": 1, \"a\": 2}",
                "{\"a\": \"\xff\"}",
                "<html>Moved</html>",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
                assert_int_equal(set(bad[i], SEC), -EBADMSG);
        assert_false(cache_is_loaded(&cache));
        assert_int_equal(set("{\"a\": \"1\"}", SEC), 1);
        for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
                assert_int_equal(set(bad[i], 2 * SEC), -EBADMSG);
                assert_string_equal(get("a"), "1");
                assert_true(cache_age(&cache, 2 * SEC) == SEC);
        }
}

static void test_an_endless_depth_is_refused(void **state) {
        static char deep[1 << 20] = "{\"a\": ";

        memset(deep + strlen(deep), '[', sizeof(deep) - strlen(deep) - 1);
        assert_int_equal(set(deep, SEC), -EBADMSG);
}

static void test_only_as_many_bytes_are_read_as_there_are(void **state) {
        char *reason = NULL;

        assert_int_equal(cache_set(&cache, "{}garbage", 2, SEC, &reason), 1);
        assert_null(reason);
}

static void test_data_is_stale_when_it_is_in_doubt_or_old(void **state) {
        assert_int_equal(set("{}", SEC), 1);
        assert_false(cache_is_stale(&cache, 61 * SEC));
        assert_true(cache_is_stale(&cache, 61 * SEC + 1));
        cache_confirm(&cache, 62 * SEC);
        assert_false(cache_is_stale(&cache, 63 * SEC));
        cache_doubt(&cache, "down");
        cache_doubt(&cache, "still down");
        assert_true(cache_is_stale(&cache, 63 * SEC));
        assert_string_equal(cache.doubt, "still down");
        assert_true(cache_age(&cache, 63 * SEC) == SEC);
        cache_confirm(&cache, 64 * SEC);
        assert_false(cache_is_stale(&cache, 64 * SEC));
}

static void test_a_clock_behind_makes_no_age(void **state) {
        assert_int_equal(set("{}", 5 * SEC), 1);
        assert_true(cache_age(&cache, 4 * SEC) == 0);
}

static void test_data_may_be_older_than_the_clock(void **state) {
        assert_int_equal(set("{}", 5 * SEC - 100 * SEC), 1);
        assert_true(cache_age(&cache, 5 * SEC) == 100 * SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(test_before_the_first_there_is_nothing),
                TEST(test_what_the_origin_has_can_be_looked_up),
                TEST(test_new_data_takes_the_place_of_all_there_was),
                TEST(test_the_same_again_is_no_news_but_confirms),
                TEST(test_what_is_no_object_changes_nothing),
                TEST(test_an_endless_depth_is_refused),
                TEST(test_only_as_many_bytes_are_read_as_there_are),
                TEST(test_data_is_stale_when_it_is_in_doubt_or_old),
                TEST(test_a_clock_behind_makes_no_age),
                TEST(test_data_may_be_older_than_the_clock),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
