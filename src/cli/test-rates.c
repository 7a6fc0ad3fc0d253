/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/rates.h"

#define SEC USEC_PER_SEC

static void add(struct value *workers, uint64_t pid, uint64_t requests, uint64_t busy) {
        struct value *worker = value_add(workers, NULL, VALUE_DICTIONARY);

        assert_non_null(worker);
        assert_int_equal(value_add_number(worker, "Pid", pid), 0);
        assert_int_equal(value_add_number(worker, "Requests", requests), 0);
        assert_int_equal(value_add_number(worker, "BusyUsec", busy), 0);
}

static void look(struct rates *rates, usec_t now, const uint64_t (*workers)[3], size_t n) {
        _cleanup_value_ struct value status = VALUE_NULL;
        struct value *list = value_add(&status, "Workers", VALUE_LIST);

        assert_non_null(list);
        for (size_t i = 0; i < n; i++)
                add(list, workers[i][0], workers[i][1], workers[i][2]);
        assert_int_equal(rates_update(rates, &status, now), 0);
}

static void rates_are_those_between_two_looks(void **state) {
        static const uint64_t first[][3] = { { 11, 100, SEC }, { 12, 0, 0 } };
        static const uint64_t second[][3] = { { 11, 300, SEC * 3 / 2 }, { 12, 10, 5 * SEC } };
        _cleanup_rates_ struct rates rates = RATES_NULL;

        look(&rates, 50 * SEC, first, 2);
        assert_true(rates.requests_per_second == 0);
        look(&rates, 52 * SEC, second, 2);
        assert_true(rates_find(&rates, 11)->requests_per_second == 100);
        assert_true(rates_find(&rates, 11)->busy_percent == 25);
        assert_true(rates_find(&rates, 12)->requests_per_second == 5);
        assert_true(rates_find(&rates, 12)->busy_percent == 100); /* and no more */
        assert_true(rates.requests_per_second == 105);
}

static void another_process_begins_anew_and_backwards_is_standing_still(void **state) {
        static const uint64_t first[][3] = { { 11, 1000, SEC }, { 12, 500, SEC } };
        static const uint64_t second[][3] = { { 13, 2000, 2 * SEC }, { 12, 100, 0 }, { 0, 0, 0 } };
        _cleanup_rates_ struct rates rates = RATES_NULL;

        look(&rates, 50 * SEC, first, 2);
        look(&rates, 51 * SEC, second, 3);
        assert_null(rates_find(&rates, 11));
        assert_null(rates_find(&rates, 0));
        assert_true(rates_find(&rates, 13)->requests_per_second == 0);
        assert_true(rates_find(&rates, 12)->requests_per_second == 0);
        assert_true(rates_find(&rates, 12)->busy_percent == 0);
}

static void a_service_without_workers_has_no_rates(void **state) {
        _cleanup_rates_ struct rates rates = RATES_NULL;

        look(&rates, 50 * SEC, NULL, 0);
        look(&rates, 50 * SEC, NULL, 0);
        assert_true(rates.requests_per_second == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rates_are_those_between_two_looks),
                cmocka_unit_test(another_process_begins_anew_and_backwards_is_standing_still),
                cmocka_unit_test(a_service_without_workers_has_no_rates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
