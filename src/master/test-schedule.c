/* SPDX-License-Identifier: MIT */

/* What the master decides about schedules, in a time of its own. */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <muster/app.h>

#include "master/schedule-record.h"
#include "master/schedule.h"
#include "util/macro.h"

#define GENERATION 1U
#define HOLD       (300 * USEC_PER_SEC)

static struct schedules all;
static usec_t now;

static void add(struct schedule_list *list, const char *name, unsigned int overlap) {
        struct schedule_declared *declared = &list->items[list->n++];

        *declared = (struct schedule_declared){ .overlap = overlap };
        (void) snprintf(declared->name, sizeof(declared->name), "%s", name);
        (void) snprintf(declared->when, sizeof(declared->when), "every 10s");
}

/* Three schedules, one for each kind of overlap. */
static int setup(void **state) {
        struct schedule_list list = {};

        add(&list, "skips", MUSTER_OVERLAP_SKIP);
        add(&list, "queues", MUSTER_OVERLAP_QUEUE);
        add(&list, "allows", MUSTER_OVERLAP_ALLOW);
        all = (struct schedules){ .hold = HOLD };
        now = 1000 * USEC_PER_SEC;
        return schedules_update(&all, &list);
}

static int teardown(void **state) {
        schedules_deinit(&all);
        return 0;
}

/* Due at the next of its times. */
static enum schedule_verdict tick(unsigned int index, uint64_t *ret_serial) {
        struct message_tick message = { .index = index, .due = now += 10 * USEC_PER_SEC };

        *ret_serial = 0;
        return schedules_tick(&all, index, &message, GENERATION, now, now, ret_serial);
}

/* One that begins, with one run for any worker that this pid gets. Returns the run. */
static uint64_t begun(unsigned int index, pid_t pid) {
        uint64_t serial;

        assert_int_equal(tick(index, &serial), SCHEDULE_BEGUN);
        assert_int_equal(schedules_add_run(&all, serial, -1), 0);
        all.runs[all.n_runs - 1].pid = pid;
        return all.runs[all.n_runs - 1].id;
}

static bool done(pid_t pid, uint64_t id, enum done_how how, int result, struct schedule_outcome *ret) {
        const struct message_done message = {
                .id = id, .took = 5 * USEC_PER_MSEC, .result = result, .how = how, .text = "so it was"
        };

        return schedules_done(&all, pid, &message, now, now, ret);
}

static void a_tick_is_over_when_its_run_is(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(0, 10);

        assert_int_equal(schedules_ticks(&all, 0), 1);
        assert_int_equal(schedules_running(&all, 10), 1);
        assert_true(done(10, id, DONE_FINISHED, 0, &outcome));
        assert_true(outcome.tick_over && !outcome.retried && !outcome.vanished);
        assert_int_equal(outcome.tick.n_ok, 1);
        assert_int_equal(schedules_ticks(&all, 0), 0);
        assert_int_equal(all.items[0].n_runs, 1);
        assert_int_equal(all.items[0].n_failures, 0);
        assert_int_equal(all.items[0].took, 5 * USEC_PER_MSEC);
        assert_string_equal(all.items[0].text, "so it was");
        assert_int_equal(all.n_ticks + all.n_runs, 0);
}

static void nobody_is_believed_about_the_run_of_another(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(0, 10);

        assert_false(done(11, id, DONE_FINISHED, 0, &outcome));
        assert_false(done(10, id + 1, DONE_FINISHED, 0, &outcome));
        assert_false(done(10, id, DONE_LOST, 0, &outcome));
        assert_false(done(10, id, (enum done_how) 77, 0, &outcome));
        all.runs[0].pid = 0; /* it waits */
        assert_false(done(0, id, DONE_FINISHED, 0, &outcome));
        assert_int_equal(all.n_runs, 1);
}

static void a_result_is_an_errno_whatever_is_said(void **state) {
        struct schedule_outcome outcome;

        assert_true(done(10, begun(0, 10), DONE_FINISHED, INT32_MIN, &outcome));
        assert_in_range(-outcome.result, 1, 4095);
        assert_true(done(10, begun(0, 10), DONE_FINISHED, INT32_MAX, &outcome));
        assert_int_equal(outcome.result, 0);
}

static void a_text_that_does_not_end_is_cut(void **state) {
        struct message_done message = { .how = DONE_FINISHED };
        struct schedule_outcome outcome;

        message.id = begun(0, 10);
        memset(message.text, 'x', sizeof(message.text));
        assert_true(schedules_done(&all, 10, &message, now, now, &outcome));
        assert_int_equal(strlen(outcome.text), sizeof(message.text) - 1);
}

