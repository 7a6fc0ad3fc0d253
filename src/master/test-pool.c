/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/pool.h"

#define SEC  USEC_PER_SEC
#define MSEC USEC_PER_MSEC

#define HOUR (3600 * SEC)
#define BOOT (50 * MSEC)

/* Each story is a list of losses, and when the replacement may start after each. It is ready BOOT later, if nobody is lost
 * before. */
struct loss {
        usec_t at;
        usec_t wait;
        bool over;
};

static void tell_with(usec_t boot, unsigned int limit, usec_t interval, const struct loss *losses,
                      size_t n) {
        struct pool_budget budget;
        usec_t ready = USEC_NEVER;

        assert_int_equal(pool_budget_init(&budget, limit, interval), 0);
        for (size_t i = 0; i < n; i++) {
                usec_t now = 1000 * SEC + losses[i].at, when;
                bool over;

                if (ready <= now)
                        pool_budget_ready(&budget, ready);
                when = pool_budget_spend(&budget, now, &over);
                assert_int_equal(when - now, losses[i].wait);
                assert_int_equal(over, losses[i].over);
                ready = usec_add(when, boot);
        }
        pool_budget_deinit(&budget);
}

static void tell(unsigned int limit, usec_t interval, const struct loss *losses, size_t n) {
        tell_with(BOOT, limit, interval, losses, n);
}

static void test_within_the_budget_a_restart_is_immediate(void **state) {
        static const struct loss losses[] = { { 0, 0, false }, { 1, 0, false }, { 2, 0, false } };

        tell(3, 60 * SEC, losses, ELEMENTSOF(losses));
}

static void test_past_the_budget_the_wait_doubles(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 0, false },
                { 2 * SEC, 100 * MSEC, true },
                { 3 * SEC, 200 * MSEC, true },
                { 4 * SEC, 400 * MSEC, true },
                { 5 * SEC, 800 * MSEC, true },
        };

        tell(2, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_the_wait_has_an_upper_end(void **state) {
        struct pool_budget budget;
        usec_t now = 1000 * SEC, when = now;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 1, 86400 * SEC), 0);
        for (unsigned int i = 0; i < 30; i++) {
                now = when;
                when = pool_budget_spend(&budget, now, &over);
        }
        assert_int_equal(when - now, POOL_BACKOFF_MAX);
        assert_true(over);
        pool_budget_deinit(&budget);
}

static void test_losses_during_a_wait_join_it(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 10 * MSEC, 100 * MSEC, true },
                { 20 * MSEC, 90 * MSEC, true },
                { 110 * MSEC, 200 * MSEC, true },
        };

        tell(1, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_half_a_minute_of_health_begins_anew(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 100 * MSEC, true },
                { 2 * SEC, 200 * MSEC, true },
                { 40 * SEC, 100 * MSEC, true },
        };

        tell(1, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_a_start_that_takes_long_is_no_health(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 100 * MSEC, true },
                { 46 * SEC, 200 * MSEC, true },
                { 92 * SEC, 400 * MSEC, true },
                { 170 * SEC, 100 * MSEC, true },
        };

        tell_with(45 * SEC, 1, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_starts_that_fail_are_no_health(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 100 * MSEC, true },
                { 60 * SEC, 200 * MSEC, true },
                { 120 * SEC, 400 * MSEC, true },
        };

        tell_with(USEC_NEVER, 1, 600 * SEC, losses, ELEMENTSOF(losses));
}

static void test_within_the_budget_again_a_restart_is_immediate_and_the_wait_not_forgotten(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 0, false },
                { 2 * SEC, 100 * MSEC, true },
                { 3 * SEC, 200 * MSEC, true },
                { 14 * SEC, 0, false },
                { 15 * SEC, 0, false },
                { 16 * SEC, 400 * MSEC, true },
        };

        tell(2, 10 * SEC, losses, ELEMENTSOF(losses));
}

static void test_the_budget_comes_back_with_time(void **state) {
        static const struct loss losses[] = {
                { 0, 0, false },
                { 1 * SEC, 0, false },
                { 59 * SEC, 100 * MSEC, true },
                { 200 * SEC, 0, false },
        };

        tell(2, 60 * SEC, losses, ELEMENTSOF(losses));
}

static void test_one_loss_a_second_is_never_over_sixty_in_a_minute(void **state) {
        struct pool_budget budget;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 60, 60 * SEC), 0);
        for (usec_t i = 0; i < 600; i++)
                assert_int_equal(pool_budget_spend(&budget, 1000 * SEC + i * SEC, &over),
                                 1000 * SEC + i * SEC);
        pool_budget_deinit(&budget);
}

