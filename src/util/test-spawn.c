/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fd.h"
#include "util/macro.h"
#include "util/spawn.h"

static const char *const environment[] = { "PATH=/usr/bin:/bin", "GREETING=hello", NULL };

/* Runs a command of the shell and returns what it wrote. */
static char *run(const char *command, struct spawn spawn, int *ret_status) {
        static const char *const shell[] = { "/bin/sh", NULL };
        const char *const argv[] = { "sh", "-c", command, NULL };
        int ends[2], pidfd = -1;
        char *text = NULL;
        pid_t pid = -1;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        spawn.paths = shell;
        spawn.argv = argv;
        spawn.environment = environment;
        spawn.cgroup_fd = -1;
        spawn.fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
        spawn.fds[1] = ends[1];
        if (spawn.n_fds < 3) {
                spawn.fds[2] = STDERR_FILENO;
                spawn.n_fds = 3;
        }
        assert_int_equal(spawn_program(&spawn, &pid, &pidfd), 0);
        fd_close(ends[1]);
        fd_close(spawn.fds[0]);
        assert_true(pid > 0);
        assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fd_read(ends[0], 65536, &text, NULL), 0);
        fd_close(ends[0]);
        fd_close(pidfd);
        assert_int_equal(waitpid(pid, ret_status, 0), pid);
        return text;
}

static void expect(const char *command, struct spawn spawn, const char *expected) {
        _cleanup_free_ char *text = NULL;
        int status;

        text = run(command, spawn, &status);
        assert_string_equal(text, expected);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_program_gets_its_arguments_environment_and_directory(void **state) {
        expect("printf '%s %s ' $0 \"$GREETING\"; pwd; test -z \"$HOME\"",
               (struct spawn){ .directory = "/usr" }, "sh hello /usr\n");
}

static void nothing_is_inherited_that_was_not_given(void **state) {
        int stray = dup(STDERR_FILENO); /* by somebody who does not know of O_CLOEXEC */

        assert_true(stray > 2);
        expect("ls /proc/self/fd | tr '\\n' ' '", (struct spawn){}, "0 1 2 3 "); /* 3: of ls itself */
        fd_close(stray);
}

static void descriptors_come_to_their_places_in_whatever_order_they_were(void **state) {
        struct spawn spawn = { .n_fds = 5 };
        _cleanup_free_ char *text = NULL;
        char expected[128];
        struct stat st[2];
        int ends[2], status;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        /* each at a place that the other wants */
        assert_int_equal(dup3(ends[0], 4, O_CLOEXEC), 4);
        assert_int_equal(dup3(STDERR_FILENO, 3, O_CLOEXEC), 3);
        spawn.fds[2] = STDERR_FILENO;
        spawn.fds[3] = 4;
        spawn.fds[4] = 3;
        assert_int_equal(fstat(4, &st[0]), 0);
        assert_int_equal(fstat(3, &st[1]), 0);
        text = run("stat -L -c %i /proc/self/fd/3 /proc/self/fd/4", spawn, &status);
        (void) snprintf(expected, sizeof(expected), "%ju\n%ju\n", (uintmax_t) st[0].st_ino,
                        (uintmax_t) st[1].st_ino);
        assert_string_equal(text, expected);
        for (int fd = 3; fd < 8; fd++)
                fd_close(fd);
}

static void signals_are_as_at_the_beginning(void **state) {
        sigset_t blocked, before;

        (void) sigemptyset(&blocked);
        (void) sigaddset(&blocked, SIGUSR1);
        assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        expect("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'", (struct spawn){},
               "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
        assert_true(signal(SIGPIPE, SIG_DFL) == SIG_IGN); /* and ours are as they were */
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, &blocked), 0);
        assert_true(sigismember(&blocked, SIGUSR1));
}

static void a_child_has_a_group_or_a_session_of_its_own(void **state) {
        /* the fifth and sixth field are the group and the session */
        expect("set -- $(cat /proc/$$/stat); test $5 -eq $$ && test $6 -ne $$ && echo group",
               (struct spawn){}, "group\n");
        expect("set -- $(cat /proc/$$/stat); test $5 -eq $$ && test $6 -eq $$ && echo session",
               (struct spawn){ .session = true }, "session\n");
}

