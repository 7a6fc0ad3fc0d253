/* SPDX-License-Identifier: MIT */

/*
 * Children that start badly, end badly or do not end at all, and what the master is told of them. The program starts
 * itself: exec'd as a child, it does what its environment asks for.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/process.h"
#include "util/fd.h"
#include "util/log.h"

#define MSEC     USEC_PER_MSEC
#define PATIENCE (10 * USEC_PER_SEC)
#define CONDUCT  "TEST_PROCESS_CONDUCT"

/* ---- The child ---- */

/* Whatever becomes of the test, it does not stay for ever. */
_noreturn_ static void stay(void) {
        (void) alarm(60);
        for (;;)
                (void) pause();
}

static int child_main(const char *conduct) {
        struct heritage heritage;

        if (heritage_read(&heritage) < 0)
                return EXIT_FAILURE;
        if (streq(conduct, "stay")) {
                (void) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
                (void) channel_send_raw(heritage.channel_fd, MESSAGE_READY);
                stay();
        }
        if (streq(conduct, "stay deaf")) {
                (void) signal(SIGTERM, SIG_IGN);
                (void) signal(SIGABRT, SIG_IGN);
                (void) channel_send_raw(heritage.channel_fd, MESSAGE_READY);
                stay();
        }
        if (streq(conduct, "hang in the start")) {
                (void) signal(SIGABRT, SIG_IGN);
                stay();
        }
        if (streq(conduct, "say it leaves, and leave"))
                (void) channel_send_raw(heritage.channel_fd, MESSAGE_LEAVING);
        if (streq(conduct, "close the channel")) {
                fd_close(heritage.channel_fd);
                stay();
        }
        if (streq(conduct, "send what it may not")) {
                (void) channel_send_raw(heritage.channel_fd, MESSAGE_STOP);
                stay();
        }
        heritage_deinit(&heritage);
        return 42;
}

/* ---- The master ---- */

struct told {
        unsigned int ready, lost, gone, crashed;
        bool lost_before_gone;
        siginfo_t status;
};

struct fixture {
        sd_event *event;
        struct process *process;
        struct told told;
        int null_fd;
        char program[4096];
};

static struct fixture fixture;

static void on_ready(struct process *process, void *userdata) {
        fixture.told.ready++;
}

static void on_lost(struct process *process, void *userdata) {
        fixture.told.lost++;
}

static void on_gone(struct process *process, const siginfo_t *status, void *userdata) {
        fixture.told.lost_before_gone = fixture.told.lost > 0;
        fixture.told.status = *status;
        fixture.told.gone++;
}

static void on_crashed(struct process *process, void *userdata) {
        fixture.told.crashed++;
}

/* sd-event wants it blocked wherever children are watched. */
static int block_child_signal(void **state) {
        sigset_t set;

        log_set_level(LOG_ALERT);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        return sigprocmask(SIG_BLOCK, &set, NULL);
}

static int set_up(void **state) {
        ssize_t n;

        fixture = (struct fixture){ .null_fd = -1 };
        n = readlink("/proc/self/exe", fixture.program, sizeof(fixture.program) - 1);
        fixture.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        return n < 0 || fixture.null_fd < 0 || sd_event_new(&fixture.event) < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        if (fixture.process && fixture.told.gone == 0) {
                (void) kill(fixture.process->pid, SIGKILL);
                (void) waitpid(fixture.process->pid, NULL, 0);
        }
        fixture.process = process_free(fixture.process);
        fixture.event = sd_event_unref(fixture.event);
        fixture.null_fd = fd_close(fixture.null_fd);
        return 0;
}

static void spawn(const char *program, const char *conduct, usec_t timeout) {
        const struct heritage heritage = {
                .scoreboard_fd = fixture.null_fd,
                .config_fd = fixture.null_fd,
                .detached_fd = -1,
                .instance = (char *) "test",
        };
        const struct process_options options = {
                .event = fixture.event,
                .role = PROCESS_WORKER,
                .program = program,
                .heritage = &heritage,
                .cgroup = "",
                .cgroup_procs_fd = -1,
                .ready_timeout = timeout,
                .leave_timeout = timeout,
                .hang_timeout = USEC_NEVER,
                .kill_timeout = 50 * MSEC,
                .events = { on_ready, on_lost, on_gone, on_crashed, NULL },
        };

        assert_int_equal(setenv(CONDUCT, conduct, 1), 0);
        assert_int_equal(process_spawn(&fixture.process, &options), 0);
        assert_int_equal(unsetenv(CONDUCT), 0);
}

static void wait_for(const unsigned int *count) {
        usec_t end = now_monotonic() + PATIENCE;

        while (*count == 0 && now_monotonic() < end)
                assert_true(sd_event_run(fixture.event, 100 * MSEC) >= 0);
        assert_int_equal(*count, 1);
}

static void assert_ended(int code, int status) {
        wait_for(&fixture.told.gone);
        assert_int_equal(fixture.told.status.si_pid, fixture.process->pid);
        assert_int_equal(fixture.told.status.si_code, code);
        assert_int_equal(fixture.told.status.si_status, status);
}

/* ---- A tracer ---- */

/* Another process that traces the child until it is told to end. It ends right away, with an errno, where it may not. */
_noreturn_ static void trace(pid_t pid, int report_fd, int release_fd) {
        int error = ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? errno : 0;
        char byte;

        if (write(report_fd, &error, sizeof(error)) == sizeof(error) && error == 0)
                (void) !read(release_fd, &byte, 1);
        _exit(EXIT_SUCCESS);
}

