/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "util/fd.h"
#include "util/title.h"

static char **arguments;

static void ps_shows_the_title_and_the_environment_lives_on(void **state) {
        _cleanup_free_ char *text = NULL;
        char *path = getenv("MUSTER_TEST_TITLE");

        assert_non_null(path);
        assert_int_equal(title_set(arguments, "muster-master: a title that is longer than the name"), 0);
        assert_int_equal(fd_read_file("/proc/self/cmdline", 65536, &text, NULL), 0);
        assert_string_equal(text, "muster-master: a title that is longer than the name");
        assert_string_equal(getenv("MUSTER_TEST_TITLE"), "kept through the change of the title, 0123456789");
}

static void without_arguments_it_is_refused(void **state) {
        char *none[] = { NULL };

        assert_int_equal(title_set(NULL, "x"), -EINVAL);
        assert_int_equal(title_set(none, "x"), -EINVAL);
}

int main(int argc, char **argv) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_arguments_it_is_refused),
                cmocka_unit_test(ps_shows_the_title_and_the_environment_lives_on),
        };

        /* The room for a title is what the kernel laid down at exec, so the environment must be in it. */
        if (!getenv("MUSTER_TEST_TITLE")) {
                if (setenv("MUSTER_TEST_TITLE", "kept through the change of the title, 0123456789", 1) < 0)
                        return 1;
                (void) execv("/proc/self/exe", argv);
                return 1;
        }
        arguments = argv;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
