/* SPDX-License-Identifier: MIT */

/*
 * What is decided here and not by other programs; tests/integration/test_cron_reference.py has those.
 */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "util/cron.h"
#include "util/macro.h"

static void use_zone(const char *zone) {
        assert_int_equal(setenv("TZ", zone, 1), 0);
        tzset();
}

/* Seconds since 1970 of a time in UTC. */
static usec_t utc(int year, int month, int day, int hour, int minute, int second) {
        struct tm tm = { .tm_year = year - 1900,
                         .tm_mon = month - 1,
                         .tm_mday = day,
                         .tm_hour = hour,
                         .tm_min = minute,
                         .tm_sec = second };

        return (usec_t) timegm(&tm) * USEC_PER_SEC;
}

static usec_t next(const char *text, usec_t after) {
        struct cron cron;

        assert_int_equal(cron_parse(text, &cron, NULL, 0), 0);
        return cron_next(&cron, after);
}

static void the_next_time_is_after_the_one_that_is_given(void **state) {
        use_zone("UTC0");
        assert_int_equal(next("0 12 * * *", utc(2026, 5, 1, 11, 59, 59)), utc(2026, 5, 1, 12, 0, 0));
        assert_int_equal(next("0 12 * * *", utc(2026, 5, 1, 12, 0, 0)), utc(2026, 5, 2, 12, 0, 0));
        assert_int_equal(next("0 12 * * *", utc(2026, 5, 1, 12, 0, 0) - 1), utc(2026, 5, 1, 12, 0, 0));
        assert_int_equal(next("* * * * * *", utc(2026, 5, 1, 12, 0, 0) + 1), utc(2026, 5, 1, 12, 0, 1));
        assert_int_equal(next("30 59 23 31 12 *", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 12, 31, 23, 59, 30));
}

static void two_days_are_one_too_many_unless_one_begins_with_a_star(void **state) {
        use_zone("UTC0");
        /* The 10th, or a Monday: the 4th is one */
        assert_int_equal(next("0 0 10 * mon", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 4, 0, 0, 0));
        /* A Monday of an odd date: the 11th */
        assert_int_equal(next("0 0 */2 * mon", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 11, 0, 0, 0));
}

static void names_stand_for_what_crontab_says(void **state) {
        use_zone("UTC0");
        assert_int_equal(next("@yearly", utc(2026, 5, 1, 0, 0, 0)), utc(2027, 1, 1, 0, 0, 0));
        assert_int_equal(next("@Monthly", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 6, 1, 0, 0, 0));
        assert_int_equal(next("@weekly", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 3, 0, 0, 0));
        assert_int_equal(next("@daily", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 2, 0, 0, 0));
        assert_int_equal(next("@hourly", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 1, 1, 0, 0));
        /* A week may end with its first day */
        assert_int_equal(next("0 0 * * SAT-sun", utc(2026, 5, 2, 0, 0, 0)), utc(2026, 5, 3, 0, 0, 0));
}

/* A zone that is written out needs no files. */
static void what_the_clock_passes_over_comes_right_after_and_once(void **state) {
        use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_int_equal(next("10,30 2 * * *", utc(2026, 3, 29, 0, 0, 0)), utc(2026, 3, 29, 1, 0, 0));
        assert_int_equal(next("10,30 2 * * *", utc(2026, 3, 29, 1, 0, 0) - 1), utc(2026, 3, 29, 1, 0, 0));
        assert_int_equal(next("10,30 2 * * *", utc(2026, 3, 29, 1, 0, 0)), utc(2026, 3, 30, 0, 10, 0));
        /* One that is bound to no hour goes on */
        assert_int_equal(next("30 * * * *", utc(2026, 3, 29, 0, 30, 0)), utc(2026, 3, 29, 1, 30, 0));
}

static void what_comes_twice_is_the_first_time(void **state) {
        use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        assert_int_equal(next("30 2 * * *", utc(2026, 10, 25, 0, 0, 0)), utc(2026, 10, 25, 0, 30, 0));
        assert_int_equal(next("30 2 * * *", utc(2026, 10, 25, 0, 30, 0)), utc(2026, 10, 26, 1, 30, 0));
        assert_int_equal(next("30 2 * * *", utc(2026, 10, 25, 1, 0, 0)), utc(2026, 10, 26, 1, 30, 0));
        /* One that is bound to no hour goes on */
        assert_int_equal(next("30 * * * *", utc(2026, 10, 25, 0, 30, 0)), utc(2026, 10, 25, 1, 30, 0));
}

static void a_zone_that_changes_counts_at_once(void **state) {
        use_zone("UTC0");
        assert_int_equal(next("0 12 * * *", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 1, 12, 0, 0));
        assert_int_equal(setenv("TZ", "EST5", 1), 0);
        assert_int_equal(next("0 12 * * *", utc(2026, 5, 1, 0, 0, 0)), utc(2026, 5, 1, 17, 0, 0));
}

static void what_is_refused_is_named_with_what_is_allowed(void **state) {
        static const struct {
                const char *text, *reason;
        } refused[] = {
                { "60 * * * *", "minute \"60\": allowed are 0 to 59, *" },
                { "0 0 * jam *", "month \"jam\": allowed are 1 to 12 or jan to dec" },
                { "0 0 * * mon-", "day of the week \"mon-\": allowed are 0 to 7 (0 and 7 are Sunday)" },
                { "0 0 * * 6-0", "day of the week \"6-0\"" },
                { "0 0 32 * *", "day of the month \"32\": allowed are 1 to 31" },
                { "99999 * * * *", "minute \"99999\"" },
                { "*/61 * * * *", "a step is 1 to 60" },
                { "*/ * * * *", "a step is 1 to 60" },
                { "3/5 * * * *", "minute \"3/5\"" },
                { "0 0 30 2 *", "such a day never comes" },
                { "0 0 31 4,6,9,11 *", "such a day never comes" },
                { "", "0 fields" },
                { "* * * * * * *", "7 fields" },
                { "@reboot", "@hourly" },
                { "0 0 * * #1", "day of the week \"#1\"" },
                { "0 0 L * *", "day of the month \"L\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                char reason[CRON_REASON_MAX] = "";
                struct cron cron;

                assert_int_equal(cron_parse(refused[i].text, &cron, reason, sizeof(reason)), -EINVAL);
                if (!strstr(reason, refused[i].reason))
                        fail_msg("%s: %s", refused[i].text, reason);
        }
}

static void a_day_is_found_though_it_is_years_away(void **state) {
        use_zone("UTC0");
        assert_int_equal(next("0 0 29 2 *", utc(2096, 3, 1, 0, 0, 0)), utc(2104, 2, 29, 0, 0, 0));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_next_time_is_after_the_one_that_is_given),
                cmocka_unit_test(two_days_are_one_too_many_unless_one_begins_with_a_star),
                cmocka_unit_test(names_stand_for_what_crontab_says),
                cmocka_unit_test(what_the_clock_passes_over_comes_right_after_and_once),
                cmocka_unit_test(what_comes_twice_is_the_first_time),
                cmocka_unit_test(a_zone_that_changes_counts_at_once),
                cmocka_unit_test(what_is_refused_is_named_with_what_is_allowed),
                cmocka_unit_test(a_day_is_found_though_it_is_years_away),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