static void a_good_result_is_none_but_zero(void **state) {
        struct schedule_outcome outcome;

        assert_true(done(10, begun(0, 10), DONE_FINISHED, 7, &outcome));
        assert_int_equal(outcome.result, 0);
        assert_true(done(10, begun(0, 10), DONE_FINISHED, -EIO, &outcome));
        assert_int_equal(all.items[0].result, -EIO);
        assert_int_equal(all.items[0].n_failures, 1);
}

static void skip_leaves_out_what_is_due_while_one_goes_on(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(0, 10), serial;

        assert_int_equal(tick(0, &serial), SCHEDULE_SKIPPED);
        assert_int_equal(tick(0, &serial), SCHEDULE_SKIPPED);
        assert_int_equal(all.items[0].n_skipped, 2);
        assert_true(done(10, id, DONE_FINISHED, 0, &outcome));
        assert_int_equal(outcome.next, 0);
        assert_int_equal(tick(0, &serial), SCHEDULE_BEGUN);
}

static void queue_has_one_more_and_no_more_than_that(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(1, 10), queued, serial;

        assert_int_equal(tick(1, &queued), SCHEDULE_QUEUED);
        assert_int_equal(tick(1, &serial), SCHEDULE_SKIPPED);
        assert_int_equal(schedules_ticks(&all, 1), 1);
        assert_true(schedules_has_tick(&all, queued));
        assert_true(done(10, id, DONE_FINISHED, 0, &outcome));
        assert_int_equal(outcome.next, queued);
        assert_int_equal(all.items[1].n_runs, 2);
        assert_int_equal(schedules_add_run(&all, queued, -1), 0);
        assert_int_equal(tick(1, &serial), SCHEDULE_QUEUED);
}

static void allow_lets_all_go_on_up_to_a_number(void **state) {
        uint64_t serial;

        for (unsigned int i = 0; i < SCHEDULE_TICKS_MAX; i++)
                (void) begun(2, (pid_t) (10 + i));
        assert_int_equal(schedules_ticks(&all, 2), SCHEDULE_TICKS_MAX);
        assert_int_equal(tick(2, &serial), SCHEDULE_FULL);
        assert_int_equal(all.items[2].n_skipped, 1);
}

static void another_worker_gets_what_one_leaves_undone(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(0, 10);

        assert_false(schedules_lost(&all, 11, now, now, &outcome));
        assert_true(schedules_lost(&all, 10, now, now, &outcome));
        assert_true(outcome.retried && !outcome.tick_over);
        assert_int_equal(outcome.how, DONE_LOST);
        assert_false(schedules_lost(&all, 10, now, now, &outcome));
        assert_int_equal(all.runs[0].pid, 0);
        assert_int_equal(all.runs[0].attempt, 1);
        all.runs[0].pid = 11;
        assert_true(done(11, id, DONE_FINISHED, 0, &outcome));
        assert_true(outcome.tick_over);
        assert_int_equal(all.items[0].n_failures, 0);
}

/* The next tick would only take the next workers. */
static void what_ends_one_worker_after_another_is_given_up_and_held(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(0, 10), serial;

        for (unsigned int i = 1; i < SCHEDULE_ATTEMPTS; i++) {
                assert_true(done(10, id, i % 2 ? DONE_CRASHED : DONE_HUNG, 0, &outcome));
                assert_true(outcome.retried && !outcome.given_up);
                all.runs[0].pid = 10;
        }
        assert_true(done(10, id, DONE_CRASHED, 0, &outcome));
        assert_true(outcome.given_up && outcome.tick_over && !outcome.retried);
        assert_int_equal(all.items[0].how, DONE_CRASHED);
        assert_int_equal(all.items[0].n_failures, 1);
        assert_int_equal(tick(0, &serial), SCHEDULE_HELD);
        assert_int_equal(schedules_run(&all, 0, now, now, &serial), SCHEDULE_BEGUN);
        schedules_drop(&all, serial);
        now += HOLD;
        assert_int_equal(tick(0, &serial), SCHEDULE_BEGUN);
}

static void without_a_span_nothing_is_held(void **state) {
        struct schedule_outcome outcome;
        uint64_t serial;

        all.hold = 0;
        (void) begun(0, 10);
        for (unsigned int i = 0; i < SCHEDULE_ATTEMPTS; i++) {
                all.runs[0].pid = 10;
                assert_true(schedules_lost(&all, 10, now, now, &outcome));
        }
        assert_true(outcome.given_up);
        assert_int_equal(tick(0, &serial), SCHEDULE_BEGUN);
}