/* ---- Whole pools, for an hour ---- */

#define POOL_MAX 256U

struct pool_story {
        unsigned int n_workers;
        usec_t boot; /* from the start to being ready */
        usec_t life; /* from there to the crash; USEC_NEVER: it never crashes */
        usec_t calm; /* workers that get ready from then on do not crash */
};

struct pool_outcome {
        unsigned int n_starts;
        unsigned int busiest; /* the most starts in one minute of the clock */
        unsigned int n_over;
        usec_t longest; /* between two starts */
        usec_t wait;    /* of the last loss */
};

/* What comes next: of all workers, who is lost or gets ready first. */
static unsigned int next_event(const usec_t *ready, const usec_t *lost, unsigned int n) {
        unsigned int first = 0;

        for (unsigned int i = 1; i < n; i++)
                if (MIN(ready[i], lost[i]) < MIN(ready[first], lost[first]))
                        first = i;
        return first;
}

static struct pool_outcome live(const struct pool_story *story) {
        usec_t ready[POOL_MAX], lost[POOL_MAX], last = 1000 * SEC;
        unsigned int minutes[64] = {};
        struct pool_outcome outcome = {};
        struct pool_budget budget;

        assert_int_equal(pool_budget_init(&budget, 60, 60 * SEC), 0);
        for (unsigned int i = 0; i < story->n_workers; i++) {
                ready[i] = 1000 * SEC + story->boot;
                lost[i] = USEC_NEVER;
        }
        for (;;) {
                unsigned int i = next_event(ready, lost, story->n_workers);
                usec_t now = MIN(ready[i], lost[i]), when;
                bool over;

                if (now >= 1000 * SEC + HOUR)
                        break;
                if (ready[i] == now) {
                        pool_budget_ready(&budget, now);
                        ready[i] = USEC_NEVER;
                        lost[i] = now >= usec_add(1000 * SEC, story->calm) ? USEC_NEVER
                                                                           : usec_add(now, story->life);
                        continue;
                }
                when = pool_budget_spend(&budget, now, &over);
                outcome.n_over += over;
                outcome.wait = when - now;
                outcome.n_starts++;
                if (when < 1000 * SEC + HOUR) {
                        unsigned int *minute = &minutes[(when - 1000 * SEC) / (60 * SEC)];

                        (*minute)++;
                        outcome.busiest = MAX(outcome.busiest, *minute);
                }
                outcome.longest = MAX(outcome.longest, when > last ? when - last : 0);
                last = when;
                ready[i] = usec_add(when, story->boot);
                lost[i] = USEC_NEVER;
        }
        pool_budget_deinit(&budget);
        return outcome;
}

static void test_a_crash_storm_is_slowed_down_and_never_given_up(void **state) {
        static const struct pool_story stories[] = {
                { .n_workers = 1, .boot = BOOT, .life = 0, .calm = USEC_NEVER },
                { .n_workers = 4, .boot = BOOT, .life = 0, .calm = USEC_NEVER },
                { .n_workers = 8, .boot = BOOT, .life = 100 * MSEC, .calm = USEC_NEVER },
        };

        for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
                struct pool_outcome outcome = live(&stories[i]);

                assert_true(outcome.n_over > 0);
                /* As long as it lasts the pool is tried again at least every half minute, */
                assert_true(outcome.longest <= POOL_BACKOFF_MAX + stories[i].boot + stories[i].life);
                assert_true(outcome.n_starts >= 110 * stories[i].n_workers);
                /* and, but for the first wave, no minute has more than the budget and a few waits. */
                assert_true(outcome.n_starts <= 60 * (60 + 2 * stories[i].n_workers));
                assert_true(outcome.busiest <= 60 + 10 * stories[i].n_workers);
        }
}

static void test_slow_boots_are_never_made_slower(void **state) {
        static const struct pool_story stories[] = {
                { .n_workers = 4, .boot = 20 * SEC, .life = 0, .calm = USEC_NEVER },
                { .n_workers = 24, .boot = 45 * SEC, .life = 0, .calm = USEC_NEVER },
                { .n_workers = 8, .boot = 300 * SEC, .life = 60 * SEC, .calm = USEC_NEVER },
        };

        for (size_t i = 0; i < ELEMENTSOF(stories); i++) {
                struct pool_outcome outcome = live(&stories[i]);

                assert_int_equal(outcome.n_over, 0);
                assert_true(outcome.n_starts > 0);
        }
}