static int try(const char *const *paths, const char *directory) {
        static const char *const argv[] = { "it", NULL };
        struct spawn spawn = { .paths = paths,
                               .argv = argv,
                               .environment = environment,
                               .directory = directory,
                               .fds = { 0, 1, 2 },
                               .n_fds = 3,
                               .cgroup_fd = -1 };
        int pidfd = -1, r;
        pid_t pid = -1;

        r = spawn_program(&spawn, &pid, &pidfd);
        if (r < 0) {
                /* no process is left of it, and nothing was returned */
                assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
                assert_int_equal(errno, ECHILD);
                assert_int_equal(pid, -1);
                assert_int_equal(pidfd, -1);
                return r;
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        fd_close(pidfd);
        return 0;
}

static void what_cannot_be_started_is_told_with_its_reason(void **state) {
        static const struct {
                const char *paths[4];
                const char *directory;
                int error;
        } cases[] = {
                { { "/bin/true" }, NULL, 0 },
                { { "/nowhere/true", "/bin/true" }, NULL, 0 },
                { { "/etc/passwd/true", "/bin/true" }, NULL, 0 },
                { { "/etc/passwd", "/bin/true" }, NULL, 0 },
                { { "/nowhere/true" }, NULL, -ENOENT },
                { { "/etc/passwd" }, NULL, -EACCES },
                { { "/etc" }, NULL, -EACCES },
                { { "/etc/passwd", "/nowhere/true" }, NULL, -EACCES },
                { { "/bin/true" }, "/nowhere", -ENOENT },
                { { "/bin/true" }, "/etc/passwd", -ENOTDIR },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(try(cases[i].paths, cases[i].directory), cases[i].error);
}

static void a_text_without_an_interpreter_is_not_given_to_the_shell(void **state) {
        char path[] = "/tmp/muster-spawn-XXXXXX";
        const char *const paths[] = { path, NULL };
        int fd = mkstemp(path), r;

        assert_true(fd >= 0 && write(fd, "exit 0\n", 7) == 7 && fchmod(fd, 0700) == 0);
        fd_close(fd);
        r = try(paths, NULL);
        (void) unlink(path);
        assert_int_equal(r, -ENOEXEC);
}

static void a_child_dies_with_the_thread_that_started_it(void **state) {
        static const char *const paths[] = { "/bin/sleep", NULL }, *const argv[] = { "sleep", "60", NULL };
        struct spawn spawn = { .paths = paths,
                               .argv = argv,
                               .environment = environment,
                               .fds = { 0, 1, 2 },
                               .n_fds = 3,
                               .cgroup_fd = -1,
                               .parent_signal = SIGKILL };
        int ends[2], status, pidfd;
        pid_t parent, child = -1;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        parent = fork();
        if (parent == 0) {
                if (spawn_program(&spawn, &child, &pidfd) < 0 ||
                    write(ends[1], &child, sizeof(child)) != sizeof(child))
                        _exit(1);
                _exit(0);
        }
        assert_int_equal(read(ends[0], &child, sizeof(child)), sizeof(child));
        assert_int_equal(waitpid(parent, &status, 0), parent);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        fd_close(ends[0]);
        fd_close(ends[1]);
}

static void a_name_is_looked_up_where_path_says(void **state) {
        static const struct {
                const char *name, *path, *places;
        } cases[] = {
                { "ls", "/usr/bin:/bin", "/usr/bin/ls /bin/ls" },
                { "ls", "/bin", "/bin/ls" },
                { "ls", ":/bin::", "ls /bin/ls ls ls" },
                { "ls", "", "ls" },
                { "./ls", "/usr/bin:/bin", "./ls" },
                { "/x/ls", NULL, "/x/ls" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256] = "", **places;

                assert_int_equal(spawn_find(cases[i].name, cases[i].path, &places), 0);
                for (char **place = places; *place; place++)
                        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
                                        place == places ? "" : " ", *place);
                assert_string_equal(text, cases[i].places);
                free((void *) places);
        }
}

static void a_name_of_nothing_is_no_program(void **state) {
        char **places;

        assert_int_equal(spawn_find("", "/bin", &places), -ENOENT);
        assert_int_equal(spawn_find("ls", NULL, &places), 0);
        assert_non_null(places[0]); /* the usual places */
        free((void *) places);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_program_gets_its_arguments_environment_and_directory),
                cmocka_unit_test(nothing_is_inherited_that_was_not_given),
                cmocka_unit_test(descriptors_come_to_their_places_in_whatever_order_they_were),
                cmocka_unit_test(signals_are_as_at_the_beginning),
                cmocka_unit_test(a_child_has_a_group_or_a_session_of_its_own),
                cmocka_unit_test(what_cannot_be_started_is_told_with_its_reason),
                cmocka_unit_test(a_text_without_an_interpreter_is_not_given_to_the_shell),
                cmocka_unit_test(a_child_dies_with_the_thread_that_started_it),
                cmocka_unit_test(a_name_is_looked_up_where_path_says),
                cmocka_unit_test(a_name_of_nothing_is_no_program),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
