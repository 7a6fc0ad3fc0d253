/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/target.h"
#include "util/macro.h"

static struct arena arena;

static int set_up(void **state) {
        arena_reset(&arena);
        return 0;
}

static int tear_down(void **state) {
        arena_reset(&arena);
        return 0;
}

static void assert_path(const char *text, const char *path) {
        struct target target;

        assert_int_equal(target_parse(&target, &arena, text), 0);
        assert_string_equal(target.path, path);
        assert_int_equal(target.size, strlen(path));
}

static void assert_refused(const char *text) {
        struct target target;

        assert_int_equal(target_parse(&target, &arena, text), -EINVAL);
}

static void test_a_path_is_decoded(void **state) {
        assert_path("/", "/");
        assert_path("/a/b", "/a/b");
        assert_path("/a%20b/%C3%a4", "/a b/\xc3\xa4");
        assert_path("/a+b", "/a+b");
        assert_path("/a//b/", "/a//b/");
        assert_path("//host/a", "//host/a");
}

static void test_dot_segments_are_removed_before_anything_is_routed(void **state) {
        assert_path("/a/./b", "/a/b");
        assert_path("/a/../b", "/b");
        assert_path("/a/b/..", "/a/");
        assert_path("/a/b/.", "/a/b/");
        assert_path("/a//..", "/a/");
        assert_path("/.", "/");
        assert_path("/..", "/");
        assert_path("/a/b/c/./../../g", "/a/g"); /* the RFC's own example */
        assert_path("/...", "/...");
        assert_path("/.a/..b", "/.a/..b");
}

static void test_no_path_climbs_above_the_root(void **state) {
        assert_path("/../../etc/passwd", "/etc/passwd");
        assert_path("/a/../../b", "/b");
        assert_path("/%2e%2e/%2E./b", "/b");
        assert_path("/.%2e/..", "/");
}

static void test_an_encoded_slash_stays_in_its_segment(void **state) {
        struct target target;
        const char *segment;

        assert_int_equal(target_parse(&target, &arena, "/a%2Fb/..c%2fd"), 0);
        assert_string_equal(target.path, "/a/b/..c/d");
        segment = target_first(&target);
        assert_string_equal(segment, "a/b");
        segment = target_next(&target, segment);
        assert_string_equal(segment, "..c/d");
        assert_string_equal(target_rest(&target, segment), "..c/d");
        assert_null(target_next(&target, segment));
}

static void test_the_segments_are_walked_empty_ones_included(void **state) {
        struct target target;
        const char *segment;

        assert_int_equal(target_parse(&target, &arena, "/a//c/"), 0);
        segment = target_first(&target);
        assert_string_equal(segment, "a");
        segment = target_next(&target, segment);
        assert_string_equal(segment, "");
        segment = target_next(&target, segment);
        assert_string_equal(segment, "c");
        assert_string_equal(target_rest(&target, segment), "c/");
        segment = target_next(&target, segment);
        assert_string_equal(segment, "");
        assert_null(target_next(&target, segment));

        assert_int_equal(target_parse(&target, &arena, "/"), 0);
        assert_string_equal(target_first(&target), "");
        assert_null(target_next(&target, target_first(&target)));
}

static void test_an_encoded_slash_brings_no_dot_segments_back(void **state) {
        assert_refused("/items/..%2f..%2fetc");
        assert_refused("/a%2F..");
        assert_refused("/a%2f%2e%2E%2fb");
        assert_refused("/.%2fa");
        assert_refused("/a%2f.");
        assert_refused("/%2f..");
        assert_path("/%2f", "//");
        assert_path("/a%2f...%2f.b%2fc.", "/a/.../.b/c.");
}

static void test_bad_escapes_are_refused(void **state) {
        assert_refused("/%");
        assert_refused("/%4");
        assert_refused("/%zz");
        assert_refused("/a%/b");
        assert_refused("/%0g");
        assert_refused("/a%00b");
        assert_refused("/%4/1");
}

static void test_an_absolute_form_gives_its_path(void **state) {
        struct target target;

        assert_path("http://host/a/b", "/a/b");
        assert_path("HTTP://host:80/a", "/a");
        assert_path("https://host", "/");
        assert_int_equal(target_parse(&target, &arena, "http://host?x=1"), 0);
        assert_string_equal(target.path, "/");
        assert_string_equal(target.query, "x=1");
        assert_refused("http:///a");
        assert_refused("http://");
        assert_refused("http://:80/a");
        assert_refused("http://host#a");
        assert_refused("ftp://host/a");
        assert_refused("host:80");
        assert_refused("");
        assert_refused("a/b");
        assert_refused("/a#b");
}

