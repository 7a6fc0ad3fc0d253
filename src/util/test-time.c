/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/macro.h"
#include "util/time.h"

static void spans_are_read_as_systemd_writes_them(void **state) {
        static const struct {
                const char *text;
                usec_t span;
        } cases[] = {
                { "0", 0 },
                { "15", 15 * USEC_PER_SEC },
                { "500ms", 500 * USEC_PER_MSEC },
                { "1min 30s", 90 * USEC_PER_SEC },
                { "1min30s", 90 * USEC_PER_SEC },
                { "2h", 7200 * USEC_PER_SEC },
                { "2 h", 7200 * USEC_PER_SEC },
                { "1.5s", 1500 * USEC_PER_MSEC },
                { "0.000001s", 1 },
                { "1d", 86400 * USEC_PER_SEC },
                { "3us", 3 },
                { "infinity", USEC_NEVER },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t span = 1;

                assert_int_equal(usec_parse(cases[i].text, &span), 0);
                assert_int_equal(span, cases[i].span);
        }
}

static void the_coarse_clock_is_a_little_behind_and_never_ahead(void **state) {
        for (int i = 0; i < 1000; i++) {
                usec_t before = now_monotonic(), coarse = now_coarse();

                assert_true(coarse <= now_monotonic());
                assert_true(coarse + USEC_PER_SEC > before);
        }
}

static void what_is_no_span_is_refused(void **state) {
        static const char *const cases[] = {
                "",     " ",    "s",   "-1s", "+1s", " 1s",      "1s ",  "12abc",
                "1s x", "1,5s", "1.s", ".5s", "1e3", "Infinity", "0x10", "1s\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t span = 7;

                assert_int_equal(usec_parse(cases[i], &span), -EINVAL);
                assert_int_equal(span, 7);
        }
}

static void a_span_that_does_not_fit_is_out_of_range(void **state) {
        usec_t span = 7;

        assert_int_equal(usec_parse("18446744073709551616us", &span), -ERANGE);
        assert_int_equal(usec_parse("18446744073709551615us", &span), -ERANGE); /* it is USEC_NEVER */
        assert_int_equal(usec_parse("18446744073709551615s", &span), -ERANGE);
        assert_int_equal(usec_parse("18446744073709551614us 1us", &span), -ERANGE);
        assert_int_equal(span, 7);
        assert_int_equal(usec_parse("18446744073709551614us", &span), 0);
        assert_int_equal(span, USEC_NEVER - 1);
}

static void what_is_written_is_read_back(void **state) {
        static const usec_t cases[] = { 0,
                                        1,
                                        999,
                                        1000,
                                        1500000,
                                        90 * USEC_PER_SEC,
                                        604800 * USEC_PER_SEC,
                                        UINT64_C(12345678901234567),
                                        USEC_NEVER - 1,
                                        USEC_NEVER };
        char buffer[USEC_FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                usec_t span;

                assert_int_equal(usec_parse(usec_format(cases[i], buffer, sizeof(buffer)), &span), 0);
                assert_int_equal(span, cases[i]);
        }
        assert_string_equal(usec_format(90 * USEC_PER_SEC, buffer, sizeof(buffer)), "1min 30s");
        assert_string_equal(usec_format(0, buffer, sizeof(buffer)), "0");
}

static void a_buffer_too_small_is_not_overrun(void **state) {
        char buffer[8] = "xxxxxxx";

        assert_string_equal(usec_format(90061 * USEC_PER_SEC, buffer, 5), "1d 1");
        assert_int_equal(buffer[5], 'x');
}

static void never_stays_never(void **state) {
        assert_int_equal(usec_add(1, 2), 3);
        assert_int_equal(usec_add(USEC_NEVER, 0), USEC_NEVER);
        assert_int_equal(usec_add(USEC_NEVER, 5), USEC_NEVER);
        assert_int_equal(usec_add(USEC_NEVER - 1, 5), USEC_NEVER);
}

static void the_monotonic_clock_does_not_go_back(void **state) {
        usec_t before = now_monotonic();

        assert_true(before > 0);
        assert_true(now_monotonic() >= before);
        assert_true(now_realtime() > UINT64_C(1600000000) * USEC_PER_SEC);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(spans_are_read_as_systemd_writes_them),
                cmocka_unit_test(the_coarse_clock_is_a_little_behind_and_never_ahead),
                cmocka_unit_test(what_is_no_span_is_refused),
                cmocka_unit_test(a_span_that_does_not_fit_is_out_of_range),
                cmocka_unit_test(what_is_written_is_read_back),
                cmocka_unit_test(a_buffer_too_small_is_not_overrun),
                cmocka_unit_test(never_stays_never),
                cmocka_unit_test(the_monotonic_clock_does_not_go_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
