/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "master/compute-queue.h"

#define MANY 1000U

/* A job is written as two characters, its client and its id: "a1". A client is of the generation 1, or of 2 when it
 * is a capital letter. */
static struct compute_job *job_new(const char *name) {
        struct compute_job *job = calloc(1, sizeof(*job));

        assert_non_null(job);
        list_init(&job->node);
        job->fd = -1;
        job->client = (unsigned char) name[0];
        job->generation = name[0] < 'a' ? 2 : 1;
        job->call.id = (uint64_t) (name[1] - '0');
        job->deadline = USEC_NEVER;
        return job;
}

static bool any(pid_t client, uint64_t generation, void *userdata) {
        return true;
}

static bool is_one(pid_t client, uint64_t generation, void *userdata) {
        return generation == *(const uint64_t *) userdata;
}

static void say(char *text, const struct compute_job *job) {
        size_t length = strlen(text);

        (void) snprintf(text + length, 64 - length, "%s%c%u", length > 0 ? " " : "", job->client,
                        (unsigned int) job->call.id);
}

/* Adds the jobs of a text, and writes down which had to go. */
static void add_all(struct compute_queue *queue, const char *jobs, unsigned int limit, char refused[64]) {
        *refused = '\0';
        for (const char *p = jobs; *p; p += p[2] ? 3 : 2) {
                struct compute_job *victim;

                assert_int_equal(compute_queue_add(queue, job_new(p)), 0);
                victim = compute_queue_shorten(queue, limit, p[0]);
                if (victim)
                        say(refused, victim);
                compute_job_free(victim);
        }
}

static void serve_all(struct compute_queue *queue, char served[64]) {
        struct compute_job *job;

        *served = '\0';
        while ((job = compute_queue_next(queue, any, NULL))) {
                say(served, job);
                compute_queue_remove(queue, job);
                compute_job_free(job);
        }
}

static void test_clients_take_turns_and_keep_their_order(void **state) {
        static const struct {
                const char *come;
                const char *served;
        } stories[] = {
                { "", "" },
                { "a1", "a1" },
                { "a1 a2 a3", "a1 a2 a3" },
                { "a1 b1 a2 b2", "a1 b1 a2 b2" },
                { "a1 a2 a3 a4 b1", "a1 b1 a2 a3 a4" },
                { "a1 a2 a3 b1 b2 c1", "a1 b1 c1 a2 b2 a3" },
        };

        for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
                struct compute_queue queue;
                char refused[64], served[64];

                compute_queue_init(&queue);
                add_all(&queue, stories[i].come, MANY, refused);
                serve_all(&queue, served);
                assert_string_equal(refused, "");
                assert_string_equal(served, stories[i].served);
                assert_int_equal(queue.n_waiting + queue.n_running, 0);
                compute_queue_deinit(&queue);
        }
}

