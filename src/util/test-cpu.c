/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "util/cpu.h"
#include "util/macro.h"

static char root[] = "/tmp/muster-test-cpu.XXXXXX";

static int make_root(void **state) {
        (void) stpcpy(root + strlen(root) - 6, "XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int remove_root(void **state) {
        return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file below the root and the directories above it. */
static void put(const char *path, const char *text) {
        char full[512];
        FILE *file;

        (void) snprintf(full, sizeof(full), "%s%s", root, path);
        for (char *p = full + strlen(root) + 1; *p; p++)
                if (*p == '/') {
                        *p = '\0';
                        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
                        *p = '/';
                }
        file = fopen(full, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void cpu_max_is_rounded_up(void **state) {
        unsigned int cpus = 99;

        assert_int_equal(cpu_parse_max("max 100000\n", &cpus), 0);
        assert_int_equal(cpus, 0);
        assert_int_equal(cpu_parse_max("200000 100000", &cpus), 0);
        assert_int_equal(cpus, 2);
        assert_int_equal(cpu_parse_max("200001 100000\n", &cpus), 0);
        assert_int_equal(cpus, 3);
        assert_int_equal(cpu_parse_max("1000 100000", &cpus), 0);
        assert_int_equal(cpus, 1);
}

static void what_is_no_cpu_max_is_refused(void **state) {
        static const char *const cases[] = {
                "",
                "\n",
                "max",
                "100000",
                "max 0",
                "-1 100000",
                "0 10000",
                "max x",
                "1 2 3",
                "max 1\nmax 1",
                " 1 2",
                "1  2",
                "99999999999999999999999 1000",
                "99999999999999999999999999999999999999999999999999999999999999999 1",
        };
        unsigned int cpus = 99;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(cpu_parse_max(cases[i], &cpus), -EINVAL);
        assert_int_equal(cpus, 99);
}

static void without_cgroups_there_is_no_limit(void **state) {
        assert_int_equal(cpu_cgroup_limit(root), 0);
}

static void the_own_cgroup_limits(void **state) {
        put("/proc/self/cgroup", "0::/system.slice/a.service\n");
        put("/sys/fs/cgroup/system.slice/a.service/cpu.max", "150000 100000\n");
        assert_int_equal(cpu_cgroup_limit(root), 2);
}

static void a_cgroup_above_limits_too(void **state) {
        put("/proc/self/cgroup", "0::/system.slice/a.service\n");
        put("/sys/fs/cgroup/system.slice/a.service/cpu.max", "800000 100000\n");
        put("/sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
        assert_int_equal(cpu_cgroup_limit(root), 3);
}

static void the_mount_limits_where_the_path_is_the_hosts(void **state) {
        put("/proc/self/cgroup", "0::/docker/abcdef\n");
        put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
        assert_int_equal(cpu_cgroup_limit(root), 4);
}

static void a_path_out_of_the_namespace_does_not_leave_the_mount(void **state) {
        put("/proc/self/cgroup", "0::/../../outside\n");
        put("/sys/fs/outside/cpu.max", "100000 100000\n");
        put("/sys/fs/cgroup/cpu.max", "500000 100000\n");
        assert_int_equal(cpu_cgroup_limit(root), 5);
}

static void version_one_is_known(void **state) {
        put("/proc/self/cgroup", "12:cpuset:/x\n5:cpu,cpuacct:/a/b\n1:name=systemd:/a/b\n0::/a/b\n");
        put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
        put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
        assert_int_equal(cpu_cgroup_limit(root), 0);
        put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
        put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
        assert_int_equal(cpu_cgroup_limit(root), 3);
}

static void nonsense_sets_no_limit(void **state) {
        put("/proc/self/cgroup", "nonsense\n0:\n::\n0::/a\n");
        put("/sys/fs/cgroup/a/cpu.max", "a few\n");
        assert_int_equal(cpu_cgroup_limit(root), 0);
}

static void there_is_at_least_one_cpu(void **state) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);

        assert_in_range(cpu_available(), 1, online);
}

#define WITH_ROOT(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(cpu_max_is_rounded_up),
                cmocka_unit_test(what_is_no_cpu_max_is_refused),
                WITH_ROOT(without_cgroups_there_is_no_limit),
                WITH_ROOT(the_own_cgroup_limits),
                WITH_ROOT(a_cgroup_above_limits_too),
                WITH_ROOT(the_mount_limits_where_the_path_is_the_hosts),
                WITH_ROOT(a_path_out_of_the_namespace_does_not_leave_the_mount),
                WITH_ROOT(version_one_is_known),
                WITH_ROOT(nonsense_sets_no_limit),
                cmocka_unit_test(there_is_at_least_one_cpu),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
