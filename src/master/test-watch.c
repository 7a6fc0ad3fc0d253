/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "master/watch.h"
#include "util/macro.h"

#define SEC   USEC_PER_SEC
#define MSEC  USEC_PER_MSEC
#define START (1000 * SEC)

/* ---- One process ---- */

/* A story of one process: looks at given times, what its slot said then, and what is to be made of it. Times are counted
 * from START, also those that the slot says. */
struct sight {
        usec_t at;
        int64_t beat;
        enum pulse_verdict verdict;
};

static void tell(usec_t hang_timeout, usec_t kill_timeout, const struct sight *sights, size_t n) {
        struct pulse pulse;
        usec_t before = START;

        pulse_begin(&pulse, START);
        for (size_t i = 0; i < n; i++) {
                usec_t now = START + sights[i].at;

                if (pulse_listen(&pulse, START + (uint64_t) sights[i].beat, now, now - before, hang_timeout,
                                 kill_timeout) != sights[i].verdict)
                        fail_msg("look %zu, silent for %" PRIu64, i, pulse.silent);
                before = now;
        }
}

static void test_one_that_beats_is_never_hung(void **state) {
        struct pulse pulse;

        pulse_begin(&pulse, START);
        for (usec_t i = 1; i < 1000; i++)
                assert_int_equal(pulse_listen(&pulse, START + i / 2 * SEC, START + i * 500 * MSEC,
                                              500 * MSEC, 2 * SEC, SEC),
                                 PULSE_GOOD);
}

static void test_silence_for_hang_timeout_is_a_hang_and_told_once(void **state) {
        static const struct sight sights[] = {
                { 250 * MSEC, 0, PULSE_GOOD },  { 500 * MSEC, 0, PULSE_GOOD },
                { 750 * MSEC, 0, PULSE_GOOD },  { 1000 * MSEC, 0, PULSE_HANGS },
                { 1250 * MSEC, 0, PULSE_GOOD },
        };

        tell(SEC, 10 * SEC, sights, ELEMENTSOF(sights));
}

static void test_an_honest_beat_counts_from_when_it_was_made(void **state) {
        static const struct sight sights[] = {
                { 500 * MSEC, 10 * MSEC, PULSE_GOOD },
                { 1000 * MSEC, 10 * MSEC, PULSE_GOOD },
                { 1010 * MSEC, 10 * MSEC, PULSE_HANGS },
        };

        tell(SEC, SEC, sights, ELEMENTSOF(sights));
}

static void test_a_time_in_the_future_hides_no_hang(void **state) {
        static const struct sight sights[] = {
                { 500 * MSEC, 86400 * (int64_t) SEC, PULSE_GOOD },
                { 1000 * MSEC, 86400 * (int64_t) SEC, PULSE_GOOD },
                { 1500 * MSEC, 86400 * (int64_t) SEC, PULSE_HANGS },
        };

        tell(SEC, SEC, sights, ELEMENTSOF(sights));
}

static void test_a_time_in_the_past_is_a_sign_of_life_too(void **state) {
        static const struct sight sights[] = {
                { 900 * MSEC, -100 * (int64_t) SEC, PULSE_GOOD },
                { 1800 * MSEC, -200 * (int64_t) SEC, PULSE_GOOD },
                { 2700 * MSEC, -100 * (int64_t) SEC, PULSE_GOOD },
                { 3700 * MSEC, -100 * (int64_t) SEC, PULSE_HANGS },
        };

        tell(SEC, SEC, sights, ELEMENTSOF(sights));
}

static void test_one_that_stays_silent_is_deaf_after_kill_timeout(void **state) {
        static const struct sight sights[] = {
                { 1000 * MSEC, 0, PULSE_HANGS },
                { 2000 * MSEC, 0, PULSE_GOOD },
                { 2999 * MSEC, 0, PULSE_GOOD },
                { 3000 * MSEC, 0, PULSE_DEAF },
        };

        tell(SEC, 2 * SEC, sights, ELEMENTSOF(sights));
}

static void test_one_that_beats_again_is_back_and_may_hang_again(void **state) {
        static const struct sight sights[] = {
                { 1000 * MSEC, 0, PULSE_HANGS },
                { 1500 * MSEC, 1500 * MSEC, PULSE_BACK },
                { 2000 * MSEC, 2000 * MSEC, PULSE_GOOD },
                { 3000 * MSEC, 2000 * MSEC, PULSE_HANGS },
        };

        tell(SEC, 2 * SEC, sights, ELEMENTSOF(sights));
}

static void test_infinity_never_hangs(void **state) {
        static const struct sight sights[] = {
                { 86400 * SEC, 0, PULSE_GOOD },
                { 864000 * SEC, 0, PULSE_GOOD },
        };

        tell(USEC_NEVER, SEC, sights, ELEMENTSOF(sights));
}