/* It has begun nothing. But who refuses again and again does not keep us busy for ever. */
static void a_worker_that_leaves_hands_back_without_a_loss(void **state) {
        struct schedule_outcome outcome;
        uint64_t id = begun(0, 10);
        unsigned int n = 0;

        assert_true(done(10, id, DONE_REFUSED, 0, &outcome));
        assert_true(outcome.retried);
        assert_int_equal(all.runs[0].attempt, 0);
        for (; all.n_runs > 0 && n < 1000; n++) {
                all.runs[0].pid = 10;
                assert_true(done(10, id, DONE_REFUSED, 0, &outcome));
        }
        assert_true(outcome.given_up);
        assert_in_range(n, 1, 100);
}

static void a_worker_that_does_not_know_it_has_done_nothing(void **state) {
        struct schedule_outcome outcome;

        assert_true(done(10, begun(0, 10), DONE_UNKNOWN, 0, &outcome));
        assert_true(outcome.vanished && outcome.tick_over);
        assert_int_equal(all.items[0].n_failures, 0);
        assert_int_equal(all.items[0].ended, 0);
}

static void of_many_runs_the_first_bad_result_is_the_one_of_the_tick(void **state) {
        struct schedule_outcome outcome;
        uint64_t serial;

        assert_int_equal(tick(0, &serial), SCHEDULE_BEGUN);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(schedules_add_run(&all, serial, i), 0);
                all.runs[i].pid = 10 + i;
        }
        assert_true(done(11, all.runs[1].id, DONE_FINISHED, 0, &outcome));
        assert_true(done(12, all.runs[1].id, DONE_FINISHED, -EIO, &outcome));
        assert_true(done(10, all.runs[0].id, DONE_FINISHED, -EPERM, &outcome));
        assert_false(outcome.tick_over);
        assert_true(done(13, all.runs[0].id, DONE_FINISHED, 0, &outcome));
        assert_true(outcome.tick_over);
        assert_int_equal(outcome.tick.n_ok, 2);
        assert_int_equal(outcome.tick.n_failed, 2);
        assert_int_equal(all.items[0].result, -EIO);
        assert_int_equal(all.items[0].n_failures, 1);
}

static void a_run_whose_worker_will_not_come_ends_without_a_word(void **state) {
        struct schedule_outcome outcome;
        uint64_t serial;

        assert_int_equal(tick(0, &serial), SCHEDULE_BEGUN);
        assert_int_equal(schedules_add_run(&all, serial, 3), 0);
        assert_true(schedules_cancel(&all, all.runs[0].id, now, now, &outcome));
        assert_true(outcome.vanished && outcome.tick_over);
        assert_false(schedules_cancel(&all, 99, now, now, &outcome));
}

static void a_tick_without_a_worker_counts_as_left_out(void **state) {
        uint64_t serial;

        assert_int_equal(tick(0, &serial), SCHEDULE_BEGUN);
        schedules_drop(&all, serial);
        assert_int_equal(all.items[0].n_runs, 0);
        assert_int_equal(all.items[0].n_skipped, 1);
}

static void paused_means_not_by_itself(void **state) {
        struct message_tick immediate = { .immediate = 1 };
        uint64_t serial;

        all.items[0].paused = true;
        assert_int_equal(tick(0, &serial), SCHEDULE_PAUSED);
        assert_int_equal(schedules_tick(&all, 0, &immediate, GENERATION, now, now, &serial),
                         SCHEDULE_PAUSED);
        assert_int_equal(all.items[0].n_skipped, 0);
        assert_int_equal(schedules_run(&all, 0, now, now, &serial), SCHEDULE_BEGUN);
}

/* Two agents say the same while one takes over from the other. */
static void the_same_tick_counts_once(void **state) {
        struct message_tick message = { .due = 77, .missed = 3 };
        uint64_t serial;

        assert_int_equal(schedules_tick(&all, 2, &message, GENERATION, now, now, &serial), SCHEDULE_BEGUN);
        assert_int_equal(schedules_tick(&all, 2, &message, GENERATION, now, now, &serial),
                         SCHEDULE_REPEATED);
        assert_int_equal(all.items[2].n_missed, 3);
        /* The clock was put back by a day: it is due again */
        message.due = 70;
        assert_int_equal(schedules_tick(&all, 2, &message, GENERATION, now, now, &serial), SCHEDULE_BEGUN);
}

static void immediate_is_once_for_each_generation(void **state) {
        struct message_tick message = { .immediate = 1 };
        uint64_t serial;

        assert_int_equal(schedules_tick(&all, 2, &message, 1, now, now, &serial), SCHEDULE_BEGUN);
        assert_int_equal(schedules_tick(&all, 2, &message, 1, now, now, &serial), SCHEDULE_REPEATED);
        assert_int_equal(schedules_tick(&all, 2, &message, 2, now, now, &serial), SCHEDULE_BEGUN);
        assert_int_equal(all.items[2].last_due, 0);
}

