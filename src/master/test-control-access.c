/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/control.h"
#include "util/macro.h"

#define NOBODY 65534

static void root_and_the_own_user_may_and_nobody_else(void **state) {
        static const struct {
                uid_t peer, own;
                bool may;
        } cases[] = {
                { 0, 0, true },
                { 0, 61234, true },
                { 61234, 61234, true },
                { 1000, 61234, false },
                { 1000, 0, false },
                { 61235, 61234, false },
                { (uid_t) -1, 61234, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct ucred peer = { .pid = 1, .uid = cases[i].peer };

                assert_int_equal(control_may(&peer, cases[i].own), cases[i].may);
        }
}

/* Seen through a user namespace, everyone else is nobody. */
static void a_service_that_runs_as_nobody_takes_nobody_for_its_own(void **state) {
        assert_false(control_may(&(struct ucred){ .uid = NOBODY }, NOBODY));
        assert_false(control_may(&(struct ucred){ .uid = NOBODY }, 61234));
        assert_true(control_may(&(struct ucred){ .uid = 0 }, NOBODY));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(root_and_the_own_user_may_and_nobody_else),
                cmocka_unit_test(a_service_that_runs_as_nobody_takes_nobody_for_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
