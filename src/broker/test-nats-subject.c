/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "broker/nats.h"
#include "util/macro.h"

static void each(const char *const *cases, size_t n, bool pattern, int expected) {
        for (size_t i = 0; i < n; i++)
                if (nats_check_subject(cases[i], pattern) != expected)
                        fail_msg("\"%s\" is %s", cases[i], expected < 0 ? "accepted" : "refused");
}

static void names_are_taken_for_both(void **state) {
        static const char *const names[] = {
                "a", "a.b.c", "$SYS.x", "a*", "a.*b.>c", "\xc3\xa4", "a-b_c/d"
        };

        each(names, ELEMENTSOF(names), false, 0);
        each(names, ELEMENTSOF(names), true, 0);
}

static void patterns_can_only_be_subscribed_to(void **state) {
        static const char *const patterns[] = { "*", ">", "a.*", "*.a", "a.*.b", "a.>", "*.*.>" };

        each(patterns, ELEMENTSOF(patterns), true, 0);
        each(patterns, ELEMENTSOF(patterns), false, -EINVAL);
}

static void what_would_break_the_protocol_is_refused(void **state) {
        static const char *const cases[] = { "",     ".",  "a.",    ".a",    "a..b",  " ",          "a b",
                                             "a\tb", "\n", "a\r\n", "a.>.b", "a\x7f", "a\r\nPUB b", ">.a" };

        each(cases, ELEMENTSOF(cases), true, -EINVAL);
        each(cases, ELEMENTSOF(cases), false, -EINVAL);
}

static void one_that_is_too_long_is_refused(void **state) {
        char subject[1026];

        memset(subject, 'a', sizeof(subject));
        subject[1025] = '\0';
        assert_int_equal(nats_check_subject(subject, true), -EINVAL);
        subject[1024] = '\0';
        assert_int_equal(nats_check_subject(subject, true), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_taken_for_both),
                cmocka_unit_test(patterns_can_only_be_subscribed_to),
                cmocka_unit_test(what_would_break_the_protocol_is_refused),
                cmocka_unit_test(one_that_is_too_long_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
