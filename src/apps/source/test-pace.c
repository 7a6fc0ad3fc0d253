/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clock.h"
#include "pace.h"

#define MSEC   UINT64_C(1000)
#define SEC    (1000 * MSEC)
#define START  (1000 * SEC)
#define MIDDLE 512U /* the random number that varies nothing */

static const struct want force = { .by = BY_FORCE, .whole = true };
static const struct want pull = { .by = BY_PULL, .check = true, .tell = true };
static const struct want push = { .by = BY_PUSH };

static struct pace new_pace(void) {
        return (struct pace){ .spacing = 100 * MSEC, .backoff_min = SEC, .backoff_max = 60 * SEC };
}

/* Wants it, asks, and has the answer 10 ms later. */
static void ask(struct pace *pace, const struct want *want, uint64_t now, bool failed) {
        pace_want(pace, want, now);
        (void) pace_begin(pace, now);
        pace_end(pace, now + 10 * MSEC, failed, MIDDLE);
}

static void test_nothing_is_asked_that_nobody_wants(void **state) {
        struct pace pace = new_pace();

        assert_true(pace_next(&pace) == NEVER);
        ask(&pace, &force, START, false);
        assert_true(pace_next(&pace) == NEVER);
}

static void test_the_first_is_asked_for_at_once(void **state) {
        struct pace pace = new_pace();

        pace_want(&pace, &push, START);
        assert_true(pace_next(&pace) == START);
        assert_int_equal(pace_begin(&pace, START).by, BY_PUSH);
        assert_true(pace_next(&pace) == NEVER);
}

static void test_what_all_want_is_asked_for_one_after_another(void **state) {
        struct pace pace = new_pace();

        pace.offset = 15 * MSEC;
        pace_want(&pace, &push, START);
        pace_want(&pace, &push, START + 10 * MSEC);
        assert_true(pace_next(&pace) == START + 15 * MSEC);
        (void) pace_begin(&pace, START + 15 * MSEC);
        pace_want(&pace, &push, START + 20 * MSEC);
        pace_end(&pace, START + 30 * MSEC, false, MIDDLE);
        assert_true(pace_next(&pace) == START + 115 * MSEC);
}

static void test_who_asks_for_all_does_not_wait_for_the_others(void **state) {
        struct pace pace = new_pace();

        pace.offset = 15 * MSEC;
        pace_want(&pace, &pull, START);
        assert_true(pace_next(&pace) == START);
}

static void test_what_is_wanted_while_one_is_under_way_follows_it_once(void **state) {
        struct pace pace = new_pace();
        struct want want;

        pace_want(&pace, &push, START);
        (void) pace_begin(&pace, START);
        for (uint64_t i = 0; i < 100; i++)
                pace_want(&pace, &push, START + i * MSEC);
        assert_true(pace_next(&pace) == NEVER);
        pace_end(&pace, START + 500 * MSEC, false, MIDDLE);
        assert_true(pace_next(&pace) <= START + 500 * MSEC);
        want = pace_begin(&pace, START + 500 * MSEC);
        assert_int_equal(want.by, BY_PUSH);
        pace_end(&pace, START + 600 * MSEC, false, MIDDLE);
        assert_true(pace_next(&pace) == NEVER);
}

static void test_a_hundred_changes_in_a_second_are_asked_for_ten_times(void **state) {
        struct pace pace = new_pace();
        uint64_t now, last = 0;
        int asked = 0;

        for (now = START; now < START + 2 * SEC; now += MSEC) {
                if (now < START + SEC && (now - START) % (10 * MSEC) == 0) {
                        pace_want(&pace, &push, now);
                        last = now;
                }
                if (pace_next(&pace) <= now) {
                        (void) pace_begin(&pace, now);
                        pace_end(&pace, now, false, MIDDLE);
                        asked++;
                }
        }
        assert_int_equal(asked, 11);
        assert_true(pace.begun >= last); /* asked once more after the last of them */
        assert_true(pace.begun <= last + 100 * MSEC);
}

static void test_one_request_does_for_all_that_is_wanted(void **state) {
        struct pace pace = new_pace();
        struct want want;

        pace_want(&pace, &force, START);
        pace_want(&pace, &pull, START);
        want = pace_begin(&pace, START);
        assert_int_equal(want.by, BY_FORCE); /* a check alone is no update */
        assert_true(want.whole && want.tell);
        assert_false(want.check);
        pace_end(&pace, START, false, MIDDLE);

        pace_want(&pace, &pull, START + SEC);
        pace_want(&pace, &push, START + SEC);
        want = pace_begin(&pace, START + SEC);
        assert_int_equal(want.by, BY_PUSH);
        assert_false(want.whole || want.check);
        assert_true(want.tell);
}

