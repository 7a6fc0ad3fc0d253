/* SPDX-License-Identifier: MIT */

/*
 * Against a tree of plain files, which has every controller and does what it is told: what is written where, and what is
 * left alone. That the kernel does its part is shown by the integration and system tests.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/cgroup.h"
#include "util/fd.h"
#include "util/macro.h"

#define UNIT   "/sys/fs/cgroup/system.slice/muster.service"
#define MOUNT  "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define WORKER "worker-0-1-1"

static char root[] = "/tmp/muster-test-cgroup.XXXXXX";

static char *full_path(const char *path, char *buffer, size_t size) {
        (void) snprintf(buffer, size, "%s%s", root, path);
        return buffer;
}

/* Writes a file below the root and makes the directories above it. */
static void put(const char *path, const char *text) {
        char full[512];
        FILE *file;

        (void) full_path(path, full, sizeof(full));
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

static void assert_file(const char *path, const char *text) {
        _cleanup_free_ char *content = NULL;
        char full[512];

        assert_int_equal(fd_read_file(full_path(path, full, sizeof(full)), 4096, &content, NULL), 0);
        assert_string_equal(content, text);
}

static bool exists(const char *path) {
        char full[512];

        return access(full_path(path, full, sizeof(full)), F_OK) == 0;
}

static void delegate(const char *path) {
        char full[512];

        if (setxattr(full_path(path, full, sizeof(full)), "user.delegate", "1", 1, 0) < 0) {
                print_message("no extended attributes in /tmp: %m\n");
                skip();
        }
}

static void put_own(const char *path) {
        char line[256];

        (void) snprintf(line, sizeof(line), "0::%s\n", path);
        put("/proc/self/cgroup", line);
        put("/proc/self/mountinfo", MOUNT);
}

static void put_pid(const char *path) {
        char text[32];

        (void) snprintf(text, sizeof(text), "1\n%d\n", getpid());
        put(path, text);
}

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

/* A unit with Delegate=yes, in which we have just been started. */
static void put_unit(void) {
        put_own("/system.slice/muster.service");
        put_pid(UNIT "/cgroup.procs");
        put(UNIT "/cgroup.controllers", "cpu io memory pids\n");
        put(UNIT "/cgroup.subtree_control", "");
        put(UNIT "/master/cgroup.procs", "");
}

static void open_unit(struct cgroup *cgroup) {
        put_unit();
        delegate(UNIT);
        assert_int_equal(cgroup_open(cgroup, root), 0);
}

static void the_master_moves_down_and_hands_the_memory_controller_on(void **state) {
        struct cgroup cgroup = CGROUP_NULL;

        open_unit(&cgroup);
        assert_string_equal(cgroup.path, "/system.slice/muster.service");
        assert_true(cgroup.memory);
        assert_file(UNIT "/master/cgroup.procs", "0");
        assert_file(UNIT "/cgroup.subtree_control", "+memory");
        cgroup_deinit(&cgroup);
        assert_int_equal(cgroup.fd, -1);
}

static void a_master_that_has_moved_finds_its_way_back(void **state) {
        struct cgroup cgroup = CGROUP_NULL;

        put_unit();
        delegate(UNIT);
        put_own("/system.slice/muster.service/master");
        put_pid(UNIT "/master/cgroup.procs");
        assert_int_equal(cgroup_open(&cgroup, root), 0);
        assert_string_equal(cgroup.path, "/system.slice/muster.service");
        cgroup_deinit(&cgroup);
}

static void what_is_not_delegated_is_left_alone(void **state) {
        struct cgroup cgroup = CGROUP_NULL;

        put_unit();
        assert_int_equal(cgroup_open(&cgroup, root), -EPERM);
        assert_int_equal(cgroup.fd, -1);
        assert_file(UNIT "/master/cgroup.procs", "");
        assert_file(UNIT "/cgroup.subtree_control", "");

        /* a delegated cgroup above is no leave to use one below, but for our own "master" */
        delegate("/sys/fs/cgroup/system.slice");
        assert_int_equal(cgroup_open(&cgroup, root), -EPERM);
        assert_file(UNIT "/master/cgroup.procs", "");
}

static void a_directory_that_does_not_show_us_is_not_ours(void **state) {
        struct cgroup cgroup = CGROUP_NULL;

        put_unit();
        delegate(UNIT);
        put(UNIT "/cgroup.procs", "1\n");
        assert_int_equal(cgroup_open(&cgroup, root), -ENOENT);
        assert_file(UNIT "/master/cgroup.procs", "");
}

static void detached_children_have_a_cgroup_that_is_made_once_and_removed_at_the_end(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char path[512];
        int fd;

        assert_int_equal(cgroup_open_detached(&cgroup), -1);
        assert_int_equal(errno, ENOENT);
        open_unit(&cgroup);
        assert_int_equal(cgroup_open_detached(&cgroup), -1); /* a directory here has no files by itself */
        assert_true(exists(UNIT "/detached"));
        put(UNIT "/detached/cgroup.procs", "");
        for (unsigned int i = 0; i < 2; i++) {
                fd = cgroup_open_detached(&cgroup);
                assert_true(fd >= 0);
                assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
                cgroup_enter(fd);
                fd_close(fd);
                assert_file(UNIT "/detached/cgroup.procs", "0");
        }
        assert_false(cgroup_is_name(CGROUP_DETACHED)); /* it is no leftover of a process */
        assert_int_equal(unlink(full_path(UNIT "/detached/cgroup.procs", path, sizeof(path))), 0);
        cgroup_deinit(&cgroup);
        assert_false(exists(UNIT "/detached"));
}

static void without_version_2_there_are_no_cgroups(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        struct cgroup_memory memory;
        char name[CGROUP_NAME_MAX] = "old";

        put("/proc/self/cgroup", "4:memory:/x\n");
        put("/proc/self/mountinfo", MOUNT);
        assert_int_equal(cgroup_open(&cgroup, root), -ENOENT);

        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        assert_string_equal(name, "");
        assert_int_equal(cgroup_limit_memory(&cgroup, name, 1, 2), 0);
        assert_int_equal(cgroup_open_procs(&cgroup, name), -1);
        assert_true(cgroup_is_populated(&cgroup, name));
        cgroup_read_memory(&cgroup, name, &memory);
        assert_int_equal(memory.oom_kills, 0);
        cgroup_release(&cgroup, name, 0);
        cgroup_sweep(&cgroup);
        cgroup_deinit(&cgroup);
}

static void without_the_memory_controller_nothing_is_limited(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        put_unit();
        put(UNIT "/cgroup.controllers", "cpu pids\n");
        delegate(UNIT);
        assert_int_equal(cgroup_open(&cgroup, root), 0);
        assert_false(cgroup.memory);
        assert_file(UNIT "/cgroup.subtree_control", "");
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        put(UNIT "/" WORKER "/memory.max", "max\n");
        assert_int_equal(cgroup_limit_memory(&cgroup, name, 1, 2), 0);
        assert_file(UNIT "/" WORKER "/memory.max", "max\n");
        cgroup_deinit(&cgroup);
}

static void a_worker_gets_its_limits(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        assert_string_equal(name, WORKER);
        assert_int_equal(cgroup_limit_memory(&cgroup, name, 100, 200), -ENOENT);
        put(UNIT "/" WORKER "/memory.high", "");
        put(UNIT "/" WORKER "/memory.max", "");
        assert_int_equal(cgroup_limit_memory(&cgroup, name, 268435456, UINT64_MAX), 0);
        assert_file(UNIT "/" WORKER "/memory.high", "268435456");
        assert_file(UNIT "/" WORKER "/memory.max", "max");
        cgroup_deinit(&cgroup);
}

static void a_name_that_is_taken_is_passed_over(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        put(UNIT "/" WORKER "/cgroup.procs", "77\n");
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        assert_string_equal(name, "worker-0-1-2");
        cgroup_deinit(&cgroup);
}

static void a_process_enters_by_writing_itself(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];
        int fd;

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        put(UNIT "/" WORKER "/cgroup.procs", "");
        fd = cgroup_open_procs(&cgroup, name);
        assert_true(fd >= 0);
        cgroup_enter(fd);
        cgroup_enter(-1);
        assert_file(UNIT "/" WORKER "/cgroup.procs", "0");
        fd_close(fd);

        put(UNIT "/" WORKER "/cgroup.events", "populated 0\nfrozen 0\n");
        assert_false(cgroup_is_populated(&cgroup, name));
        put(UNIT "/" WORKER "/cgroup.events", "populated 1\nfrozen 0\n");
        assert_true(cgroup_is_populated(&cgroup, name));
        cgroup_deinit(&cgroup);
}

