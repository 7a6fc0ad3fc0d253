/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/scale.h"
#include "util/macro.h"

#define SEC USEC_PER_SEC
#define END                                                                                                 \
        { 0, 0, 0, 0 }

/* A part of a story: for so many seconds the workers are that busy (permille of one worker, to be shared by all), and
 * so many of them are missing. At its end there are `expect`. */
struct part {
        unsigned int seconds;
        unsigned int load;
        unsigned int missing;
        unsigned int expect;
};

/* How busy each is, of so many. */
static unsigned int shared(unsigned int load, unsigned int workers) {
        return workers > 0 ? MIN(load / workers, 1000U) : 0;
}

/* Plays a story in virtual time. The load is what there is to do: more workers share it. Returns how often the number
 * changed. */
static unsigned int play(const struct scale_bounds *bounds, unsigned int n, const struct part *parts) {
        struct scale scale = {};
        unsigned int changes = 0, second = 0;

        for (; parts->seconds > 0; parts++) {
                for (unsigned int i = 0; i < parts->seconds; i++, second++) {
                        unsigned int ready = n > parts->missing ? n - parts->missing : 0;
                        struct scale_sample sample = { SEC, n, ready, shared(parts->load, ready) };
                        unsigned int business = 0, wanted;

                        wanted = scale_decide(&scale, bounds, &sample, &business);
                        assert_in_range(wanted, bounds->min, bounds->max);
                        changes += wanted != n;
                        n = wanted;
                }
                if (n != parts->expect)
                        fail_msg("after %u s there are %u workers, not %u", second, n, parts->expect);
        }
        return changes;
}

static const struct scale_bounds one_to_eight = { 1, 2, 8 };

static void test_load_brings_workers_within_seconds(void **state) {
        static const struct part parts[] = { { 2, 2000, 0, 2 }, { 1, 2000, 0, 4 }, { 60, 2000, 0, 4 }, END };

        (void) play(&one_to_eight, 2, parts);
}

static void test_a_ramp_is_followed(void **state) {
        static const struct part parts[] = {
                { 20, 400, 0, 1 }, { 20, 1000, 0, 2 }, { 20, 2000, 0, 4 }, { 20, 4000, 0, 7 }, END,
        };

        (void) play(&one_to_eight, 1, parts);
}

static void test_more_than_max_never_come(void **state) {
        static const struct part parts[] = { { 600, 100000, 0, 8 }, END };

        assert_int_equal(play(&one_to_eight, 1, parts), 4);
}

static void test_an_idle_pool_shrinks_one_a_minute_down_to_min(void **state) {
        static const struct part parts[] = {
                { 59, 0, 0, 4 }, { 1, 0, 0, 3 }, { 60, 0, 0, 2 }, { 60, 0, 0, 1 }, { 600, 0, 0, 1 }, END,
        };

        (void) play(&one_to_eight, 4, parts);
}

static void test_a_load_in_between_changes_nothing(void **state) {
        static const struct part parts[] = {
                { 600, 2000, 0, 4 }, { 600, 1100, 0, 4 }, { 600, 2900, 0, 4 }, END
        };

        assert_int_equal(play(&one_to_eight, 4, parts), 0);
}

static void test_short_peaks_and_pauses_change_nothing(void **state) {
        static const struct part parts[] = {
                { 10, 1000, 0, 2 }, { 2, 2000, 0, 2 },  { 10, 1000, 0, 2 },
                { 30, 0, 0, 2 },    { 40, 1000, 0, 2 }, END,
        };

        assert_int_equal(play(&one_to_eight, 2, parts), 0);
}

/* What one decision does, the next one never undoes: with any steady load the number settles. */
static void test_a_steady_load_never_flaps(void **state) {
        for (unsigned int load = 0; load <= 9000; load += 50)
                for (unsigned int begin = 1; begin <= 8; begin++) {
                        struct scale scale = {};
                        unsigned int n = begin, grows = 0, shrinks = 0;

                        for (unsigned int second = 0; second < 1200; second++) {
                                struct scale_sample sample = { SEC, n, n, shared(load, n) };
                                unsigned int business, wanted;

                                wanted = scale_decide(&scale, &one_to_eight, &sample, &business);
                                grows += wanted > n;
                                shrinks += wanted < n;
                                n = wanted;
                        }
                        assert_true(grows == 0 || shrinks == 0);
                }
}

static void test_a_load_that_comes_and_goes_keeps_its_workers(void **state) {
        struct part parts[101];

        for (size_t i = 0; i < ELEMENTSOF(parts) - 1; i++)
                parts[i] = (struct part){ .seconds = 10, .load = i % 2 ? 0 : 2400, .expect = 4 };
        parts[ELEMENTSOF(parts) - 1] = (struct part) END;
        assert_int_equal(play(&one_to_eight, 2, parts), 1);
}

static void test_missing_workers_are_no_reason_to_have_more(void **state) {
        static const struct part parts[] = { { 60, 2900, 1, 4 }, { 600, 1000, 3, 4 }, { 60, 0, 4, 4 }, END };

        assert_int_equal(play(&one_to_eight, 4, parts), 0);
}

