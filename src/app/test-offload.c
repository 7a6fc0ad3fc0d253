/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/offload.h"
#include "app/process.h"

static struct config *config;
static struct muster *muster;
static sem_t gate;
static unsigned int done, refused;

static int hold(const void *input, size_t size, struct muster_result *result) {
        return sem_wait(&gate) < 0 ? -errno : 0;
}

static const struct muster_task tasks[] = { { "wait", hold }, {} };
static const struct muster_application application = { .tasks = tasks };

static int set_up(void **state) {
        done = refused = 0;
        assert_int_equal(sem_init(&gate, 0, 0), 0);
        assert_int_equal(config_new(&config), 0);
        config->compute.queue = 1;
        assert_int_equal(muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, config, NULL), 0);
        muster->application = &application;
        return 0;
}

static int tear_down(void **state) {
        muster_process_free(muster);
        config_free(config);
        (void) sem_destroy(&gate);
        return 0;
}

static void open_gate(struct muster *m, void *data) {
        for (unsigned int i = 0; i < 16; i++)
                (void) sem_post(&gate);
}

static void count(struct muster *m, int error, const void *output, size_t size, void *data) {
        done++;
        refused += error == -EAGAIN;
}

static void ask_again(struct muster *m, int error, const void *output, size_t size, void *data) {
        if (error == -EAGAIN) {
                refused++;
                assert_int_equal(muster_offload_thread_call(m, "wait", NULL, 0, NULL, ask_again, NULL), 0);
        } else
                done++;
}

static void run_until(unsigned int wanted) {
        while (done < wanted)
                assert_true(sd_event_run(muster->event, 30 * USEC_PER_SEC) > 0);
}

static void test_threads_that_are_only_starting_have_room(void **state) {
        config->compute.threads = 4;
        for (unsigned int i = 0; i < 5; i++)
                assert_int_equal(muster_offload_thread_call(muster, "wait", NULL, 0, NULL, count, NULL), 0);
        open_gate(muster, NULL);
        run_until(5);
        assert_int_equal(refused, 0);
}

static void test_one_more_than_there_is_room_for_is_refused(void **state) {
        config->compute.threads = 2;
        for (unsigned int i = 0; i < 4; i++)
                assert_int_equal(muster_offload_thread_call(muster, "wait", NULL, 0, NULL, count, NULL), 0);
        run_until(1);
        assert_int_equal(refused, 1);
        open_gate(muster, NULL);
        run_until(4);
        assert_int_equal(refused, 1);
}

/* The gate is opened by a timer: only a loop that turns comes to it. */
static void test_a_handler_that_asks_again_at_once_does_not_stop_the_loop(void **state) {
        config->compute.threads = 1;
        for (unsigned int i = 0; i < 3; i++)
                assert_int_equal(muster_offload_thread_call(muster, "wait", NULL, 0, NULL, ask_again, NULL),
                                 0);
        assert_non_null(muster_timer_after(muster, MUSTER_MSEC(10), open_gate, NULL));
        run_until(3);
        assert_true(refused > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_threads_that_are_only_starting_have_room, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_one_more_than_there_is_room_for_is_refused, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(
                        test_a_handler_that_asks_again_at_once_does_not_stop_the_loop, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