static void a_kill_for_memory_is_seen_with_its_figures(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        struct cgroup_memory memory;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        put(UNIT "/" WORKER "/memory.events", "low 0\nhigh 0\nmax 40\noom 0\noom_kill 0\n");
        cgroup_read_memory(&cgroup, name, &memory);
        assert_int_equal(memory.oom_kills, 0);

        put(UNIT "/" WORKER "/memory.events", "low 0\nhigh 0\nmax 41\noom 1\noom_kill 1\n");
        put(UNIT "/" WORKER "/memory.peak", "1048576\n");
        put(UNIT "/" WORKER "/memory.max", "1048576\n");
        cgroup_read_memory(&cgroup, name, &memory);
        assert_int_equal(memory.oom_kills, 1);
        assert_int_equal(memory.oom, 1);
        assert_int_equal(memory.peak, 1048576);
        assert_int_equal(memory.max, 1048576);
        cgroup_deinit(&cgroup);
}

static void an_empty_cgroup_is_removed_at_once(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        cgroup_release(&cgroup, name, 0);
        assert_false(exists(UNIT "/" WORKER));
        assert_true(list_empty(&cgroup.leaving));
        cgroup_deinit(&cgroup);
}

static void what_is_left_behind_is_killed_and_removal_tried_again(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        /* a file in it keeps it, as a process keeps a real one */
        put(UNIT "/" WORKER "/cgroup.kill", "");
        cgroup_release(&cgroup, name, 0);
        assert_file(UNIT "/" WORKER "/cgroup.kill", "1");
        assert_false(list_empty(&cgroup.leaving));
        cgroup_sweep(&cgroup);
        assert_false(list_empty(&cgroup.leaving));

        assert_int_equal(unlinkat(cgroup.fd, WORKER "/cgroup.kill", 0), 0);
        cgroup_sweep(&cgroup);
        assert_true(list_empty(&cgroup.leaving));
        assert_false(exists(UNIT "/" WORKER));
        cgroup_deinit(&cgroup);
}