static void test_nor_to_have_fewer(void **state) {
        static const struct part parts[] = { { 600, 0, 1, 4 }, { 59, 0, 0, 4 }, { 1, 0, 0, 3 }, END };

        (void) play(&one_to_eight, 4, parts);
}

static void test_what_was_seen_before_a_crash_does_not_count_after_it(void **state) {
        static const struct part parts[] = {
                { 2, 4000, 0, 4 }, { 1, 4000, 1, 4 }, { 2, 4000, 0, 4 }, { 1, 4000, 0, 7 }, END
        };

        (void) play(&one_to_eight, 4, parts);
}

static void test_bounds_that_change_are_kept_at_once(void **state) {
        static const struct {
                struct scale_bounds bounds;
                unsigned int before, after;
        } cases[] = {
                { { 1, 2, 3 }, 8, 3 },
                { { 4, 4, 8 }, 2, 4 },
                { { 1, 2, 8 }, 5, 5 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct scale_sample sample = { SEC, cases[i].before, cases[i].before, 500 };
                struct scale scale = {};
                unsigned int business;

                assert_int_equal(scale_decide(&scale, &cases[i].bounds, &sample, &business), cases[i].after);
        }
}

static void test_a_late_sample_counts_no_more_than_others(void **state) {
        struct scale_sample late = { 600 * SEC, 4, 4, 1000 };
        struct scale scale = {};
        unsigned int business;

        assert_int_equal(scale_decide(&scale, &one_to_eight, &late, &business), 4);
        late.business = 0;
        for (unsigned int i = 0; i < 30; i++)
                assert_int_equal(scale_decide(&scale, &one_to_eight, &late, &business), 4);
}

static void test_without_bounds_the_number_is_fixed(void **state) {
        static const struct scale_bounds fixed = { 4, 4, 4 };
        static const struct part parts[] = { { 600, 100000, 0, 4 }, { 600, 0, 0, 4 }, END };

        assert_int_equal(play(&fixed, 4, parts), 0);
}

static void test_the_words_of_the_configuration_give_way_to_numbers(void **state) {
        static const struct {
                unsigned int workers, min, max, cpus;
                struct scale_bounds bounds;
        } cases[] = {
                { 0, 0, 0, 4, { 4, 4, 4 } },  { 3, 0, 0, 4, { 3, 3, 3 } }, { 0, 2, 0, 4, { 2, 4, 4 } },
                { 0, 0, 9, 4, { 4, 4, 9 } },  { 0, 6, 0, 4, { 6, 6, 6 } }, { 0, 0, 2, 4, { 2, 2, 2 } },
                { 0, 6, 9, 4, { 6, 6, 9 } },  { 0, 1, 2, 4, { 1, 2, 2 } }, { 3, 1, 8, 4, { 1, 3, 8 } },
                { 3, 0, 8, 64, { 3, 3, 8 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct scale_bounds bounds =
                        scale_bounds(cases[i].workers, cases[i].min, cases[i].max, cases[i].cpus);

                assert_int_equal(bounds.min, cases[i].bounds.min);
                assert_int_equal(bounds.start, cases[i].bounds.start);
                assert_int_equal(bounds.max, cases[i].bounds.max);
        }
}

static void test_a_reload_keeps_a_number_that_the_load_has_made(void **state) {
        static const struct {
                struct scale_bounds before, after;
                unsigned int current, expect;
        } cases[] = {
                { { 1, 2, 8 }, { 1, 2, 8 }, 5, 5 }, { { 1, 2, 8 }, { 1, 2, 4 }, 5, 4 },
                { { 1, 2, 8 }, { 6, 6, 9 }, 5, 6 }, { { 1, 2, 8 }, { 3, 3, 3 }, 5, 3 },
                { { 4, 4, 4 }, { 1, 2, 8 }, 5, 2 }, /* 5: by hand */
                { { 4, 4, 4 }, { 4, 4, 4 }, 5, 4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(scale_carry(&cases[i].before, cases[i].current, &cases[i].after),
                                 cases[i].expect);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_load_brings_workers_within_seconds),
                cmocka_unit_test(test_a_ramp_is_followed),
                cmocka_unit_test(test_more_than_max_never_come),
                cmocka_unit_test(test_an_idle_pool_shrinks_one_a_minute_down_to_min),
                cmocka_unit_test(test_a_load_in_between_changes_nothing),
                cmocka_unit_test(test_short_peaks_and_pauses_change_nothing),
                cmocka_unit_test(test_a_steady_load_never_flaps),
                cmocka_unit_test(test_a_load_that_comes_and_goes_keeps_its_workers),
                cmocka_unit_test(test_missing_workers_are_no_reason_to_have_more),
                cmocka_unit_test(test_nor_to_have_fewer),
                cmocka_unit_test(test_what_was_seen_before_a_crash_does_not_count_after_it),
                cmocka_unit_test(test_bounds_that_change_are_kept_at_once),
                cmocka_unit_test(test_a_late_sample_counts_no_more_than_others),
                cmocka_unit_test(test_without_bounds_the_number_is_fixed),
                cmocka_unit_test(test_the_words_of_the_configuration_give_way_to_numbers),
                cmocka_unit_test(test_a_reload_keeps_a_number_that_the_load_has_made),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
