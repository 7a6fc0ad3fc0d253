/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/heritage.h"
#include "util/fd.h"
#include "util/macro.h"

/* The program runs itself again with this argument to be the child that reads its heritage. */
#define ROLE_CHILD "read-heritage"

static const char *program;

static ino_t inode(int fd) {
        struct stat st;

        return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

/* What the child found, as one line. */
static int child_main(void) {
        struct heritage heritage;
        char path[64];
        int stray = 0;

        if (heritage_read(&heritage) < 0)
                return 1;
        for (int fd = 3; fd < 100; fd++) {
                int flags = fcntl(fd, F_GETFD);

                if (flags >= 0 && !(flags & FD_CLOEXEC))
                        stray++;
        }
        (void) snprintf(path, sizeof(path), "%s",
                        getenv("MUSTER_CHANNEL_FD") || getenv("LISTEN_FDS") ? "kept" : "gone");
        printf("%zu %s %s %ju %ju %ju %ju %zu %d %ju %s %d %s %s\n", heritage.n_listeners,
               heritage.listener_names[0], heritage.listener_names[1],
               (uintmax_t) inode(heritage.listener_fds[0]), (uintmax_t) inode(heritage.channel_fd),
               (uintmax_t) inode(heritage.config_fd), (uintmax_t) inode(heritage.detached_fd), heritage.slot,
               heritage.number, (uintmax_t) heritage.generation, heritage.instance, stray, path,
               getenv("NOTIFY_SOCKET") ? "notify" : "quiet");
        heritage_deinit(&heritage);
        return 0;
}

_noreturn_ static void bequeath_and_exec(const struct heritage *heritage, int output) {
        char *argv[] = { (char *) program, (char *) ROLE_CHILD, NULL };

        if (dup2(output, STDOUT_FILENO) < 0 || setenv("NOTIFY_SOCKET", "/run/x", 1) < 0)
                _exit(1);
        if (heritage_bequeath(heritage) < 0)
                _exit(2);
        execv(program, argv);
        _exit(3);
}

static void test_what_is_bequeathed_is_read_after_exec_and_nothing_else(void **state) {
        int pipes[5][2], listeners[2], status;
        char *names[] = { (char *) "http", (char *) "admin" };
        char line[512] = "", expected[512];
        struct heritage heritage = HERITAGE_NULL;
        pid_t pid;

        for (size_t i = 0; i < ELEMENTSOF(pipes); i++)
                assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
        /* In an order that makes every target another's source. */
        listeners[0] = pipes[3][0];
        listeners[1] = pipes[0][0];
        heritage.n_listeners = 2;
        heritage.listener_fds = listeners;
        heritage.listener_names = names;
        heritage.channel_fd = pipes[1][0];
        heritage.scoreboard_fd = pipes[2][0];
        heritage.config_fd = pipes[0][1];
        heritage.detached_fd = pipes[4][0];
        heritage.slot = 9;
        heritage.number = 4;
        heritage.generation = 12;
        heritage.master = getpid();
        heritage.instance = (char *) "shop";

        pid = fork();
        if (pid == 0)
                bequeath_and_exec(&heritage, pipes[4][1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_true(read(pipes[4][0], line, sizeof(line) - 1) > 0);
        (void) snprintf(expected, sizeof(expected),
                        "2 http admin %ju %ju %ju %ju 9 4 12 shop 0 gone quiet\n",
                        (uintmax_t) inode(pipes[3][0]), (uintmax_t) inode(pipes[1][0]),
                        (uintmax_t) inode(pipes[0][1]), (uintmax_t) inode(pipes[4][0]));
        assert_string_equal(line, expected);
        for (size_t i = 0; i < ELEMENTSOF(pipes); i++) {
                fd_close(pipes[i][0]);
                fd_close(pipes[i][1]);
        }
}

static void test_without_a_master_there_is_nothing_and_that_is_no_error(void **state) {
        struct heritage heritage;

        assert_int_equal(heritage_read(&heritage), 0);
        assert_int_equal(heritage.channel_fd, -1);
        assert_int_equal(heritage.detached_fd, -1);
        assert_int_equal(heritage.n_listeners, 0);
        assert_null(heritage.instance);
        heritage_deinit(&heritage);
}

static void test_an_environment_that_makes_no_sense_is_refused(void **state) {
        static const char *const bad[] = { "", "x", "-1", "0", "2", "99999", "3x", "99999999999999999999" };
        struct heritage heritage;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(setenv("MUSTER_CHANNEL_FD", bad[i], 1), 0);
                assert_int_equal(heritage_read(&heritage), -EBADMSG);
                assert_null(getenv("MUSTER_CHANNEL_FD"));
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_bequeathed_is_read_after_exec_and_nothing_else),
                cmocka_unit_test(test_without_a_master_there_is_nothing_and_that_is_no_error),
                cmocka_unit_test(test_an_environment_that_makes_no_sense_is_refused),
        };

        program = argv[0];
        if (argc > 1 && streq(argv[1], ROLE_CHILD))
                return child_main();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
