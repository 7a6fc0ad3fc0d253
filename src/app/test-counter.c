/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/process.h"
#include "ipc/counters.h"
#include "util/macro.h"

#define N_THREADS 4U
#define N_TIMES   250000U

static struct scoreboard board, own;
static struct muster *muster;

static int set_up_alone(void **state) {
        return muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, NULL, NULL);
}

static int set_up(void **state) {
        assert_int_equal(scoreboard_create(&board, 4), 0);
        for (size_t i = 0; i < 4; i++)
                scoreboard_clear(&board, i);
        scoreboard_slot(&board, SCOREBOARD_MASTER)->slots_end = 4;
        assert_int_equal(scoreboard_attach(&own, dup(board.fd), 1), 0);
        assert_int_equal(muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, NULL, own.own), 0);
        muster->scoreboard = &own;
        return 0;
}

static int tear_down(void **state) {
        muster = muster_process_free(muster);
        scoreboard_deinit(&own);
        scoreboard_deinit(&board);
        return 0;
}

static void test_a_counter_counts_what_other_processes_count_too(void **state) {
        struct muster_counter *hits = muster_counter(muster, "hits");
        struct counter *other = scoreboard_counters(&board, 2);

        assert_non_null(hits);
        muster_counter_add(hits, 3);
        assert_int_equal(muster_counter_get(hits), 3);
        assert_int_equal(counter_register(scoreboard_slot(&board, 2), other, "hits"), 0);
        other[0].value = 4;
        assert_int_equal(muster_counter_get(hits), 7);
        assert_int_equal(counters_sum(&board, "hits"), 7);
}

static void test_the_same_name_gives_the_same_handle(void **state) {
        assert_ptr_equal(muster_counter(muster, "hits"), muster_counter(muster, "hits"));
        assert_ptr_not_equal(muster_counter(muster, "hits"), muster_counter(muster, "misses"));
}

static void test_what_can_be_no_counter_is_null_and_null_counts_nothing(void **state) {
        char name[32];

        assert_null(muster_counter(muster, "no name"));
        assert_int_equal(errno, EINVAL);
        for (unsigned int i = 0; i < COUNTERS_MAX; i++) {
                (void) snprintf(name, sizeof(name), "c%u", i);
                assert_non_null(muster_counter(muster, name));
        }
        assert_null(muster_counter(muster, "one-more"));
        assert_int_equal(errno, ENOSPC);
        muster_counter_add(NULL, 1);
        assert_int_equal(muster_counter_get(NULL), 0);
}

static void *add(void *counter) {
        for (unsigned int i = 0; i < N_TIMES; i++)
                muster_counter_add(counter, 1);
        return NULL;
}

static void test_threads_count_together(void **state) {
        struct muster_counter *hits = muster_counter(muster, "hits");
        pthread_t threads[N_THREADS];

        for (size_t i = 0; i < N_THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add, hits), 0);
        for (size_t i = 0; i < N_THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(muster_counter_get(hits), N_THREADS * N_TIMES);
}

static void test_a_process_without_a_master_counts_for_itself(void **state) {
        struct muster_counter *hits = muster_counter(muster, "hits");

        assert_non_null(hits);
        muster_counter_add(hits, 2);
        assert_int_equal(muster_counter_get(hits), 2);
        assert_int_equal(muster_counter_get(muster_counter(muster, "misses")), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_counter_counts_what_other_processes_count_too),
                TEST(test_the_same_name_gives_the_same_handle),
                TEST(test_what_can_be_no_counter_is_null_and_null_counts_nothing),
                TEST(test_threads_count_together),
                cmocka_unit_test_setup_teardown(test_a_process_without_a_master_counts_for_itself,
                                                set_up_alone, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
