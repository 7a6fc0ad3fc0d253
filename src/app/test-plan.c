/* SPDX-License-Identifier: MIT */

/* When schedules are due, in a time of its own. */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "app/plan.h"
#include "util/macro.h"

#define SEC    USEC_PER_SEC
#define MINUTE (60 * SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* Some midnight, in UTC */
#define MIDNIGHT (UINT64_C(20000) * DAY)

static int nothing(struct muster *muster, struct muster_job *job) {
        return 0;
}

static struct plan planned(const char *interval, const char *cron, const char *jitter) {
        const struct muster_schedule declared = {
                .name = "x", .handler = nothing, .interval = interval, .cron = cron, .jitter = jitter
        };
        _cleanup_free_ char *reason = NULL;
        struct plan plan;

        assert_int_equal(plan_make(&plan, &declared, NULL, &reason), 0);
        return plan;
}

/* What comes of it at `fire`, as if the loop was on time. */
static unsigned int take(struct plan *plan, usec_t now, usec_t due) {
        unsigned int missed;
        usec_t got;

        missed = plan_take(plan, now, 0, &got);
        assert_int_equal(got, due);
        return missed;
}

static void an_interval_begins_one_interval_after_the_start(void **state) {
        struct plan plan = planned("10s", NULL, NULL);

        plan_begin(&plan, 0, 1000 * SEC, 0);
        assert_string_equal(plan.when, "every 10s");
        assert_int_equal(plan.fire, 1010 * SEC);
        assert_int_equal(take(&plan, 1010 * SEC, 1010 * SEC), 0);
        assert_int_equal(plan.fire, 1020 * SEC);
}

static void an_interval_does_not_drift(void **state) {
        struct plan plan = planned("10s", NULL, NULL);

        plan_begin(&plan, 0, 1000 * SEC, 0);
        assert_int_equal(take(&plan, 1013 * SEC, 1010 * SEC), 0);
        assert_int_equal(plan.fire, 1020 * SEC);
}

static void what_was_missed_is_counted_and_made_up_for_once(void **state) {
        struct plan plan = planned("10s", NULL, NULL);

        plan_begin(&plan, 0, 1000 * SEC, 0);
        /* Asleep for a minute: 1010 to 1060 are missed, 1070 is now */
        assert_int_equal(take(&plan, 1074 * SEC, 1070 * SEC), 6);
        assert_int_equal(plan.fire, 1080 * SEC);
        /* For a year */
        assert_int_equal(take(&plan, 1080 * SEC + 365 * DAY, 1080 * SEC + 365 * DAY), PLAN_MISSED_MAX);
        assert_int_equal(plan.fire, 1090 * SEC + 365 * DAY);
}

static void another_agent_goes_on_where_the_last_one_ended(void **state) {
        struct plan plan = planned("1h", NULL, NULL);

        plan_begin(&plan, 5 * HOUR, 5 * HOUR + 50 * MINUTE, 0);
        assert_int_equal(plan.fire, 6 * HOUR);
        /* There was none for a while */
        plan_begin(&plan, 5 * HOUR, 7 * HOUR + MINUTE, 0);
        assert_true(plan.fire <= 7 * HOUR + MINUTE);
        assert_int_equal(take(&plan, 7 * HOUR + MINUTE, 7 * HOUR), 1);
        /* A time that has not been yet is none */
        plan_begin(&plan, 9 * HOUR, 8 * HOUR, 0);
        assert_int_equal(plan.fire, 9 * HOUR);
}

static void cron_goes_by_the_clock(void **state) {
        struct plan plan = planned(NULL, "30 4 * * *", NULL);

        plan_begin(&plan, 0, MIDNIGHT, 0);
        assert_int_equal(plan_clock(&plan), CLOCK_REALTIME);
        assert_int_equal(plan.fire, MIDNIGHT + 4 * HOUR + 30 * MINUTE);
        assert_int_equal(take(&plan, plan.fire, MIDNIGHT + 4 * HOUR + 30 * MINUTE), 0);
        assert_int_equal(plan.fire, MIDNIGHT + DAY + 4 * HOUR + 30 * MINUTE);
}

static void a_clock_put_forward_makes_up_for_what_it_passes_once(void **state) {
        struct plan plan = planned(NULL, "0 * * * *", NULL);

        plan_begin(&plan, 0, MIDNIGHT + MINUTE, 0);
        plan_adjust(&plan, MIDNIGHT + 5 * HOUR + MINUTE);
        assert_true(plan.fire <= MIDNIGHT + 5 * HOUR + MINUTE);
        assert_int_equal(take(&plan, MIDNIGHT + 5 * HOUR + MINUTE, MIDNIGHT + 5 * HOUR), 4);
        assert_int_equal(plan.fire, MIDNIGHT + 6 * HOUR);
        /* From 1970 to now, by a machine that has no clock of its own */
        plan_begin(&plan, 0, MINUTE, 0);
        plan_adjust(&plan, MIDNIGHT);
        assert_int_equal(take(&plan, MIDNIGHT, MIDNIGHT), PLAN_MISSED_MAX);
        assert_int_equal(plan.fire, MIDNIGHT + HOUR);
}

static void a_clock_put_back_a_little_repeats_nothing(void **state) {
        struct plan plan = planned(NULL, "0 * * * *", NULL);

        plan_begin(&plan, 0, MIDNIGHT + MINUTE, 0);
        assert_int_equal(take(&plan, MIDNIGHT + HOUR, MIDNIGHT + HOUR), 0);
        plan_adjust(&plan, MIDNIGHT - HOUR);
        assert_int_equal(plan.fire, MIDNIGHT + 2 * HOUR);
}

