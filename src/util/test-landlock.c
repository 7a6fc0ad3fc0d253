/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/landlock.h"
#include "util/macro.h"

/* Each attempt is made by a process of its own, since there is no way back. Its exit status is the errno. */

static char inside[64], outside[64];

static int error_of(int r) {
        return r < 0 ? errno : 0;
}

static int create_outside(void) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/new", outside);
        return error_of(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int create_inside(void) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/new", inside);
        return error_of(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int modify_outside(void) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/file", outside);
        return error_of(open(path, O_WRONLY | O_CLOEXEC));
}

static int read_outside(void) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/file", outside);
        return error_of(open(path, O_RDONLY | O_CLOEXEC));
}

static int make_device_inside(void) {
        char path[96];

        (void) snprintf(path, sizeof(path), "%s/device", inside);
        return error_of(mknod(path, S_IFCHR | 0600, 0));
}

static int signal_parent(void) {
        return error_of(kill(getppid(), 0));
}

/* The error of an attempt by a process that may do `access` inside, of what is restricted. */
static int attempt(unsigned int restricted, unsigned int access, int (*function)(void)) {
        const struct landlock_grant grants[] = {
                { "/nonexistent/path", LANDLOCK_READ | LANDLOCK_CREATE },
                { inside, access },
                { "/dev/null", LANDLOCK_READ | LANDLOCK_CREATE | LANDLOCK_MODIFY },
        };
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (landlock_restrict(restricted, grants, ELEMENTSOF(grants)) < 0)
                        _exit(UINT8_MAX);
                _exit(function());
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_not_equal(WEXITSTATUS(status), UINT8_MAX);
        return WEXITSTATUS(status);
}

static void test_what_is_restricted_and_not_granted_is_refused(void **state) {
        unsigned int writing = LANDLOCK_MODIFY | LANDLOCK_CREATE;

        assert_int_equal(attempt(writing, writing, create_outside), EACCES);
        assert_int_equal(attempt(writing, writing, modify_outside), EACCES);
        assert_int_equal(attempt(LANDLOCK_READ, LANDLOCK_READ, read_outside), EACCES);
}

static void test_what_is_granted_is_possible(void **state) {
        unsigned int writing = LANDLOCK_MODIFY | LANDLOCK_CREATE;

        assert_int_equal(attempt(writing, writing, create_inside), 0);
}

static void test_what_is_not_restricted_needs_no_grant(void **state) {
        unsigned int writing = LANDLOCK_MODIFY | LANDLOCK_CREATE;

        assert_int_equal(attempt(writing, 0, read_outside), 0);
        assert_int_equal(attempt(LANDLOCK_READ, 0, modify_outside), 0);
}

static void test_devices_are_made_nowhere(void **state) {
        if (geteuid() != 0)
                skip();
        assert_int_equal(attempt(LANDLOCK_CREATE, LANDLOCK_CREATE, make_device_inside), EACCES);
}

static void test_processes_outside_get_no_signal(void **state) {
        int abi, status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(landlock_restrict(LANDLOCK_CREATE, NULL, 0));
        (void) waitpid(pid, &status, 0);
        abi = WEXITSTATUS(status);
        assert_int_equal(attempt(LANDLOCK_CREATE, 0, signal_parent), abi >= 6 ? EPERM : 0);
}

static int set_up(void **state) {
        char path[96];
        pid_t pid = fork();
        int status, fd;

        if (pid == 0)
                _exit(landlock_restrict(LANDLOCK_CREATE, NULL, 0) > 0 ? 0 : 77);
        if (waitpid(pid, &status, 0) < 0 || WEXITSTATUS(status) == 77)
                return 77; /* this kernel has no Landlock */

        (void) strcpy(inside, "/tmp/muster-inside-XXXXXX");
        (void) strcpy(outside, "/tmp/muster-outside-XXXXXX");
        if (!mkdtemp(inside) || !mkdtemp(outside))
                return -1;
        (void) snprintf(path, sizeof(path), "%s/file", outside);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        return fd < 0 ? -1 : close(fd);
}

static void remove_folder(const char *folder) {
        static const char *const names[] = { "new", "file", "device" };
        char path[96];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                (void) unlink(path);
        }
        (void) rmdir(folder);
}

static int tear_down(void **state) {
        remove_folder(inside);
        remove_folder(outside);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_restricted_and_not_granted_is_refused),
                cmocka_unit_test(test_what_is_granted_is_possible),
                cmocka_unit_test(test_what_is_not_restricted_needs_no_grant),
                cmocka_unit_test(test_devices_are_made_nowhere),
                cmocka_unit_test(test_processes_outside_get_no_signal),
        };
        int r = set_up(NULL);

        if (r == 0)
                r = cmocka_run_group_tests(tests, NULL, NULL);
        tear_down(NULL);
        return r;
}
