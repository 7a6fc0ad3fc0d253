/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include <cmocka.h>

#include "util/macro.h"
#include "util/seccomp.h"

/* Each attempt is made by a process of its own, since there is no way back. Its exit status is the errno. */

static volatile sig_atomic_t handled = -1;

static void on_sigsys(int number, siginfo_t *info, void *context) {
        handled = seccomp_refuse(info, context);
}

static int status_of(pid_t pid) {
        int status;

        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void load(enum seccomp_program program) {
        struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

        if (sigaction(SIGSYS, &action, NULL) < 0 || seccomp_load(program, NULL) < 0)
                _exit(UINT8_MAX);
}

static int error_under(enum seccomp_program program, int (*function)(void)) {
        pid_t pid = fork();

        if (pid == 0) {
                load(program);
                _exit(function() < 0 ? errno : 0);
        }
        return status_of(pid);
}

static int do_mount(void) {
        return mount("none", "/nonexistent", "tmpfs", 0, NULL);
}

static int do_handled_mount(void) {
        int r = do_mount();

        return handled == SYS_mount ? r : 0;
}

static int do_packet(void) {
        return socket(AF_PACKET, SOCK_DGRAM, 0);
}

static int do_inet(void) {
        return socket(AF_INET, SOCK_STREAM, 0);
}

static int do_fork(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid;
}

static int do_copy(void) {
        pid_t pid = (pid_t) syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, 0UL);

        if (pid == 0)
                _exit(0);
        return pid;
}

static int do_namespace(void) {
        pid_t pid = (pid_t) syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, 0UL);

        if (pid == 0)
                _exit(0);
        return pid;
}

static int do_clone3(void) {
        return (int) syscall(SYS_clone3, NULL, 0);
}

static int do_execve(void) {
        char *const arguments[] = { (char *) "true", NULL };

        return execve("/nonexistent/program", arguments, arguments + 1);
}

static void test_what_no_process_does_is_an_error(void **state) {
        static const enum seccomp_program programs[] = { SECCOMP_COMMON_TRAP, SECCOMP_COMMON_ERRNO };

        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                assert_int_equal(error_under(programs[i], do_mount), EPERM);
                assert_int_equal(error_under(programs[i], do_packet), EPERM);
                assert_int_equal(error_under(programs[i], do_namespace), EPERM);
                assert_int_equal(error_under(programs[i], do_inet), 0);
                assert_int_equal(error_under(programs[i], do_fork), 0);
                assert_int_equal(error_under(programs[i], do_execve), ENOENT);
        }
}

static void test_a_handler_learns_which_call_it_was(void **state) {
        assert_int_equal(error_under(SECCOMP_COMMON_TRAP, do_handled_mount), EPERM);
}

/* The crash handler leans on the copy that still passes. */
static void test_without_children_only_a_copy_for_the_core_dump_is_made(void **state) {
        assert_int_equal(error_under(SECCOMP_NO_CHILDREN_ERRNO, do_fork), EPERM);
        assert_int_equal(error_under(SECCOMP_NO_CHILDREN_ERRNO, do_execve), EPERM);
        assert_int_equal(error_under(SECCOMP_NO_CHILDREN_ERRNO, do_clone3), ENOSYS);
        assert_int_equal(error_under(SECCOMP_NO_CHILDREN_ERRNO, do_copy), 0);
}

static void test_with_children_only_what_no_filter_sees_is_refused(void **state) {
        assert_int_equal(error_under(SECCOMP_CHILDREN, do_fork), 0);
        assert_int_equal(error_under(SECCOMP_CHILDREN, do_execve), ENOENT);
        assert_int_equal(error_under(SECCOMP_CHILDREN, do_clone3), ENOSYS);
}

/* A call that is made with all signals blocked: the master leans on being asked all the same. */
static void test_a_listener_answers_for_the_kernel(void **state) {
        union {
                struct seccomp_notif notification;
                char room[512];
        } question = {};
        union {
                struct seccomp_notif_resp response;
                char room[512];
        } answer = {};
        int sockets[2], listener = -1;
        sigset_t all;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
        assert_int_equal(seccomp_load(SECCOMP_CHILDREN, NULL), 0); /* also that programs add up */
        pid = fork();
        if (pid == 0) {
                (void) sigfillset(&all);
                (void) sigprocmask(SIG_SETMASK, &all, NULL);
                if (seccomp_load(SECCOMP_NO_CHILDREN_NOTIFY, &listener) < 0 ||
                    write(sockets[1], &listener, sizeof(listener)) != sizeof(listener))
                        _exit(UINT8_MAX);
                _exit(do_fork() < 0 ? errno : 0);
        }
        assert_int_equal(read(sockets[0], &listener, sizeof(listener)), sizeof(listener));
        {
                int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

                listener = (int) syscall(SYS_pidfd_getfd, pidfd, listener, 0);
                (void) close(pidfd);
        }
        assert_true(listener >= 0);
        assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question), 0);
        assert_int_equal(question.notification.pid, pid);
        assert_string_equal(seccomp_calls[seccomp_find_call(question.notification.data.nr)].name, "clone");
        answer.response.id = question.notification.id;
        answer.response.error = -EPERM;
        assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
        assert_int_equal(status_of(pid), EPERM);
        (void) close(listener);
        (void) close(sockets[0]);
        (void) close(sockets[1]);
}

static void test_every_call_is_found_by_its_number(void **state) {
        for (size_t i = 0; i < seccomp_n_calls; i++)
                assert_int_equal(seccomp_find_call(seccomp_calls[i].number), i);
        assert_int_equal(seccomp_find_call(SYS_read), -ENOENT);
        assert_int_equal(seccomp_find_call(-1), -ENOENT);
        assert_true(seccomp_n_calls <= 128); /* what app/refused.c and master/refused.c have room for */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_no_process_does_is_an_error),
                cmocka_unit_test(test_a_handler_learns_which_call_it_was),
                cmocka_unit_test(test_without_children_only_a_copy_for_the_core_dump_is_made),
                cmocka_unit_test(test_with_children_only_what_no_filter_sees_is_refused),
                cmocka_unit_test(test_a_listener_answers_for_the_kernel),
                cmocka_unit_test(test_every_call_is_found_by_its_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