static void another_application_keeps_what_has_the_same_name(void **state) {
        struct schedule_outcome outcome;
        struct schedule_list list = {};
        uint64_t gone = begun(0, 10), id = begun(2, 11);

        all.items[2].paused = true;
        all.items[2].n_failures = 4;
        add(&list, "new", MUSTER_OVERLAP_SKIP);
        add(&list, "Allows", MUSTER_OVERLAP_SKIP);
        list.items[0].disable = true;
        assert_int_equal(schedules_update(&all, &list), 0);
        assert_int_equal(all.n, 2);
        assert_true(all.items[0].paused);
        assert_true(all.items[1].paused);
        assert_int_equal(all.items[1].n_failures, 4);
        assert_true(all.items[1].last_due > 0);
        assert_int_equal(schedules_ticks(&all, 1), 1);
        assert_int_equal(schedules_ticks(&all, 0), 0);
        assert_false(done(10, gone, DONE_FINISHED, 0, &outcome));
        assert_true(done(11, id, DONE_FINISHED, 0, &outcome));
        assert_int_equal(outcome.run.schedule, 1);
}

static void a_reload_that_changes_its_mind_overrules_a_pause(void **state) {
        struct schedule_list list = {};

        add(&list, "skips", MUSTER_OVERLAP_SKIP);
        all.items[0].paused = true;
        all.items[0].last_due = 5;
        list.items[0].disable = true;
        assert_int_equal(schedules_update(&all, &list), 0);
        assert_true(all.items[0].paused);
        list.items[0].disable = false;
        (void) snprintf(list.items[0].when, sizeof(list.items[0].when), "every 3s");
        assert_int_equal(schedules_update(&all, &list), 0);
        assert_false(all.items[0].paused);
        /* With other times, when it was due last means nothing */
        assert_int_equal(all.items[0].last_due, 0);
}

/* As handover.c reads it: one after the other into arrays. */
static void the_next_master_goes_on_with_all_of_it(void **state) {
        struct schedules next = {};
        struct schedule_outcome outcome;
        struct schedule_run runs[2];
        uint64_t id = begun(1, 10), queued;

        assert_int_equal(tick(1, &queued), SCHEDULE_QUEUED);
        (void) begun(2, 11);
        memcpy(runs, all.runs, sizeof(runs));
        /* A run without its tick, or a tick without one */
        assert_int_equal(schedules_restore(&next, all.items, all.n, all.ticks, all.n_ticks, runs, 1),
                         -EBADMSG);
        runs[1].tick = 99;
        assert_int_equal(schedules_restore(&next, all.items, all.n, all.ticks, all.n_ticks, runs, 2),
                         -EBADMSG);
        runs[1].tick = all.runs[1].tick;
        assert_int_equal(schedules_restore(&next, all.items, all.n, all.ticks, all.n_ticks, runs, 2), 0);
        schedules_deinit(&all);
        all = next;
        assert_true(done(10, id, DONE_FINISHED, 0, &outcome));
        assert_int_equal(outcome.next, queued);
        id = begun(0, 12);
        assert_int_equal(id, all.last_number);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        static const struct CMUnitTest tests[] = {
                TEST(a_tick_is_over_when_its_run_is),
                TEST(nobody_is_believed_about_the_run_of_another),
                TEST(a_result_is_an_errno_whatever_is_said),
                TEST(a_text_that_does_not_end_is_cut),
                TEST(a_good_result_is_none_but_zero),
                TEST(skip_leaves_out_what_is_due_while_one_goes_on),
                TEST(queue_has_one_more_and_no_more_than_that),
                TEST(allow_lets_all_go_on_up_to_a_number),
                TEST(another_worker_gets_what_one_leaves_undone),
                TEST(what_ends_one_worker_after_another_is_given_up_and_held),
                TEST(without_a_span_nothing_is_held),
                TEST(a_worker_that_leaves_hands_back_without_a_loss),
                TEST(a_worker_that_does_not_know_it_has_done_nothing),
                TEST(of_many_runs_the_first_bad_result_is_the_one_of_the_tick),
                TEST(a_run_whose_worker_will_not_come_ends_without_a_word),
                TEST(a_tick_without_a_worker_counts_as_left_out),
                TEST(paused_means_not_by_itself),
                TEST(the_same_tick_counts_once),
                TEST(immediate_is_once_for_each_generation),
                TEST(another_application_keeps_what_has_the_same_name),
                TEST(a_reload_that_changes_its_mind_overrules_a_pause),
                TEST(the_next_master_goes_on_with_all_of_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