static void test_flapping_within_the_budget_is_always_replaced_at_once(void **state) {
        static const struct pool_story stories[] = {
                { .n_workers = 1, .boot = BOOT, .life = SEC, .calm = USEC_NEVER },
                { .n_workers = 4, .boot = BOOT, .life = 5 * SEC, .calm = USEC_NEVER },
                { .n_workers = 8, .boot = BOOT, .life = 25 * SEC, .calm = USEC_NEVER },
        };

        for (size_t i = 0; i < ELEMENTSOF(stories); i++)
                assert_int_equal(live(&stories[i]).n_over, 0);
}

static void test_flapping_beyond_the_budget_keeps_to_it_and_to_the_waits(void **state) {
        static const struct pool_story story = {
                .n_workers = 8, .boot = BOOT, .life = 2 * SEC, .calm = USEC_NEVER
        };
        struct pool_outcome outcome = live(&story);

        assert_true(outcome.n_over > 0);
        assert_true(outcome.longest <= POOL_BACKOFF_MAX + 3 * SEC);
        assert_true(outcome.n_starts <= 60 * (60 + 2 * story.n_workers));
}

static void test_a_pool_whose_workers_all_fail_together_comes_back_together(void **state) {
        static const struct pool_story story = {
                .n_workers = 256, .boot = BOOT, .life = 60 * SEC, .calm = 60 * SEC
        };
        struct pool_outcome outcome = live(&story);

        /* Twice as many as the budget has: the others wait, once. */
        assert_true(outcome.n_over >= 196);
        assert_int_equal(outcome.wait, POOL_BACKOFF_MIN);
        assert_int_equal(outcome.n_starts, 256);
}

static void test_after_a_storm_and_some_health_a_loss_is_replaced_at_once(void **state) {
        struct pool_budget budget;
        usec_t now = 1000 * SEC, when = now;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 60, 60 * SEC), 0);
        for (unsigned int i = 0; i < 200; i++) {
                now = when;
                when = pool_budget_spend(&budget, now, &over);
                pool_budget_ready(&budget, when);
        }
        now = when + 61 * SEC;
        assert_int_equal(pool_budget_spend(&budget, now, &over), now);
        assert_false(over);
        /* And what comes over the budget then begins with the shortest wait. */
        pool_budget_ready(&budget, now);
        for (unsigned int i = 0; i < 59; i++)
                assert_int_equal(pool_budget_spend(&budget, now, &over), now);
        assert_int_equal(pool_budget_spend(&budget, now, &over), now + POOL_BACKOFF_MIN);
        pool_budget_deinit(&budget);
}

static void test_what_is_left_is_counted(void **state) {
        struct pool_budget budget;
        bool over;

        assert_int_equal(pool_budget_init(&budget, 3, 60 * SEC), 0);
        assert_int_equal(pool_budget_left(&budget, 1000 * SEC), 3);
        (void) pool_budget_spend(&budget, 1000 * SEC, &over);
        (void) pool_budget_spend(&budget, 1030 * SEC, &over);
        assert_int_equal(pool_budget_left(&budget, 1030 * SEC), 1);
        assert_int_equal(pool_budget_left(&budget, 1061 * SEC), 2);
        pool_budget_deinit(&budget);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_within_the_budget_a_restart_is_immediate),
                cmocka_unit_test(test_past_the_budget_the_wait_doubles),
                cmocka_unit_test(test_the_wait_has_an_upper_end),
                cmocka_unit_test(test_losses_during_a_wait_join_it),
                cmocka_unit_test(test_half_a_minute_of_health_begins_anew),
                cmocka_unit_test(test_a_start_that_takes_long_is_no_health),
                cmocka_unit_test(test_starts_that_fail_are_no_health),
                cmocka_unit_test(
                        test_within_the_budget_again_a_restart_is_immediate_and_the_wait_not_forgotten),
                cmocka_unit_test(test_the_budget_comes_back_with_time),
                cmocka_unit_test(test_one_loss_a_second_is_never_over_sixty_in_a_minute),
                cmocka_unit_test(test_a_crash_storm_is_slowed_down_and_never_given_up),
                cmocka_unit_test(test_slow_boots_are_never_made_slower),
                cmocka_unit_test(test_flapping_within_the_budget_is_always_replaced_at_once),
                cmocka_unit_test(test_flapping_beyond_the_budget_keeps_to_it_and_to_the_waits),
                cmocka_unit_test(test_a_pool_whose_workers_all_fail_together_comes_back_together),
                cmocka_unit_test(test_after_a_storm_and_some_health_a_loss_is_replaced_at_once),
                cmocka_unit_test(test_what_is_left_is_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
