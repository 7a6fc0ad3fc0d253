/* SPDX-License-Identifier: MIT */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/recycle.h"
#include "util/macro.h"

#define SEC USEC_PER_SEC
#define MIB (UINT64_C(1) << 20)
#define NO_LIMITS                                                                                           \
        { .requests = UINT_MAX, .age = USEC_NEVER, .rss = UINT64_MAX }

#define N 3U

static void test_one_past_its_limit_is_due(void **state) {
        static const struct {
                const char *story;
                struct recycle_limits limits;
                struct recycle_candidate candidates[N];
                enum recycle_reason reason;
                size_t index;
        } cases[] = {
                { "nobody is due without limits",
                  NO_LIMITS,
                  { { .age = USEC_NEVER, .requests = UINT64_MAX, .rss = UINT64_MAX } },
                  RECYCLE_NONE,
                  0 },
                { "requests, the limit itself counts",
                  { .requests = 100, .age = USEC_NEVER, .rss = UINT64_MAX },
                  { { .requests = 99 }, { .requests = 50 }, { .requests = 100 } },
                  RECYCLE_REQUESTS,
                  2 },
                { "age",
                  { .requests = UINT_MAX, .age = 60 * SEC, .rss = UINT64_MAX },
                  { { .age = 59 * SEC }, { .age = 60 * SEC }, { .age = 1 } },
                  RECYCLE_AGE,
                  1 },
                { "memory",
                  { .requests = UINT_MAX, .age = USEC_NEVER, .rss = 100 * MIB },
                  { { .rss = 100 * MIB - 1 }, { .rss = 100 * MIB }, { .rss = 0 } },
                  RECYCLE_RSS,
                  1 },
                { "who is furthest past the limit goes first",
                  { .requests = 100, .age = USEC_NEVER, .rss = UINT64_MAX },
                  { { .requests = 150 }, { .requests = 300 }, { .requests = 200 } },
                  RECYCLE_REQUESTS,
                  1 },
                { "also by another measure",
                  { .requests = 100, .age = 10 * SEC, .rss = UINT64_MAX },
                  { { .requests = 150 }, { .age = 11 * SEC }, { .age = 20 * SEC } },
                  RECYCLE_AGE,
                  2 },
                { "memory before everything, wherever it stands",
                  { .requests = 10, .age = 10 * SEC, .rss = 10 * MIB },
                  { { .requests = 1000 }, { .rss = 11 * MIB }, { .age = 1000 * SEC } },
                  RECYCLE_RSS,
                  1 },
                { "memory before everything, if it comes first",
                  { .requests = 10, .age = 10 * SEC, .rss = 10 * MIB },
                  { { .rss = 11 * MIB }, { .requests = 1000 }, { .rss = 12 * MIB } },
                  RECYCLE_RSS,
                  2 },
                { "the first among equals",
                  { .requests = 100, .age = USEC_NEVER, .rss = UINT64_MAX },
                  { { .requests = 0 }, { .requests = 120 }, { .requests = 120 } },
                  RECYCLE_REQUESTS,
                  1 },
                { "one that was too large when it was new is left alone",
                  { .requests = UINT_MAX, .age = USEC_NEVER, .rss = 10 * MIB },
                  { { .rss = 12 * MIB, .rss_first = 11 * MIB, .age = 59 * SEC } },
                  RECYCLE_NONE,
                  0 },
                { "for a minute",
                  { .requests = UINT_MAX, .age = USEC_NEVER, .rss = 10 * MIB },
                  { { .rss = 12 * MIB, .rss_first = 11 * MIB, .age = 60 * SEC } },
                  RECYCLE_RSS,
                  0 },
                { "but not for other reasons",
                  { .requests = 10, .age = USEC_NEVER, .rss = 10 * MIB },
                  { { .rss = 12 * MIB, .rss_first = 11 * MIB, .requests = 10 } },
                  RECYCLE_REQUESTS,
                  0 },
                { "a count beyond all measure is no trouble",
                  { .requests = 1, .age = 1, .rss = UINT64_MAX },
                  { { .requests = UINT64_MAX }, { .age = USEC_NEVER }, {} },
                  RECYCLE_REQUESTS,
                  0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                enum recycle_reason reason;
                size_t index = 0;

                reason = recycle_choose(&cases[i].limits, cases[i].candidates, N, &index);
                if (reason != cases[i].reason || index != cases[i].index)
                        fail_msg("%s: reason %d, index %zu", cases[i].story, (int) reason, index);
        }
}

static void test_nobody_is_chosen_of_none(void **state) {
        const struct recycle_limits limits = { .requests = 1, .age = 1, .rss = 1 };
        size_t index;

        assert_int_equal(recycle_choose(&limits, NULL, 0, &index), RECYCLE_NONE);
}

static void test_the_spread_stays_within_a_tenth_below(void **state) {
        static const uint64_t limits[] = { 1, 9, 10, 1000, 1000000000, 31536000 * SEC };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                for (unsigned int seed = 0; seed < 256; seed++) {
                        uint64_t limit = recycle_spread(limits[i], seed);

                        assert_true(limit <= limits[i]);
                        assert_true(limit >= limits[i] - limits[i] / 10);
                        assert_true(limit > 0);
                }
}

/* However many workers: no two come closer than half of an even share. */
static void test_the_spread_is_even(void **state) {
        for (unsigned int n = 2; n <= 32; n++)
                for (unsigned int a = 0; a < n; a++)
                        for (unsigned int b = 0; b < a; b++) {
                                int64_t x = (int64_t) recycle_spread(1000000, a);
                                int64_t y = (int64_t) recycle_spread(1000000, b);
                                int64_t distance = x > y ? x - y : y - x;

                                assert_true(distance >= 100000 / n / 3);
                        }
}

static void test_a_limit_of_none_has_no_large_workers(void **state) {
        const struct recycle_limits none = NO_LIMITS, some = { .rss = 10 * MIB };
        const struct recycle_candidate candidate = { .rss_first = 10 * MIB };

        assert_false(recycle_is_large(&none, &candidate));
        assert_true(recycle_is_large(&some, &candidate));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_past_its_limit_is_due),
                cmocka_unit_test(test_nobody_is_chosen_of_none),
                cmocka_unit_test(test_the_spread_stays_within_a_tenth_below),
                cmocka_unit_test(test_the_spread_is_even),
                cmocka_unit_test(test_a_limit_of_none_has_no_large_workers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
