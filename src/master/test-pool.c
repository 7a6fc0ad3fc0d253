/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/pool.h"

#define SEC  USEC_PER_SEC
#define MSEC USEC_PER_MSEC

/* Each story is a list of losses, and when the replacement may start after each. */
struct loss {
        usec_t at;
        usec_t wait;
        bool over;
};

static void tell(unsigned int limit, usec_t interval, const struct loss *losses, size_t n) {
        struct pool_budget budget;

        assert_int_equal(pool_budget_init(&budget, limit, interval), 0);
        for (size_t i = 0; i < n; i++) {
                usec_t now = 1000 * SEC + losses[i].at;
                bool over;

                assert_int_equal(pool_budget_spend(&budget, now, &over) - now, losses[i].wait);
                assert_int_equal(over, losses[i].over);
        }
        pool_budget_deinit(&budget);
}

static void test_within_the_budget_a_restart_is_immediate(void **state) {
        static const struct loss losses[] = { { 0, 0, false }, { 1, 0, false }, { 2, 0, false } };

        tell(3, 60 * SEC, losses, ELEMENTSOF(losses));
}

static void test_past_the_budget_the_wait_doubles(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 0, false },
                { 2 * SEC, 100 * MSEC, true },
                { 3 * SEC, 200 * MSEC, true },
                { 4 * SEC, 400 * MSEC, true },
                { 5 * SEC, 800 * MSEC, true },
        };

        tell(2, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_the_wait_has_an_upper_end(void **state) {
        struct pool_budget budget;
        usec_t now = 1000 * SEC, when = now;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 1, 86400 * SEC), 0);
        for (unsigned int i = 0; i < 30; i++) {
                now = when;
                when = pool_budget_spend(&budget, now, &over);
        }
        assert_int_equal(when - now, POOL_BACKOFF_MAX);
        assert_true(over);
        pool_budget_deinit(&budget);
}

static void test_losses_during_a_wait_join_it(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 10 * MSEC, 100 * MSEC, true },
                { 20 * MSEC, 90 * MSEC, true },
                { 110 * MSEC, 200 * MSEC, true },
        };

        tell(1, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_half_a_minute_of_health_begins_anew(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 100 * MSEC, true },
                { 2 * SEC, 200 * MSEC, true },
                { 40 * SEC, 100 * MSEC, true },
        };

        tell(1, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_the_budget_comes_back_with_time(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 0, false },
                { 59 * SEC, 100 * MSEC, true },
                { 200 * SEC, 0, false },
        };

        tell(2, 60 * SEC, losses, ELEMENTSOF(losses));
}

static void test_one_loss_a_second_is_never_over_sixty_in_a_minute(void **state) {
        struct pool_budget budget;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 60, 60 * SEC), 0);
        for (usec_t i = 0; i < 600; i++)
                assert_int_equal(pool_budget_spend(&budget, 1000 * SEC + i * SEC, &over),
                                 1000 * SEC + i * SEC);
        pool_budget_deinit(&budget);
}

static void test_what_is_left_is_counted(void **state) {
        struct pool_budget budget;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 3, 60 * SEC), 0);
        assert_int_equal(pool_budget_left(&budget, 1000 * SEC), 3);
        (void) pool_budget_spend(&budget, 1000 * SEC, &over);
        (void) pool_budget_spend(&budget, 1030 * SEC, &over);
        assert_int_equal(pool_budget_left(&budget, 1030 * SEC), 1);
        assert_int_equal(pool_budget_left(&budget, 1061 * SEC), 2);
        pool_budget_deinit(&budget);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_within_the_budget_a_restart_is_immediate),
                cmocka_unit_test(test_past_the_budget_the_wait_doubles),
                cmocka_unit_test(test_the_wait_has_an_upper_end),
                cmocka_unit_test(test_losses_during_a_wait_join_it),
                cmocka_unit_test(test_half_a_minute_of_health_begins_anew),
                cmocka_unit_test(test_the_budget_comes_back_with_time),
                cmocka_unit_test(test_one_loss_a_second_is_never_over_sixty_in_a_minute),
                cmocka_unit_test(test_what_is_left_is_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
