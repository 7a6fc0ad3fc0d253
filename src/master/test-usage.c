/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/usage.h"
#include "util/macro.h"

#define SEC   USEC_PER_SEC
#define START (1000 * SEC)

static void test_business_is_the_part_of_the_time_between_two_looks(void **state) {
        struct usage usage = {};
        struct slot slot = { .busy = SEC / 2 };

        usage_update(&usage, &slot, START, START + SEC);
        assert_int_equal(usage.business, 500);
        slot.busy += SEC / 4;
        usage_update(&usage, &slot, START, START + 2 * SEC);
        assert_int_equal(usage.business, 250);
        usage_update(&usage, &slot, START, START + 3 * SEC);
        assert_int_equal(usage.business, 0);
}

static void test_a_turn_that_goes_on_counts_already_and_only_once(void **state) {
        struct usage usage = {};
        struct slot slot = { .busy_since = START + SEC };

        usage_update(&usage, &slot, START, START + 2 * SEC);
        assert_int_equal(usage.business, 500);
        usage_update(&usage, &slot, START, START + 3 * SEC);
        assert_int_equal(usage.business, 1000);
        slot.busy = 5 * SEC / 2;
        slot.busy_since = 0;
        usage_update(&usage, &slot, START, START + 4 * SEC);
        assert_int_equal(usage.business, 500);
}

/* What a process may say, and what of it is believed after a second. */
static void test_the_impossible_is_not_believed(void **state) {
        static const struct {
                struct slot slot;
                uint64_t requests;
                unsigned int business;
        } cases[] = {
                { { .requests = 1000000 }, 1000000, 0 },
                { { .requests = 1000001 }, 1000000, 0 },
                { { .requests = UINT64_MAX }, 1000000, 0 },
                { { .busy = UINT64_MAX }, 0, 1000 },
                { { .busy = 2 * SEC }, 0, 1000 },
                { { .busy_since = START + 9 * SEC }, 0, 0 },
                { { .busy_since = UINT64_MAX }, 0, 0 },
                { { .busy_since = 1 }, 0, 1000 },
                { { .busy = UINT64_MAX, .busy_since = 1 }, 0, 1000 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct usage usage = {};

                usage_update(&usage, &cases[i].slot, START, START + SEC);
                assert_int_equal(usage.requests, cases[i].requests);
                assert_int_equal(usage.business, cases[i].business);
        }
}

static void test_counts_never_go_back(void **state) {
        struct usage usage = {};
        struct slot slot = { .requests = 10, .accepted = 5, .busy = SEC / 2 };

        usage_update(&usage, &slot, START, START + SEC);
        slot = (struct slot){};
        usage_update(&usage, &slot, START, START + 2 * SEC);
        assert_int_equal(usage.requests, 10);
        assert_int_equal(usage.accepted, 5);
        assert_int_equal(usage.business, 0);
}

static void test_two_looks_at_the_same_time_are_harmless(void **state) {
        struct usage usage = {};
        struct slot slot = { .busy = SEC / 2 };

        usage_update(&usage, &slot, START, START + SEC);
        usage_update(&usage, &slot, START, START + SEC);
        usage_update(&usage, &slot, START, START);
        assert_int_equal(usage.business, 500);
}

static void test_requests_and_connections_are_activity_and_silence_is_not(void **state) {
        static const struct {
                struct slot slot;
                bool active;
        } looks[] = {
                { { .requests = 0 }, false },
                { { .accepted = 1, .connections = 1 }, true },
                { { .accepted = 1, .connections = 1 }, false },
                { { .accepted = 1, .connections = 1, .in_flight = 1 }, true },
                { { .accepted = 1, .connections = 1, .in_flight = 1 }, true },
                { { .accepted = 1, .connections = 1, .requests = 1 }, true },
                { { .accepted = 1, .connections = 1, .requests = 1 }, false },
                { { .accepted = 1, .requests = 1 }, false },
        };
        struct usage usage = {};

        for (size_t i = 0; i < ELEMENTSOF(looks); i++) {
                usage_update(&usage, &looks[i].slot, START, START + (i + 1) * SEC);
                assert_int_equal(usage.active, looks[i].active);
        }
}

static void test_the_memory_is_what_the_kernel_says(void **state) {
        const size_t size = (size_t) 32 * 1024 * 1024;
        struct usage usage = {};
        void *memory;

        usage_update_rss(&usage, getpid());
        assert_true(usage.rss > 0);
        assert_int_equal(usage.rss_first, usage.rss);
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        assert_true(memory != MAP_FAILED);
        usage_update_rss(&usage, getpid());
        assert_true(usage.rss >= usage.rss_first + size / 2);
        assert_int_equal(munmap(memory, size), 0);
}

static void test_of_a_process_that_is_gone_the_last_is_kept(void **state) {
        struct usage usage = { .rss = 7, .rss_first = 5 };

        usage_update_rss(&usage, -1);
        assert_int_equal(usage.rss, 7);
        assert_int_equal(usage.rss_first, 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_business_is_the_part_of_the_time_between_two_looks),
                cmocka_unit_test(test_a_turn_that_goes_on_counts_already_and_only_once),
                cmocka_unit_test(test_the_impossible_is_not_believed),
                cmocka_unit_test(test_counts_never_go_back),
                cmocka_unit_test(test_two_looks_at_the_same_time_are_harmless),
                cmocka_unit_test(test_requests_and_connections_are_activity_and_silence_is_not),
                cmocka_unit_test(test_the_memory_is_what_the_kernel_says),
                cmocka_unit_test(test_of_a_process_that_is_gone_the_last_is_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
