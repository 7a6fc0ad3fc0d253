/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/cgroup-path.h"
#include "util/macro.h"

#define MOUNT_UNIFIED                                                                                       \
        "24 30 0:22 / /proc rw,nosuid - proc proc rw\n"                                                     \
        "31 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n"

static void the_own_cgroup_is_the_line_of_version_2(void **state) {
        static const struct {
                const char *text;
                int error;
                const char *path;
        } cases[] = {
                { "0::/system.slice/a.service\n", 0, "/system.slice/a.service" },
                { "0::/", 0, "/" },
                { "9:name=systemd:/b\n4:memory:/c\n0::/a\n", 0, "/a" },
                { "0::/a..b/..c\n", 0, "/a..b/..c" },
                { "", -ENOENT, NULL },
                { "4:memory:/c\n", -ENOENT, NULL },
                { "10::/c\n", -ENOENT, NULL },
                { "0::\n", -EBADMSG, NULL },
                { "0::relative\n", -EBADMSG, NULL },
                { "0::/..\n", -EBADMSG, NULL },
                { "0::/../../other.service\n", -EBADMSG, NULL },
                { "0::/a/../b\n", -EBADMSG, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *path = NULL;

                assert_int_equal(cgroup_parse_own(cases[i].text, &path), cases[i].error);
                if (cases[i].path)
                        assert_string_equal(path, cases[i].path);
        }
}

static void the_directory_is_where_that_part_of_the_tree_is_mounted(void **state) {
        static const struct {
                const char *mounts, *path, *directory; /* NULL: nowhere */
        } cases[] = {
                { MOUNT_UNIFIED, "/a/b.service", "/sys/fs/cgroup/a/b.service" },
                { MOUNT_UNIFIED, "/", "/sys/fs/cgroup" },
                /* optional fields, of which there are any number */
                { "1 2 0:3 / /cg rw shared:4 master:5 - cgroup2 none rw\n", "/a", "/cg/a" },
                /* a part of the tree */
                { "1 2 0:3 /pod/x /cg rw - cgroup2 none rw\n", "/pod/x/a", "/cg/a" },
                { "1 2 0:3 /pod/x /cg rw - cgroup2 none rw\n", "/pod/x", "/cg" },
                { "1 2 0:3 /pod/x /cg rw - cgroup2 none rw\n", "/pod/xy", NULL },
                { "1 2 0:3 /pod/x /cg rw - cgroup2 none rw\n", "/pod", NULL },
                /* one mount does not show it, the next does */
                { "1 2 0:3 /p /one rw - cgroup2 none rw\n1 2 0:3 / /two rw - cgroup2 none rw\n", "/a",
                  "/two/a" },
                { "1 2 0:3 / /c\\040g\\134 rw - cgroup2 none rw\n", "/a", "/c g\\/a" },
                /* outside of what we see */
                { "1 2 0:3 /../.. /cg rw - cgroup2 none rw\n", "/a", NULL },
                { "1 2 0:3 / /cg rw - cgroup cgroup rw\n", "/a", NULL },
                { "1 2 0:3 / /cg rw cgroup2\n", "/a", NULL },
                { "1 2 0:3 / /cg rw -\n", "/a", NULL },
                { "\n \n1\n", "/a", NULL },
                { "", "/a", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *directory = NULL;

                assert_int_equal(cgroup_parse_mount(cases[i].mounts, cases[i].path, &directory),
                                 cases[i].directory ? 0 : -ENOENT);
                if (cases[i].directory)
                        assert_string_equal(directory, cases[i].directory);
        }
}

static void a_word_of_a_list_is_a_whole_word(void **state) {
        assert_true(cgroup_has_word("cpu memory pids\n", "memory"));
        assert_true(cgroup_has_word("memory", "memory"));
        assert_false(cgroup_has_word("memory_recursiveprot hugememory\n", "memory"));
        assert_false(cgroup_has_word("", "memory"));
        assert_true(cgroup_has_pid("1\n23\n456\n", 23));
        assert_false(cgroup_has_pid("1\n234\n", 23));
}

static void counters_are_read_by_name(void **state) {
        static const char events[] = "low 0\nhigh 7\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";

        assert_int_equal(cgroup_parse_counter(events, "oom_kill"), 2);
        assert_int_equal(cgroup_parse_counter(events, "oom"), 3);
        assert_int_equal(cgroup_parse_counter(events, "oom_group_kill"), 1);
        assert_int_equal(cgroup_parse_counter(events, "kill"), 0);
        assert_int_equal(cgroup_parse_counter("", "oom"), 0);
        assert_int_equal(cgroup_parse_counter("oom", "oom"), 0);
        assert_int_equal(cgroup_parse_counter("oom \n", "oom"), 0);
        assert_int_equal(cgroup_parse_counter("oom -1\n", "oom"), 0);
        assert_int_equal(cgroup_parse_counter("oom 99999999999999999999999999\n", "oom"), 0);
}

static void a_limit_is_a_number_or_max(void **state) {
        char text[24];

        assert_int_equal(cgroup_parse_limit("536870912\n"), 536870912);
        assert_true(cgroup_parse_limit("max\n") == UINT64_MAX);
        assert_true(cgroup_parse_limit("") == UINT64_MAX);
        assert_true(cgroup_parse_limit("12x\n") == UINT64_MAX);
        assert_string_equal(cgroup_format_limit(UINT64_MAX, text, sizeof(text)), "max");
        assert_string_equal(cgroup_format_limit(UINT64_MAX - 1, text, sizeof(text)), "18446744073709551614");
}

static void names_say_role_number_generation_and_serial(void **state) {
        char name[CGROUP_NAME_MAX];

        assert_string_equal(cgroup_format_name("worker", 3, 1, 17, name, sizeof(name)), "worker-3-1-17");
        assert_true(cgroup_is_name(name));
        assert_string_equal(cgroup_format_name("agent", -1, 1, 18, name, sizeof(name)), "agent-1-18");
        assert_true(cgroup_is_name(name));
        (void) cgroup_format_name("compute", INT32_MAX, UINT64_MAX, UINT64_MAX, name, sizeof(name));
        assert_true(strlen(name) < sizeof(name) - 1);
        assert_true(cgroup_is_name(name));
}

static void other_names_are_not_ours(void **state) {
        static const char *const names[] = {
                "",
                ".",
                "..",
                "master",
                ".control",
                "worker",
                "worker-3-1",
                "compute-3-1",
                "worker---",
                "worker-3-1-",
                "worker-3-1-x",
                "worker-3-1-17-2",
                "agent-1",
                "agent-1-18x",
                "xagent-1-18",
                "worker-00000000000000000000000000000000000000000000000000000000000-1-1",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_false(cgroup_is_name(names[i]));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_own_cgroup_is_the_line_of_version_2),
                cmocka_unit_test(the_directory_is_where_that_part_of_the_tree_is_mounted),
                cmocka_unit_test(a_word_of_a_list_is_a_whole_word),
                cmocka_unit_test(counters_are_read_by_name),
                cmocka_unit_test(a_limit_is_a_number_or_max),
                cmocka_unit_test(names_say_role_number_generation_and_serial),
                cmocka_unit_test(other_names_are_not_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