/* ---- How the master's own time counts ---- */

static const struct watch_census well = {
        .serving = true, .n_workers = 4, .n_ready = 4, .quorum = 1, .hang_timeout = 30 * SEC
};

static void test_time_that_the_master_slept_is_nobodys_silence(void **state) {
        struct watch watch = {};
        struct pulse pulse;
        usec_t now = START, span;

        pulse_begin(&pulse, START);
        assert_int_equal(watch_look(&watch, now), 0);
        (void) watch_decide(&watch, &well, now);
        for (unsigned int i = 0; i < 20; i++) {
                /* It is stopped for an hour, and looks before any child has come to run. */
                now += 3600 * SEC;
                span = watch_look(&watch, now);
                assert_int_equal(span, 500 * MSEC);
                assert_int_equal(pulse_listen(&pulse, START, now, span, 30 * SEC, SEC), PULSE_GOOD);
        }
}

static void test_a_look_that_is_a_little_late_counts_whole(void **state) {
        struct watch watch = {};

        (void) watch_look(&watch, START);
        (void) watch_decide(&watch, &well, START);
        assert_int_equal(watch_look(&watch, START + 900 * MSEC), 900 * MSEC);
        assert_int_equal(watch_look(&watch, START + 1000 * MSEC), 100 * MSEC);
}

static void test_looks_come_several_times_within_hang_timeout(void **state) {
        static const struct {
                usec_t hang_timeout, period;
        } cases[] = {
                { SEC, 250 * MSEC },
                { 2 * SEC, 500 * MSEC },
                { 30 * SEC, 500 * MSEC },
                { USEC_NEVER, USEC_NEVER },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct watch_census census = well;
                struct watch watch = {};

                census.hang_timeout = cases[i].hang_timeout;
                (void) watch_decide(&watch, &census, START);
                assert_int_equal(watch_next(&watch, START), usec_add(START, cases[i].period));
        }
}

static void test_before_the_first_look_there_is_nothing_to_wait_for(void **state) {
        const struct watch idle = {}, watched = { .timeout = 60 * SEC };

        assert_int_equal(watch_next(&idle, START), USEC_NEVER);
        assert_int_equal(watch_next(&watched, START), START);
}

/* ---- What systemd hears ---- */

static void test_the_ping_comes_at_half_the_timeout(void **state) {
        struct watch_census census = well;
        struct watch watch = { .timeout = 60 * SEC };

        census.hang_timeout = USEC_NEVER;
        assert_int_equal(watch_decide(&watch, &census, START), WATCH_PING);
        assert_int_equal(watch_next(&watch, START), START + 30 * SEC);
        assert_int_equal(watch_decide(&watch, &census, START + 30 * SEC - 1), WATCH_NOTHING);
        assert_int_equal(watch_decide(&watch, &census, START + 30 * SEC), WATCH_PING);
}

static void test_without_a_watchdog_nothing_is_said(void **state) {
        struct watch_census census = well;
        struct watch watch = {};

        census.n_ready = 0;
        assert_int_equal(watch_decide(&watch, &census, START), WATCH_NOTHING);
        assert_null(watch_withheld(&watch));
}

