/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/load.h"

#define SEC USEC_PER_SEC

static void the_share_is_that_of_the_time_between_two_looks(void **state) {
        struct load load = {};

        load_look(&load, 5 * SEC, 100 * SEC);
        assert_int_equal(load.permille, 0); /* one look shows nothing */
        load_look(&load, 6 * SEC, 104 * SEC);
        assert_int_equal(load.permille, 250);
        load_look(&load, 6 * SEC, 108 * SEC);
        assert_int_equal(load.permille, 0);
        load_look(&load, 7 * SEC, 109 * SEC);
        assert_int_equal(load.permille, 1000);
}

static void a_counter_that_lies_gives_no_more_than_all_and_no_less_than_nothing(void **state) {
        struct load load = {};

        load_look(&load, 0, SEC);
        load_look(&load, UINT64_MAX, 2 * SEC);
        assert_int_equal(load.permille, 1000);
        load_look(&load, 7, 3 * SEC);
        assert_int_equal(load.permille, 0);
}

static void two_looks_at_once_change_nothing(void **state) {
        struct load load = {};

        load_look(&load, 0, SEC);
        load_look(&load, SEC / 2, 2 * SEC);
        load_look(&load, SEC / 2, 2 * SEC);
        assert_int_equal(load.permille, 500);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_share_is_that_of_the_time_between_two_looks),
                cmocka_unit_test(a_counter_that_lies_gives_no_more_than_all_and_no_less_than_nothing),
                cmocka_unit_test(two_looks_at_once_change_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
