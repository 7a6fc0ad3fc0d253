/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/process.h"
#include "util/macro.h"

static struct muster *muster;
static unsigned int calls;
static struct muster_timer *timer;

static int set_up(void **state) {
        calls = 0;
        return muster_process_new(&muster, MUSTER_ROLE_AGENT, "test", -1, NULL, NULL);
}

static int tear_down(void **state) {
        muster_process_free(muster);
        return 0;
}

static void count(struct muster *m, void *data) {
        calls += *(unsigned int *) data;
}

static void cancel_itself(struct muster *m, void *data) {
        calls++;
        timer = muster_timer_cancel(timer);
}

static void run_until(unsigned int wanted) {
        usec_t end = now_monotonic() + 10 * USEC_PER_SEC;

        while (calls < wanted && now_monotonic() < end)
                assert_true(sd_event_run(muster->event, USEC_PER_SEC) >= 0);
        assert_int_equal(calls, wanted);
}

static void test_a_timer_calls_once_and_is_gone(void **state) {
        unsigned int one = 1;

        assert_non_null(muster_timer_after(muster, MUSTER_MSEC(1), count, &one));
        assert_true(muster->event_changed);
        run_until(1);
        assert_true(list_empty(&muster->timers));
}

static void test_a_repeating_timer_repeats_until_it_is_cancelled(void **state) {
        unsigned int one = 1;

        timer = muster_timer_every(muster, MUSTER_MSEC(1), count, &one);
        assert_non_null(timer);
        run_until(3);
        assert_null(muster_timer_cancel(timer));
        assert_true(list_empty(&muster->timers));
}

static void test_timers_fire_in_the_order_of_their_times(void **state) {
        static unsigned int ten = 10, one = 1;

        assert_non_null(muster_timer_after(muster, MUSTER_SEC(3600), count, &ten));
        assert_non_null(muster_timer_after(muster, 0, count, &one));
        run_until(1);
}

static void test_a_handler_may_cancel_its_own_timer(void **state) {
        timer = muster_timer_every(muster, MUSTER_MSEC(1), cancel_itself, NULL);
        run_until(1);
        assert_null(timer);
        assert_true(list_empty(&muster->timers));
}

static void test_so_may_the_handler_of_one_that_runs_once(void **state) {
        timer = muster_timer_after(muster, 0, cancel_itself, NULL);
        run_until(1);
        assert_null(timer);
        assert_true(list_empty(&muster->timers));
}

static void test_a_timer_without_sense_is_refused(void **state) {
        errno = 0;
        assert_null(muster_timer_after(muster, 0, NULL, NULL));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_null(muster_timer_every(muster, 10, count, NULL));
        assert_int_equal(errno, EINVAL);
        assert_null(muster_timer_cancel(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_timer_calls_once_and_is_gone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_repeating_timer_repeats_until_it_is_cancelled, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_timers_fire_in_the_order_of_their_times, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_handler_may_cancel_its_own_timer, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_so_may_the_handler_of_one_that_runs_once, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_timer_without_sense_is_refused, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
