/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/balance.h"
#include "util/macro.h"

#define N_WORKERS 4U

struct fixture {
        struct scoreboard scoreboard;
        struct muster muster;
        struct balance balance;
};

static int set_up(void **state) {
        static struct fixture fixture;

        fixture = (struct fixture){ .scoreboard = SCOREBOARD_NULL };
        assert_int_equal(scoreboard_create(&fixture.scoreboard, N_WORKERS + 4), 0);
        scoreboard_clear(&fixture.scoreboard, SCOREBOARD_MASTER);
        scoreboard_slot(&fixture.scoreboard, SCOREBOARD_MASTER)->slots_end = N_WORKERS + 1;
        for (unsigned int i = 0; i < N_WORKERS; i++) {
                struct slot *slot = scoreboard_slot(&fixture.scoreboard, i + 1);

                scoreboard_clear(&fixture.scoreboard, i + 1);
                slot->state = SLOT_READY;
                slot->number = (int) i;
                slot->heartbeat = USEC_PER_SEC;
        }
        fixture.muster.scoreboard = &fixture.scoreboard;
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        scoreboard_deinit(&fixture->scoreboard);
        return 0;
}

static void have(struct fixture *fixture, unsigned int worker, unsigned int connections) {
        scoreboard_slot(&fixture->scoreboard, worker + 1)->connections = connections;
}

static bool declines(struct fixture *fixture, unsigned int own) {
        return balance_declines(&fixture->balance, &fixture->muster, own, 2 * USEC_PER_SEC);
}

static void test_a_fair_share_and_a_little_more_is_not_ahead(void **state) {
        assert_false(balance_is_ahead(0, 0, 4));
        assert_false(balance_is_ahead(4, 4, 4));
        assert_false(balance_is_ahead(64, 256, 4));
        assert_false(balance_is_ahead(72, 256, 4));
        assert_true(balance_is_ahead(73, 256, 4));
        assert_true(balance_is_ahead(6, 6, 4));
}

static void test_a_single_worker_is_never_ahead(void **state) {
        assert_false(balance_is_ahead(1000, 1000, 1));
        assert_false(balance_is_ahead(1000, 0, 0));
}

static void test_who_has_much_more_than_the_others_leaves_the_next_to_them(void **state) {
        struct fixture *fixture = *state;

        have(fixture, 0, 20);
        assert_true(declines(fixture, 20));
        assert_false(declines(fixture, 0));
}

static void test_nobody_is_waited_for_more_than_a_few_turns(void **state) {
        struct fixture *fixture = *state;
        unsigned int n = 0;

        have(fixture, 0, 100);
        while (declines(fixture, 100))
                n++;
        assert_in_range(n, 1, 16);
        assert_true(declines(fixture, 100));
}

static void test_one_that_does_not_serve_or_shows_no_life_does_not_count(void **state) {
        struct fixture *fixture = *state;

        have(fixture, 0, 20);
        scoreboard_slot(&fixture->scoreboard, 2)->state = SLOT_DRAINING;
        scoreboard_slot(&fixture->scoreboard, 3)->number = -1;
        scoreboard_slot(&fixture->scoreboard, 4)->heartbeat = 0;
        assert_false(balance_declines(&fixture->balance, &fixture->muster, 20, 6 * USEC_PER_SEC - 1));
}

static void test_a_mark_beyond_the_end_is_not_believed(void **state) {
        struct fixture *fixture = *state;

        scoreboard_slot(&fixture->scoreboard, SCOREBOARD_MASTER)->slots_end = UINT32_MAX;
        have(fixture, 0, 20);
        assert_true(declines(fixture, 20));
}

static void test_without_a_scoreboard_every_connection_is_taken(void **state) {
        struct fixture *fixture = *state;

        fixture->muster.scoreboard = NULL;
        assert_false(declines(fixture, 1000));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_fair_share_and_a_little_more_is_not_ahead),
                cmocka_unit_test(test_a_single_worker_is_never_ahead),
                cmocka_unit_test_setup_teardown(
                        test_who_has_much_more_than_the_others_leaves_the_next_to_them, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_nobody_is_waited_for_more_than_a_few_turns, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_one_that_does_not_serve_or_shows_no_life_does_not_count,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_mark_beyond_the_end_is_not_believed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_without_a_scoreboard_every_connection_is_taken, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
