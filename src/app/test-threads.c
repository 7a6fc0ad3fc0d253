/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/threads.h"
#include "config/config.h"

#define MANY 2000U

static struct config *config;
static struct muster *muster;
static struct threads *threads;
static unsigned int n_done;
static uint64_t sum;
static sem_t gate;
static atomic_uint n_at_gate;

static int set_up(void **state) {
        if (config_new(&config) < 0)
                return -1;
        config->compute.threads = 3;
        config->compute.queue = MANY;
        n_done = 0;
        sum = 0;
        atomic_store(&n_at_gate, 0);
        (void) sem_init(&gate, 0, 0);
        return muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, config, NULL);
}

static int tear_down(void **state) {
        (void) sem_destroy(&gate);
        muster_process_free(muster);
        config_free(config);
        return 0;
}

static void done(struct thread_job *job) {
        n_done++;
        sum += strtoull(result_bytes(&job->result), NULL, 10);
        assert_int_equal(job->error, 7);
        thread_job_free(job);
}

static int repeat_input(const void *input, size_t size, struct muster_result *result) {
        return muster_result_set(result, input, size) < 0 ? -ENOMEM : 7;
}

static int wait_at_gate(const void *input, size_t size, struct muster_result *result) {
        atomic_fetch_add(&n_at_gate, 1);
        while (sem_wait(&gate) < 0)
                ;
        return repeat_input(input, size, result);
}

static struct thread_job *job_new(muster_task_function_t function, unsigned int number) {
        struct thread_job *job = calloc(1, sizeof(*job));

        assert_non_null(job);
        list_init(&job->node);
        job->function = function;
        job->result = (struct muster_result) RESULT_NULL;
        job->result.muster = muster;
        job->input = malloc(16);
        assert_non_null(job->input);
        job->size = (size_t) snprintf(job->input, 16, "%u", number);
        return job;
}

static void turn_until(unsigned int n) {
        while (n_done < n)
                assert_true(sd_event_run(muster->event, 10 * USEC_PER_SEC) > 0);
}

static void all_jobs_are_done_and_come_back_to_the_loop(void **state) {
        assert_int_equal(threads_new(&threads, muster, done), 0);
        for (unsigned int i = 1; i <= MANY; i++)
                assert_int_equal(threads_submit(threads, job_new(repeat_input, i)), 0);
        turn_until(MANY);
        assert_int_equal(sum, (uint64_t) MANY * (MANY + 1) / 2);
        assert_false(threads_are_busy(threads));
        assert_int_equal(threads_free(threads), 0);
}

/* With all threads at the gate, what comes afterwards waits. */
static void hold_all(void) {
        for (unsigned int i = 0; i < config->compute.threads; i++)
                assert_int_equal(threads_submit(threads, job_new(wait_at_gate, 1)), 0);
        while (atomic_load(&n_at_gate) < config->compute.threads)
                (void) sched_yield();
}

static void release(unsigned int n) {
        for (unsigned int i = 0; i < n; i++)
                (void) sem_post(&gate);
}

static void past_the_bound_a_job_stays_the_callers(void **state) {
        struct thread_job *job = job_new(repeat_input, 1);

        config->compute.queue = 2;
        assert_int_equal(threads_new(&threads, muster, done), 0);
        hold_all();
        assert_int_equal(threads_submit(threads, job_new(repeat_input, 1)), 0);
        assert_int_equal(threads_submit(threads, job_new(repeat_input, 1)), 0);
        assert_int_equal(threads_submit(threads, job), -EAGAIN);
        thread_job_free(job);
        release(config->compute.threads);
        turn_until(config->compute.threads + 2);
        assert_int_equal(threads_free(threads), 0);
}

static void what_waits_can_be_taken_back_and_what_runs_cannot(void **state) {
        struct thread_job *running = job_new(wait_at_gate, 1), *waiting = job_new(repeat_input, 1);

        config->compute.threads = 1;
        assert_int_equal(threads_new(&threads, muster, done), 0);
        assert_int_equal(threads_submit(threads, running), 0);
        while (atomic_load(&n_at_gate) < 1)
                (void) sched_yield();
        assert_int_equal(threads_submit(threads, waiting), 0);
        assert_true(threads_withdraw(threads, waiting));
        assert_false(threads_withdraw(threads, waiting));
        assert_false(threads_withdraw(threads, running));
        thread_job_free(waiting);
        release(1);
        turn_until(1);
        assert_int_equal(threads_free(threads), 0);
}

static void those_that_are_busy_are_left_alone(void **state) {
        assert_int_equal(threads_new(&threads, muster, done), 0);
        hold_all();
        assert_int_equal(threads_submit(threads, job_new(repeat_input, 1)), 0);
        assert_int_equal(threads_free(threads), -EBUSY);
        release(config->compute.threads);
        turn_until(config->compute.threads);
        assert_int_equal(threads_free(threads), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(all_jobs_are_done_and_come_back_to_the_loop),
                TEST(past_the_bound_a_job_stays_the_callers),
                TEST(what_waits_can_be_taken_back_and_what_runs_cannot),
                TEST(those_that_are_busy_are_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