static void a_core_dump_is_waited_for(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        put(UNIT "/" WORKER "/cgroup.kill", "");
        put(UNIT "/" WORKER "/cgroup.procs", "4711\n4712\n");
        cgroup_release(&cgroup, name, 4711);
        assert_file(UNIT "/" WORKER "/cgroup.kill", "");
        assert_false(list_empty(&cgroup.leaving));

        put(UNIT "/" WORKER "/cgroup.procs", "4712\n");
        cgroup_sweep(&cgroup);
        assert_file(UNIT "/" WORKER "/cgroup.kill", "1");
        cgroup_deinit(&cgroup);
}

static void a_pid_that_is_not_there_is_not_waited_for(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char name[CGROUP_NAME_MAX];

        open_unit(&cgroup);
        assert_int_equal(cgroup_create(&cgroup, "worker", 0, 1, name), 0);
        put(UNIT "/" WORKER "/cgroup.kill", "");
        put(UNIT "/" WORKER "/cgroup.procs", "4712\n");
        cgroup_release(&cgroup, name, 4711);
        assert_file(UNIT "/" WORKER "/cgroup.kill", "1");
        cgroup_deinit(&cgroup);
}

static void leftovers_of_ours_are_removed_and_nothing_else(void **state) {
        struct cgroup cgroup = CGROUP_NULL;
        char full[512];

        put_unit();
        delegate(UNIT);
        put(UNIT "/worker-1-1-9/cgroup.procs", "88\n");
        assert_int_equal(mkdir(full_path(UNIT "/worker-0-1-8", full, sizeof(full)), 0755), 0);
        assert_int_equal(mkdir(full_path(UNIT "/other", full, sizeof(full)), 0755), 0);
        assert_int_equal(cgroup_open(&cgroup, root), 0);
        assert_false(exists(UNIT "/worker-0-1-8"));
        assert_true(exists(UNIT "/worker-1-1-9"));
        assert_true(exists(UNIT "/other"));
        cgroup_deinit(&cgroup);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_master_moves_down_and_hands_the_memory_controller_on),
                TEST(a_master_that_has_moved_finds_its_way_back),
                TEST(what_is_not_delegated_is_left_alone),
                TEST(a_directory_that_does_not_show_us_is_not_ours),
                TEST(detached_children_have_a_cgroup_that_is_made_once_and_removed_at_the_end),
                TEST(without_version_2_there_are_no_cgroups),
                TEST(without_the_memory_controller_nothing_is_limited),
                TEST(a_worker_gets_its_limits),
                TEST(a_name_that_is_taken_is_passed_over),
                TEST(a_process_enters_by_writing_itself),
                TEST(a_kill_for_memory_is_seen_with_its_figures),
                TEST(an_empty_cgroup_is_removed_at_once),
                TEST(what_is_left_behind_is_killed_and_removal_tried_again),
                TEST(a_core_dump_is_waited_for),
                TEST(a_pid_that_is_not_there_is_not_waited_for),
                TEST(leftovers_of_ours_are_removed_and_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