static void test_an_update_that_failed_is_wanted_again_later_and_later(void **state) {
        struct pace pace = new_pace();
        uint64_t now = START, waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };

        pace_want(&pace, &push, now);
        for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
                assert_int_equal(pace_begin(&pace, now).by, BY_PUSH);
                pace_end(&pace, now, true, MIDDLE);
                assert_true(pace_next(&pace) == now + waits[i] * SEC);
                now = pace_next(&pace);
        }
        (void) pace_begin(&pace, now);
        pace_end(&pace, now, false, MIDDLE);
        assert_true(pace_next(&pace) == NEVER);
        assert_int_equal(pace.failures, 0);
}

static void test_the_pause_varies_by_half(void **state) {
        for (uint32_t random = 0; random < 5000; random += 7) {
                struct pace pace = new_pace();

                pace_want(&pace, &force, START);
                (void) pace_begin(&pace, START);
                pace_end(&pace, START, true, random);
                assert_true(pace_next(&pace) >= START + SEC / 2);
                assert_true(pace_next(&pace) < START + SEC + SEC / 2);
        }
}

static void test_a_check_that_failed_is_not_repeated(void **state) {
        struct pace pace = new_pace();

        ask(&pace, &pull, START, true);
        assert_true(pace_next(&pace) == NEVER);
        assert_int_equal(pace.failures, 1);
}

static void test_news_ends_the_pause_but_not_within_a_second_of_the_last_try(void **state) {
        struct pace pace = new_pace();
        uint64_t now = START;

        pace_want(&pace, &push, now);
        for (int i = 0; i < 5; i++) {
                now = pace_next(&pace);
                (void) pace_begin(&pace, now);
                pace_end(&pace, now, true, MIDDLE);
        }
        assert_true(pace_next(&pace) == now + 16 * SEC);
        pace_want(&pace, &push, now + 100 * MSEC);
        assert_true(pace_next(&pace) == now + SEC);
        pace_want(&pace, &push, now + 5 * SEC);
        assert_true(pace_next(&pace) == now + SEC);
}

static void test_what_waits_behind_a_failure_waits_for_the_pause_too(void **state) {
        struct pace pace = new_pace();

        pace_want(&pace, &pull, START);
        (void) pace_begin(&pace, START);
        pace_want(&pace, &push, START + MSEC);
        pace_end(&pace, START + 2 * SEC, true, MIDDLE);
        assert_true(pace_next(&pace) == START + 3 * SEC);
        assert_int_equal(pace_begin(&pace, START + 3 * SEC).by, BY_PUSH);
}

static void test_names_are_read_as_they_are_written(void **state) {
        enum by by;

        for (int i = BY_FORCE; i <= BY_PUSH; i++) {
                assert_int_equal(by_parse(by_name((enum by) i), &by), 0);
                assert_int_equal(by, i);
        }
        assert_true(by_parse("", &by) < 0);
        assert_true(by_parse("pushed", &by) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing_is_asked_that_nobody_wants),
                cmocka_unit_test(test_the_first_is_asked_for_at_once),
                cmocka_unit_test(test_what_all_want_is_asked_for_one_after_another),
                cmocka_unit_test(test_who_asks_for_all_does_not_wait_for_the_others),
                cmocka_unit_test(test_what_is_wanted_while_one_is_under_way_follows_it_once),
                cmocka_unit_test(test_a_hundred_changes_in_a_second_are_asked_for_ten_times),
                cmocka_unit_test(test_one_request_does_for_all_that_is_wanted),
                cmocka_unit_test(test_an_update_that_failed_is_wanted_again_later_and_later),
                cmocka_unit_test(test_the_pause_varies_by_half),
                cmocka_unit_test(test_a_check_that_failed_is_not_repeated),
                cmocka_unit_test(test_news_ends_the_pause_but_not_within_a_second_of_the_last_try),
                cmocka_unit_test(test_what_waits_behind_a_failure_waits_for_the_pause_too),
                cmocka_unit_test(test_names_are_read_as_they_are_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