/* Returns the tracer's pid, or a negative errno. It ends when the descriptor is closed. */
static pid_t start_tracer(int *ret_release_fd) {
        int report[2], release[2], error = EIO;
        pid_t pid;

        assert_int_equal(pipe2(report, O_CLOEXEC), 0);
        assert_int_equal(pipe2(release, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                fd_close(release[1]);
                trace(fixture.process->pid, report[1], release[0]);
        }
        fd_close(report[1]);
        fd_close(release[0]);
        (void) !read(report[0], &error, sizeof(error));
        fd_close(report[0]);
        *ret_release_fd = release[1];
        if (error == 0)
                return pid;
        fd_close(release[1]);
        (void) waitpid(pid, NULL, 0);
        return -error;
}

/* Kills it, and waits until it is dead as far as its pidfd tells. */
static void kill_traced(void) {
        struct pollfd dead = { .events = POLLIN };

        dead.fd = (int) syscall(SYS_pidfd_open, fixture.process->pid, 0);
        assert_true(dead.fd >= 0);
        assert_int_equal(kill(fixture.process->pid, SIGKILL), 0);
        assert_int_equal(poll(&dead, 1, (int) (PATIENCE / MSEC)), 1);
        fd_close(dead.fd);
}

static void test_the_end_of_a_traced_child_is_never_missed(void **state) {
        siginfo_t status = {};
        int release_fd;
        pid_t tracer;

        spawn(fixture.program, "stay", USEC_NEVER);
        wait_for(&fixture.told.ready);
        tracer = start_tracer(&release_fd);
        if (tracer < 0) {
                print_message("No process may be traced here: %s\n", strerror(-tracer));
                skip();
        }
        kill_traced();
        assert_int_equal(waitid(P_PID, (id_t) fixture.process->pid, &status, WEXITED | WNOHANG | WNOWAIT),
                         0);
        assert_int_equal(status.si_pid, 0); /* the tracer holds it */
        for (int i = 0; i < 10; i++)
                assert_true(sd_event_run(fixture.event, 0) >= 0);
        assert_int_equal(fixture.told.gone, 0);

        fd_close(release_fd);
        assert_int_equal(waitpid(tracer, NULL, 0), tracer);
        assert_ended(CLD_KILLED, SIGKILL);
}

/* ---- Without one ---- */

static void test_that_a_child_leaves_is_told_once_and_before_its_end(void **state) {
        static const char *const conducts[] = { "say it leaves, and leave", "leave", "close the channel" };

        for (size_t i = 0; i < ELEMENTSOF(conducts); i++) {
                if (i > 0)
                        assert_int_equal(set_up(state), 0);
                spawn(fixture.program, conducts[i], USEC_NEVER);
                wait_for(&fixture.told.gone);
                assert_int_equal(fixture.told.lost, 1);
                assert_true(fixture.told.lost_before_gone);
                assert_int_equal(fixture.told.ready, 0);
                assert_int_equal(fixture.process->said_leaving, i == 0);
                assert_int_equal(tear_down(state), 0);
        }
}

static void test_a_child_that_cannot_be_executed_says_why(void **state) {
        spawn("/nonexistent/muster-worker", "leave", USEC_NEVER);
        assert_ended(CLD_EXITED, 127);
        assert_non_null(fixture.process->failure);
        assert_string_equal(fixture.process->failure,
                            "Cannot execute /nonexistent/muster-worker: No such file or directory");
}

static void test_a_child_without_its_channel_is_asked_to_leave_by_a_signal(void **state) {
        spawn(fixture.program, "close the channel", USEC_NEVER);
        assert_ended(CLD_KILLED, SIGTERM);
        assert_false(fixture.process->killed);
}

static void test_a_child_that_sends_what_it_may_not_is_killed_at_once(void **state) {
        spawn(fixture.program, "send what it may not", USEC_NEVER);
        assert_ended(CLD_KILLED, SIGKILL);
        assert_true(fixture.process->misbehaved);
        assert_false(fixture.process->killed);
        assert_int_equal(fixture.told.lost, 1);
}

static void test_a_child_that_does_not_leave_in_time_is_killed(void **state) {
        usec_t asked;

        spawn(fixture.program, "stay deaf", 200 * MSEC);
        wait_for(&fixture.told.ready);
        asked = now_monotonic();
        process_leave(fixture.process, MESSAGE_DRAIN);
        assert_ended(CLD_KILLED, SIGKILL);
        assert_true(now_monotonic() - asked >= 200 * MSEC);
        assert_true(fixture.process->killed);
        assert_int_equal(fixture.told.lost, 0); /* it was asked: nobody needs to be told */
}

static void test_a_child_that_is_not_ready_in_time_is_aborted_and_then_killed(void **state) {
        usec_t started = now_monotonic();

        spawn(fixture.program, "hang in the start", 200 * MSEC);
        assert_ended(CLD_KILLED, SIGKILL);
        assert_true(now_monotonic() - started >= 250 * MSEC);
        assert_true(fixture.process->overdue);
        assert_true(fixture.process->killed);
        assert_int_equal(fixture.told.lost, 1);
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_the_end_of_a_traced_child_is_never_missed),
                TEST(test_that_a_child_leaves_is_told_once_and_before_its_end),
                TEST(test_a_child_that_cannot_be_executed_says_why),
                TEST(test_a_child_without_its_channel_is_asked_to_leave_by_a_signal),
                TEST(test_a_child_that_sends_what_it_may_not_is_killed_at_once),
                TEST(test_a_child_that_does_not_leave_in_time_is_killed),
                TEST(test_a_child_that_is_not_ready_in_time_is_aborted_and_then_killed),
        };
        const char *conduct = getenv(CONDUCT);

        if (conduct)
                return child_main(conduct);
        return cmocka_run_group_tests(tests, block_child_signal, NULL);
}