static void test_an_absolute_form_names_its_host(void **state) {
        struct target target;

        assert_int_equal(target_parse(&target, &arena, "http://Host:80/a?b"), 0);
        assert_string_equal(target.authority, "Host:80");
        assert_int_equal(target_parse(&target, &arena, "http://[::1]?b"), 0);
        assert_string_equal(target.authority, "[::1]");
        assert_int_equal(target_parse(&target, &arena, "https://host"), 0);
        assert_string_equal(target.authority, "host");
        assert_int_equal(target_parse(&target, &arena, "/http://host/"), 0);
        assert_null(target.authority);
}

static void test_the_asterisk_is_a_target_of_its_own(void **state) {
        struct target target;

        assert_int_equal(target_parse(&target, &arena, "*"), 0);
        assert_true(target.asterisk);
        assert_string_equal(target.path, "*");
        assert_null(target_next(&target, target_first(&target)));
        assert_refused("**");
}

static void test_the_query_is_left_as_it_was_sent(void **state) {
        struct target target;

        assert_int_equal(target_parse(&target, &arena, "/a?b=%20/../?c"), 0);
        assert_string_equal(target.path, "/a");
        assert_string_equal(target.query, "b=%20/../?c");
        assert_int_equal(target_parse(&target, &arena, "/a?"), 0);
        assert_string_equal(target.query, "");
        assert_int_equal(target_parse(&target, &arena, "/a"), 0);
        assert_null(target.query);
}

static void assert_next(char **cursor, const char *name, const char *value) {
        char *got_name, *got_value;

        assert_true(query_next(cursor, &got_name, &got_value));
        assert_string_equal(got_name, name);
        assert_string_equal(got_value, value);
}

/* One without a query is taken by a shorter way. */
static void test_a_path_is_the_same_with_and_without_a_query(void **state) {
        static const char *const paths[] = { "/",      "//",  "/a",     "/a/",   "/a.b/c..d/~",
                                             "/a//b/", "/..", "/a/./b", "/a%20b" };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                struct target target, other;
                char text[64];

                (void) snprintf(text, sizeof(text), "%s?", paths[i]);
                assert_int_equal(target_parse(&target, &arena, paths[i]), 0);
                assert_int_equal(target_parse(&other, &arena, text), 0);
                assert_int_equal(target.size, other.size);
                assert_string_equal(target.path, other.path);
                assert_memory_equal(target.segments, other.segments, target.size + 1);
        }
}

static void test_a_query_gives_names_and_values_in_order(void **state) {
        char text[] = "&&a=1&b&c=&=d&a=2&e=f=g&&", *cursor = text, *name, *value;

        assert_next(&cursor, "a", "1");
        assert_next(&cursor, "b", "");
        assert_next(&cursor, "c", "");
        assert_next(&cursor, "", "d");
        assert_next(&cursor, "a", "2");
        assert_next(&cursor, "e", "f=g");
        assert_false(query_next(&cursor, &name, &value));
        assert_false(query_next(&cursor, &name, &value));
}

static void test_a_query_is_decoded_and_plus_is_a_space(void **state) {
        char text[] = "a+b=c%2Bd+e&%26=%3d&x=%zz%4", *cursor = text;

        assert_next(&cursor, "a b", "c+d e");
        assert_next(&cursor, "&", "=");
        assert_next(&cursor, "x", "%zz%4");
}

static void test_long_targets_use_more_than_the_arenas_own_room(void **state) {
        char text[6001];
        struct target target;

        for (size_t i = 0; i < sizeof(text) / 2; i++)
                memcpy(text + 2 * i, "/x", 2);
        text[sizeof(text) - 1] = '\0';
        for (int i = 0; i < 3; i++) {
                assert_int_equal(target_parse(&target, &arena, text), 0);
                assert_string_equal(target.path, text);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_path_is_decoded),
                TEST(test_dot_segments_are_removed_before_anything_is_routed),
                TEST(test_no_path_climbs_above_the_root),
                TEST(test_an_encoded_slash_stays_in_its_segment),
                TEST(test_the_segments_are_walked_empty_ones_included),
                TEST(test_an_encoded_slash_brings_no_dot_segments_back),
                TEST(test_bad_escapes_are_refused),
                TEST(test_an_absolute_form_gives_its_path),
                TEST(test_an_absolute_form_names_its_host),
                TEST(test_the_asterisk_is_a_target_of_its_own),
                TEST(test_the_query_is_left_as_it_was_sent),
                TEST(test_a_path_is_the_same_with_and_without_a_query),
                TEST(test_a_query_gives_names_and_values_in_order),
                TEST(test_a_query_is_decoded_and_plus_is_a_space),
                TEST(test_long_targets_use_more_than_the_arenas_own_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
