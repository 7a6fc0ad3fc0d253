/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/least-busy.h"
#include "util/macro.h"

/* Gives one message and returns who got it. */
static size_t give(struct busyness *all, size_t n, uint64_t turn) {
        size_t best = 0;

        for (size_t i = 1; i < n; i++)
                if (busyness_less(&all[i], &all[best]))
                        best = i;
        all[best].given++;
        all[best].turn = turn;
        return best;
}

static void test_idle_ones_have_their_turn(void **state) {
        struct busyness all[3] = {};

        for (uint64_t turn = 0; turn < 30; turn++)
                assert_int_equal(give(all, 3, turn + 1), turn % 3);
}

static void test_after_a_look_the_turn_goes_on(void **state) {
        struct busyness all[3] = {};

        for (uint64_t turn = 0; turn < 30; turn++) {
                assert_int_equal(give(all, 3, turn + 1), turn % 3);
                for (size_t i = 0; i < ELEMENTSOF(all); i++)
                        all[i].given = 0;
        }
}

static void test_who_answers_a_request_is_spared(void **state) {
        struct busyness all[2] = { { .load = busyness_load(1, 0, 0) }, { .load = busyness_load(0, 0, 0) } };

        for (uint64_t turn = 0; turn < 500; turn++)
                assert_int_equal(give(all, 2, turn + 1), 1);
}

static void test_who_hangs_in_a_callback_is_spared_more_and_more(void **state) {
        assert_true(busyness_load(0, 0, 50 * USEC_PER_MSEC) > busyness_load(2, 1000, 0));
        assert_true(busyness_load(0, 0, 10 * USEC_PER_SEC) > busyness_load(0, 0, 50 * USEC_PER_MSEC));
        assert_true(busyness_load(0, 0, USEC_NEVER) >= busyness_load(0, 0, 10 * USEC_PER_SEC));
}

static void test_the_last_second_counts_less_than_a_request(void **state) {
        assert_true(busyness_load(0, 900, 0) > busyness_load(0, 100, 0));
        assert_true(busyness_load(0, 999, 0) < busyness_load(1, 0, 0));
}

static void test_nonsense_overflows_nothing(void **state) {
        uint64_t load = busyness_load(UINT32_MAX, 1000, USEC_NEVER);

        assert_true(load > busyness_load(100, 0, 0) && load < UINT64_MAX / 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_idle_ones_have_their_turn),
                cmocka_unit_test(test_after_a_look_the_turn_goes_on),
                cmocka_unit_test(test_who_answers_a_request_is_spared),
                cmocka_unit_test(test_who_hangs_in_a_callback_is_spared_more_and_more),
                cmocka_unit_test(test_the_last_second_counts_less_than_a_request),
                cmocka_unit_test(test_nonsense_overflows_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
