/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/conditional.h"

#define MODIFIED 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct representation representation = { .etag = "\"abc\"",
                                                      .modified = MODIFIED,
                                                      .size = 1000 };

static void assert_selects(struct condition condition, unsigned int status) {
        struct selection selection = condition_evaluate(&condition, &representation);

        assert_int_equal(selection.status, status);
}

static void test_dates_are_written_as_http_wants_them(void **state) {
        char buffer[HTTP_DATE_SIZE];

        assert_string_equal(http_date_format(MODIFIED, buffer), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_string_equal(http_date_format(0, buffer), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_string_equal(http_date_format(1709208000, buffer), "Thu, 29 Feb 2024 12:00:00 GMT");
}

static void test_all_three_forms_of_a_date_are_read(void **state) {
        static const char *const texts[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                             "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };
        time_t time;

        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(http_date_parse(texts[i], &time), 0);
                assert_int_equal(time, MODIFIED);
        }
}

static void test_what_is_no_date_is_refused(void **state) {
        static const char *const texts[] = { "",
                                             "yesterday",
                                             "Sun, 06 Nov 1994 08:49:37",
                                             "Sun, 06 Nov 1994 08:49:37 GMT ",
                                             "Sun, 06 Nix 1994 08:49:37 GMT",
                                             "Sun, 32 Nov 1994 08:49:37 GMT",
                                             "Sun, 06 Nov 1994 24:49:37 GMT",
                                             "Sun, 6 Nov 1994 08:49:37 GMT",
                                             "784111777" };
        time_t time;

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_int_equal(http_date_parse(texts[i], &time), -EINVAL);
}

static void test_tags_are_found_in_lists(void **state) {
        assert_true(etag_listed("\"abc\"", "\"abc\"", true));
        assert_true(etag_listed("\"x\", \"abc\"", "\"abc\"", true));
        assert_true(etag_listed("\"x\" ,W/\"y\",\"abc\",", "\"abc\"", true));
        assert_true(etag_listed("*", "\"abc\"", true));
        assert_false(etag_listed("\"abcd\"", "\"abc\"", true));
        assert_false(etag_listed("", "\"abc\"", true));
        assert_false(etag_listed("abc", "\"abc\"", true));
        assert_false(etag_listed("\"abc", "\"abc\"", true));
}

static void test_weak_tags_match_only_weakly(void **state) {
        assert_false(etag_listed("W/\"abc\"", "\"abc\"", true));
        assert_true(etag_listed("W/\"abc\"", "\"abc\"", false));
}

static void test_without_conditions_all_is_sent(void **state) {
        struct selection selection =
                condition_evaluate(&(struct condition){ .is_get = true }, &representation);

        assert_int_equal(selection.status, 200);
        assert_int_equal(selection.ranges[0].start, 0);
        assert_int_equal(selection.ranges[0].size, 1000);
}

static void test_if_match_and_if_unmodified_since_fail_with_412(void **state) {
        assert_selects((struct condition){ .if_match = "\"abc\"" }, 200);
        assert_selects((struct condition){ .if_match = "*" }, 200);
        assert_selects((struct condition){ .if_match = "\"other\"" }, 412);
        assert_selects((struct condition){ .if_match = "W/\"abc\"" }, 412);
        assert_selects((struct condition){ .if_unmodified_since = "Sun, 06 Nov 1994 08:49:37 GMT" }, 200);
        assert_selects((struct condition){ .if_unmodified_since = "Sun, 06 Nov 1994 08:49:36 GMT" }, 412);
        assert_selects((struct condition){ .if_unmodified_since = "whenever" }, 200);
}

static void test_what_the_client_has_is_304(void **state) {
        assert_selects((struct condition){ .is_get = true, .if_none_match = "\"abc\"" }, 304);
        assert_selects((struct condition){ .is_get = true, .if_none_match = "W/\"abc\"" }, 304);
        assert_selects((struct condition){ .is_get = true, .if_none_match = "\"old\"" }, 200);
        assert_selects(
                (struct condition){ .is_get = true, .if_modified_since = "Sun, 06 Nov 1994 08:49:37 GMT" },
                304);
        assert_selects(
                (struct condition){ .is_get = true, .if_modified_since = "Sun, 06 Nov 1994 08:49:36 GMT" },
                200);
        assert_selects((struct condition){ .is_get = true, .if_modified_since = "whenever" }, 200);
}

static void test_head_has_it_too_but_other_methods_fail(void **state) {
        static const char now[] = "Sun, 06 Nov 1994 08:49:37 GMT";

        assert_selects((struct condition){ .is_head = true, .if_none_match = "*" }, 304);
        assert_selects((struct condition){ .is_head = true, .if_modified_since = now }, 304);
        assert_selects((struct condition){ .if_none_match = "\"abc\"" }, 412);
        assert_selects((struct condition){ .if_none_match = "*" }, 412);
        assert_selects((struct condition){ .if_none_match = "\"old\"" }, 200);
        assert_selects((struct condition){ .if_modified_since = now }, 200);
}

static void test_tags_decide_before_dates(void **state) {
        assert_selects((struct condition){ .is_get = true,
                                           .if_none_match = "\"old\"",
                                           .if_modified_since = "Sun, 06 Nov 1994 08:49:37 GMT" },
                       200);
        assert_selects((struct condition){ .if_match = "\"abc\"",
                                           .if_unmodified_since = "Sun, 06 Nov 1994 08:49:36 GMT" },
                       200);
        assert_selects((struct condition){ .if_match = "\"old\"", .if_none_match = "\"abc\"" }, 412);
        assert_selects(
                (struct condition){ .if_none_match = "\"abc\"", .range = "bytes=0-1", .is_get = true }, 304);
}

static void test_a_range_is_answered_206_or_416(void **state) {
        struct condition condition = { .range = "bytes=10-19", .is_get = true };
        struct selection selection = condition_evaluate(&condition, &representation);

        assert_int_equal(selection.status, 206);
        assert_int_equal(selection.n, 1);
        assert_int_equal(selection.ranges[0].start, 10);
        assert_int_equal(selection.ranges[0].size, 10);
        assert_selects((struct condition){ .range = "bytes=1000-", .is_get = true }, 416);
        assert_selects((struct condition){ .range = "bytes=0-1,5-6", .is_get = true }, 206);
        assert_selects((struct condition){ .range = "lines=0-1", .is_get = true }, 200);
}

static void test_only_get_has_ranges(void **state) {
        assert_selects((struct condition){ .range = "bytes=10-19" }, 200);
}

static void test_if_range_lets_the_range_stand_for_the_same_thing_only(void **state) {
        struct condition condition = { .range = "bytes=0-1", .is_get = true };

        condition.if_range = "\"abc\"";
        assert_selects(condition, 206);
        condition.if_range = "\"old\"";
        assert_selects(condition, 200);
        condition.if_range = "W/\"abc\"";
        assert_selects(condition, 200);
        condition.if_range = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_selects(condition, 206);
        condition.if_range = "Sun, 06 Nov 1994 08:49:38 GMT";
        assert_selects(condition, 200);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates_are_written_as_http_wants_them),
                cmocka_unit_test(test_all_three_forms_of_a_date_are_read),
                cmocka_unit_test(test_what_is_no_date_is_refused),
                cmocka_unit_test(test_tags_are_found_in_lists),
                cmocka_unit_test(test_weak_tags_match_only_weakly),
                cmocka_unit_test(test_without_conditions_all_is_sent),
                cmocka_unit_test(test_if_match_and_if_unmodified_since_fail_with_412),
                cmocka_unit_test(test_what_the_client_has_is_304),
                cmocka_unit_test(test_head_has_it_too_but_other_methods_fail),
                cmocka_unit_test(test_tags_decide_before_dates),
                cmocka_unit_test(test_a_range_is_answered_206_or_416),
                cmocka_unit_test(test_only_get_has_ranges),
                cmocka_unit_test(test_if_range_lets_the_range_stand_for_the_same_thing_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
