/* SPDX-License-Identifier: MIT */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "util/nofile.h"

#define SOFT 200U

static rlim_t soft(void) {
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        return limit.rlim_cur;
}

static void it_is_as_high_as_allowed_and_then_what_it_was(void **state) {
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = SOFT;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        nofile_restore();
        assert_int_equal(soft(), SOFT);
        for (int i = 0; i < 2; i++) {
                nofile_raise();
                nofile_raise();
                assert_int_equal(soft(), limit.rlim_max);
                nofile_restore();
                nofile_restore();
                assert_int_equal(soft(), SOFT);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_as_high_as_allowed_and_then_what_it_was),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
