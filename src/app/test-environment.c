/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/environment.h"
#include "util/macro.h"

#define LIST_MAX 8

static const struct {
        const char *inherited[LIST_MAX];
        const char *whole[LIST_MAX]; /* its first is NULL: none is given */
        const char *changes[LIST_MAX];
        const char *expected;
} cases[] = {
        { { "PATH=/bin", "HOME=/" }, { NULL }, { NULL }, "PATH=/bin HOME=/" },
        { { "A=1", "NOTIFY_SOCKET=/run/x", "LISTEN_FDS=1", "LISTEN_FDNAMES=x", "B=2" },
          { NULL },
          { NULL },
          "A=1 B=2" },
        { { "MUSTER_CHANNEL_FD=3", "MUSTER_X=1", "MUSTER=1", "A=1" }, { NULL }, { NULL }, "MUSTER=1 A=1" },
        { { "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "CREDENTIALS_DIRECTORY=/x", "MAINPID=1" },
          { NULL },
          { NULL },
          "" },
        { { "A=1", "B=2" }, { NULL }, { "A=3" }, "B=2 A=3" },
        { { "A=1", "B=2" }, { NULL }, { "A" }, "B=2" },
        { { "A=1", "AB=2" }, { NULL }, { "A", "C=" }, "AB=2 C=" },
        { { "A=1", "A=2" }, { NULL }, { "A=3", "A=4" }, "A=4" },
        { { "A=1" }, { "B=2" }, { NULL }, "B=2" },
        { { "A=1" }, { "NOTIFY_SOCKET=/run/x" }, { "C=a=b" }, "NOTIFY_SOCKET=/run/x C=a=b" },
        { { NULL }, { NULL }, { NULL }, "" },
};

static void a_program_gets_what_is_meant_for_it(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256] = "";
                const char **list;

                assert_int_equal(environment_make(cases[i].inherited,
                                                  cases[i].whole[0] ? cases[i].whole : NULL,
                                                  cases[i].changes, &list),
                                 0);
                for (const char **variable = list; *variable; variable++)
                        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
                                        variable == list ? "" : " ", *variable);
                assert_string_equal(text, cases[i].expected);
                free((void *) list);
        }
}

static void a_change_without_a_key_is_refused(void **state) {
        static const char *const bad[][2] = { { "" }, { "=x" } };
        const char **list;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(environment_make(NULL, NULL, bad[i], &list), -EINVAL);
}

static void a_value_is_found_by_its_whole_key(void **state) {
        static const char *const list[] = { "PATHS=1", "PATH", "PATH=/bin", "PATH=/x", NULL };

        assert_string_equal(environment_get(list, "PATH"), "/bin");
        assert_null(environment_get(list, "PAT"));
        assert_null(environment_get(NULL, "PATH"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_program_gets_what_is_meant_for_it),
                cmocka_unit_test(a_change_without_a_key_is_refused),
                cmocka_unit_test(a_value_is_found_by_its_whole_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