static void test_who_must_be_well_for_a_ping(void **state) {
        static const struct {
                struct watch_census census;
                const char *reason;
        } cases[] = {
                { { .serving = true, .n_workers = 4, .n_ready = 4, .quorum = 1 }, NULL },
                { { .serving = true, .n_workers = 4, .n_ready = 1, .quorum = 1 }, NULL },
                { { .serving = true, .n_workers = 4, .n_ready = 0, .quorum = 1 },
                  "0 of 4 workers are ready and beating, the quorum is 1" },
                { { .serving = true, .n_workers = 4, .n_ready = 2, .quorum = 3 },
                  "2 of 4 workers are ready and beating, the quorum is 3" },
                /* No more can be asked for than there should be. */
                { { .serving = true, .n_workers = 2, .n_ready = 2, .quorum = 3 }, NULL },
                { { .serving = true, .n_workers = 2, .n_ready = 1, .quorum = 3 },
                  "1 of 2 workers are ready and beating, the quorum is 2" },
                /* Workers do not matter. */
                { { .serving = true, .n_workers = 2, .n_ready = 0, .quorum = 0 }, NULL },
                /* In the middle of a reload there are more. */
                { { .serving = true, .n_workers = 2, .n_ready = 4, .quorum = 2 }, NULL },
                { { .serving = true, .n_workers = 2, .n_ready = 2, .quorum = 1, .agent_hung = 1250 * MSEC },
                  "the agent has been silent for 1s 200ms" },
                /* Starting and stopping. */
                { { .n_workers = 4, .n_ready = 0, .quorum = 1 }, NULL },
                { { .n_workers = 4, .n_ready = 0, .quorum = 1, .agent_hung = 60 * SEC }, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct watch watch = { .timeout = 60 * SEC };

                assert_int_equal(watch_decide(&watch, &cases[i].census, START),
                                 cases[i].reason ? WATCH_WITHHOLD : WATCH_PING);
                if (cases[i].reason)
                        assert_string_equal(watch_withheld(&watch), cases[i].reason);
                else
                        assert_null(watch_withheld(&watch));
        }
}

static void test_a_lapse_between_two_pings_is_no_news(void **state) {
        struct watch_census census = well;
        struct watch watch = { .timeout = 60 * SEC };

        assert_int_equal(watch_decide(&watch, &census, START), WATCH_PING);
        census.n_ready = 0;
        assert_int_equal(watch_decide(&watch, &census, START + 29 * SEC), WATCH_NOTHING);
        assert_null(watch_withheld(&watch));
}

static void test_a_ping_that_was_withheld_is_sent_as_soon_as_all_is_well(void **state) {
        struct watch_census census = well;
        struct watch watch = { .timeout = 60 * SEC };

        census.n_ready = 0;
        assert_int_equal(watch_decide(&watch, &census, START), WATCH_WITHHOLD);
        assert_int_equal(watch_decide(&watch, &census, START + SEC), WATCH_NOTHING);
        assert_non_null(watch_withheld(&watch));
        census.n_ready = 1;
        assert_int_equal(watch_decide(&watch, &census, START + SEC + 1), WATCH_PING);
        assert_null(watch_withheld(&watch));
        assert_int_equal(watch_decide(&watch, &census, START + SEC + 2), WATCH_NOTHING);
        assert_int_equal(watch_decide(&watch, &census, START + 32 * SEC), WATCH_PING);
}

static void test_while_a_ping_is_withheld_looks_come_often(void **state) {
        struct watch_census census = well;
        struct watch watch = { .timeout = 800 * MSEC };

        census.n_ready = 0;
        assert_int_equal(watch_decide(&watch, &census, START), WATCH_WITHHOLD);
        assert_int_equal(watch_next(&watch, START), START + 100 * MSEC);
}

static void test_a_pool_that_is_up_now_and_then_keeps_the_watchdog_fed(void **state) {
        struct watch_census census = well;
        struct watch watch = { .timeout = 61 * SEC };
        usec_t pinged = START;

        /* A crash loop at its longest wait: a moment of life after every half minute. */
        for (usec_t at = 0; at < 600 * SEC; at += 100 * MSEC) {
                census.n_ready = at % (30 * SEC + 100 * MSEC) == 0;
                if (watch_decide(&watch, &census, START + at) != WATCH_PING)
                        continue;
                assert_true(START + at - pinged < watch.timeout);
                pinged = START + at;
        }
        assert_true(pinged > START + 500 * SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_that_beats_is_never_hung),
                cmocka_unit_test(test_silence_for_hang_timeout_is_a_hang_and_told_once),
                cmocka_unit_test(test_an_honest_beat_counts_from_when_it_was_made),
                cmocka_unit_test(test_a_time_in_the_future_hides_no_hang),
                cmocka_unit_test(test_a_time_in_the_past_is_a_sign_of_life_too),
                cmocka_unit_test(test_one_that_stays_silent_is_deaf_after_kill_timeout),
                cmocka_unit_test(test_one_that_beats_again_is_back_and_may_hang_again),
                cmocka_unit_test(test_infinity_never_hangs),
                cmocka_unit_test(test_time_that_the_master_slept_is_nobodys_silence),
                cmocka_unit_test(test_a_look_that_is_a_little_late_counts_whole),
                cmocka_unit_test(test_looks_come_several_times_within_hang_timeout),
                cmocka_unit_test(test_before_the_first_look_there_is_nothing_to_wait_for),
                cmocka_unit_test(test_the_ping_comes_at_half_the_timeout),
                cmocka_unit_test(test_without_a_watchdog_nothing_is_said),
                cmocka_unit_test(test_who_must_be_well_for_a_ping),
                cmocka_unit_test(test_a_lapse_between_two_pings_is_no_news),
                cmocka_unit_test(test_a_ping_that_was_withheld_is_sent_as_soon_as_all_is_well),
                cmocka_unit_test(test_while_a_ping_is_withheld_looks_come_often),
                cmocka_unit_test(test_a_pool_that_is_up_now_and_then_keeps_the_watchdog_fed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