static void test_whoever_has_most_loses_its_last(void **state) {
        static const struct {
                unsigned int limit;
                const char *come;
                const char *refused;
                const char *served;
        } stories[] = {
                { 3, "a1 a2 a3", "", "a1 a2 a3" },
                { 3, "a1 a2 a3 a4 a5", "a4 a5", "a1 a2 a3" },
                { 3, "a1 a2 a3 b1", "a3", "a1 b1 a2" },
                { 4, "a1 a2 a3 a4 b1 b2", "a4 a3", "a1 b1 a2 b2" },
                { 4, "a1 a2 a3 a4 b1 b2 b3", "a4 a3 b3", "a1 b1 a2 b2" },
                { 2, "a1 b1 c1", "c1", "a1 b1" },
                { 2, "a1 b1 a2", "a2", "a1 b1" },
                { 0, "a1 b1", "a1 b1", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
                struct compute_queue queue;
                char refused[64], served[64];

                compute_queue_init(&queue);
                add_all(&queue, stories[i].come, stories[i].limit, refused);
                assert_true(queue.n_waiting <= stories[i].limit);
                serve_all(&queue, served);
                assert_string_equal(refused, stories[i].refused);
                assert_string_equal(served, stories[i].served);
                compute_queue_deinit(&queue);
        }
}

static void test_a_generation_is_served_by_its_own(void **state) {
        struct compute_queue queue;
        struct compute_job *job;
        uint64_t generation = 2;
        char refused[64];

        compute_queue_init(&queue);
        add_all(&queue, "a1 a2 B1", MANY, refused);
        job = compute_queue_next(&queue, is_one, &generation);
        assert_int_equal(job->client, 'B');
        assert_null(compute_queue_next(&queue, is_one, &generation));
        generation = 1;
        job = compute_queue_next(&queue, is_one, &generation);
        assert_int_equal(job->client, 'a');
        assert_int_equal(queue.n_running, 2);
        compute_queue_deinit(&queue);
}

static void test_what_has_not_begun_is_first_again(void **state) {
        struct compute_queue queue;
        struct compute_job *job;
        char refused[64], served[64];

        compute_queue_init(&queue);
        add_all(&queue, "a1 a2 b1", MANY, refused);
        job = compute_queue_next(&queue, any, NULL);
        assert_int_equal(job->attempts, 1);
        assert_int_equal(compute_queue_return(&queue, job), 0);
        assert_int_equal(queue.n_waiting, 3);
        assert_int_equal(queue.n_running, 0);
        serve_all(&queue, served);
        assert_string_equal(served, "b1 a1 a2");
        compute_queue_deinit(&queue);
}

/* Its client has no other job: it is a client anew. */
static void test_what_has_not_begun_may_be_the_only_one(void **state) {
        struct compute_queue queue;
        struct compute_job *job;
        char refused[64], served[64];

        compute_queue_init(&queue);
        add_all(&queue, "a1", MANY, refused);
        job = compute_queue_next(&queue, any, NULL);
        assert_int_equal(compute_queue_return(&queue, job), 0);
        serve_all(&queue, served);
        assert_string_equal(served, "a1");
        compute_queue_deinit(&queue);
}

static void test_a_job_is_found_by_who_has_it(void **state) {
        struct compute_queue queue;
        struct compute_job *job;
        char refused[64];

        compute_queue_init(&queue);
        add_all(&queue, "a1 a2 b1", MANY, refused);
        job = compute_queue_next(&queue, any, NULL);
        job->runs_on = 4711;
        assert_ptr_equal(compute_queue_find(&queue, 'a', 1), job);
        assert_ptr_equal(compute_queue_find_on(&queue, 4711), job);
        assert_ptr_equal(compute_queue_find_any(&queue, 'a'), job);
        assert_int_equal(compute_queue_find(&queue, 'b', 1)->client, 'b');
        assert_null(compute_queue_find(&queue, 'b', 2));
        assert_null(compute_queue_find_any(&queue, 'c'));
        assert_null(compute_queue_find_on(&queue, 4712));
        compute_queue_deinit(&queue);
}

static void test_time_runs_for_those_that_wait_and_those_that_run(void **state) {
        static const usec_t deadlines[] = { 300, 100, 200 };
        struct compute_queue queue;
        usec_t now = 0;

        compute_queue_init(&queue);
        assert_int_equal(compute_queue_deadline(&queue), USEC_NEVER);
        for (size_t i = 0; i < ELEMENTSOF(deadlines); i++) {
                struct compute_job *job = job_new("a1");

                job->deadline = deadlines[i];
                assert_int_equal(compute_queue_add(&queue, job), 0);
        }
        (void) compute_queue_next(&queue, any, NULL);
        for (unsigned int i = 1; i <= 3; i++) {
                struct compute_job *job;

                now = compute_queue_deadline(&queue);
                assert_int_equal(now, 100 * i);
                assert_null(compute_queue_find_late(&queue, now - 1));
                job = compute_queue_find_late(&queue, now);
                assert_int_equal(job->deadline, now);
                compute_queue_remove(&queue, job);
                compute_job_free(job);
        }
        assert_null(compute_queue_find_late(&queue, USEC_NEVER - 1));
        compute_queue_deinit(&queue);
}

static void test_another_master_finds_what_waits_and_what_runs(void **state) {
        struct compute_job *running = job_new("a1"), *waiting = job_new("b1");
        struct compute_queue queue;

        compute_queue_init(&queue);
        running->runs_on = 4711;
        assert_int_equal(compute_queue_restore(&queue, running), 0);
        assert_int_equal(compute_queue_restore(&queue, waiting), 0);
        assert_int_equal(queue.n_running, 1);
        assert_int_equal(queue.n_waiting, 1);
        assert_ptr_equal(compute_queue_find_on(&queue, 4711), running);
        assert_ptr_equal(compute_queue_next(&queue, any, NULL), waiting);
        compute_queue_deinit(&queue);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_clients_take_turns_and_keep_their_order),
                cmocka_unit_test(test_whoever_has_most_loses_its_last),
                cmocka_unit_test(test_a_generation_is_served_by_its_own),
                cmocka_unit_test(test_what_has_not_begun_is_first_again),
                cmocka_unit_test(test_what_has_not_begun_may_be_the_only_one),
                cmocka_unit_test(test_a_job_is_found_by_who_has_it),
                cmocka_unit_test(test_another_master_finds_what_waits_and_what_runs),
                cmocka_unit_test(test_time_runs_for_those_that_wait_and_those_that_run),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