static void a_clock_put_back_a_lot_was_wrong_before(void **state) {
        struct plan plan = planned(NULL, "0 * * * *", NULL);

        plan_begin(&plan, 0, MIDNIGHT + MINUTE, 0);
        assert_int_equal(take(&plan, MIDNIGHT + HOUR, MIDNIGHT + HOUR), 0);
        plan_adjust(&plan, MIDNIGHT - DAY);
        assert_int_equal(plan.fire, MIDNIGHT - DAY + HOUR);
}

static void no_clock_changes_an_interval(void **state) {
        struct plan plan = planned("10s", NULL, NULL);

        plan_begin(&plan, 0, 1000 * SEC, 0);
        plan_adjust(&plan, 5 * SEC);
        assert_int_equal(plan.fire, 1010 * SEC);
        assert_int_equal(plan_clock(&plan), CLOCK_BOOTTIME);
}

static void jitter_moves_a_run_and_not_its_times(void **state) {
        struct plan plan = planned("10s", NULL, "4s");
        usec_t due;

        plan_begin(&plan, 0, 1000 * SEC, 3 * SEC);
        assert_int_equal(plan.fire, 1013 * SEC);
        assert_int_equal(plan_take(&plan, 1013 * SEC, 0, &due), 0);
        assert_int_equal(due, 1010 * SEC);
        assert_int_equal(plan.fire, 1020 * SEC);
        /* At most what is allowed, whatever is drawn */
        for (uint64_t draw = 0; draw < 100; draw++) {
                plan_begin(&plan, 0, 1000 * SEC, draw * UINT64_C(0x9e3779b97f4a7c15));
                assert_in_range(plan.fire, 1010 * SEC, 1014 * SEC);
        }
}

/* A second each, up to a minute late: none of them counts as missed. */
static void jitter_is_no_delay_to_be_made_up_for(void **state) {
        struct plan plan = planned(NULL, "* * * * * *", "1min");
        usec_t due;

        plan_begin(&plan, 0, MIDNIGHT, 30 * SEC);
        assert_int_equal(plan.fire, MIDNIGHT + 31 * SEC);
        assert_int_equal(plan_take(&plan, plan.fire, 2 * SEC, &due), 0);
        assert_int_equal(due, MIDNIGHT + SEC);
        assert_int_equal(plan.due, MIDNIGHT + 2 * SEC);
}

static void what_an_operator_sets_has_the_last_word(void **state) {
        const struct muster_schedule declared = {
                .name = "x", .handler = nothing, .interval = "10s", .jitter = "1s", .immediate = true
        };
        char origin[] = "x.conf:1", cron[] = "0 3 * * *";
        struct config_schedule section = { .cron = cron, .type = CONFIG_SCHEDULE_ALL, .immediate = false };
        _cleanup_free_ char *reason = NULL;
        struct plan plan;

        section.origins[1] = section.origins[2] = section.origins[4] = origin;
        assert_int_equal(plan_make(&plan, &declared, &section, &reason), 0);
        assert_true(plan.is_cron);
        assert_string_equal(plan.when, "0 3 * * *");
        assert_int_equal(plan.type, MUSTER_SCHEDULE_ALL);
        assert_false(plan.immediate);
        assert_int_equal(plan.jitter, SEC);
        assert_false(plan.disable);
}

static void what_the_application_has_wrong_is_named(void **state) {
        static const struct {
                struct muster_schedule declared;
                const char *reason;
        } cases[] = {
                { { "a b", nothing, "10s" }, "schedule \"a b\": a name is made of" },
                { { "", nothing, "10s" }, "schedule \"\"" },
                { { "a", NULL, "10s" }, "schedule a has no handler" },
                { { "a", nothing, NULL, NULL }, "either interval or cron" },
                { { "a", nothing, "10s", "0 3 * * *" }, "either interval or cron" },
                { { "a", nothing, "1ms" }, "schedule a, interval = 1ms: allowed are 10ms to" },
                { { "a", nothing, "soon" }, "schedule a, interval = soon: allowed are 10ms to" },
                { { "a", nothing, NULL, "0 25 * * *" }, "schedule a, cron = 0 25 * * *: hour \"25\"" },
                { { "a", nothing, "10s", NULL, "20s" },
                  "its jitter (20s) is longer than its interval (10s)" },
                { { "a", nothing, "10s", NULL, "x" }, "schedule a, jitter = x" },
                { { "a", nothing, "10s", .type = 7 }, "type or overlap" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *reason = NULL;
                struct plan plan;

                assert_int_equal(plan_make(&plan, &cases[i].declared, NULL, &reason), -EINVAL);
                if (!strstr(reason, cases[i].reason))
                        fail_msg("%s", reason);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_interval_begins_one_interval_after_the_start),
                cmocka_unit_test(an_interval_does_not_drift),
                cmocka_unit_test(what_was_missed_is_counted_and_made_up_for_once),
                cmocka_unit_test(another_agent_goes_on_where_the_last_one_ended),
                cmocka_unit_test(cron_goes_by_the_clock),
                cmocka_unit_test(a_clock_put_forward_makes_up_for_what_it_passes_once),
                cmocka_unit_test(a_clock_put_back_a_little_repeats_nothing),
                cmocka_unit_test(a_clock_put_back_a_lot_was_wrong_before),
                cmocka_unit_test(no_clock_changes_an_interval),
                cmocka_unit_test(jitter_moves_a_run_and_not_its_times),
                cmocka_unit_test(jitter_is_no_delay_to_be_made_up_for),
                cmocka_unit_test(what_an_operator_sets_has_the_last_word),
                cmocka_unit_test(what_the_application_has_wrong_is_named),
        };

        assert_int_equal(setenv("TZ", "UTC0", 1), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
