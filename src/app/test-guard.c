/* SPDX-License-Identifier: MIT */

/*
 * Each promise is tried in a process of its own, since the guard changes what a process does on fatal
 * signals. The libraries' promises that the guard leans on are tried with it: siglongjmp() out of a handler
 * on an alternate stack, and glibc's abort() that can be jumped out of.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/guard-fixture.h"
#include "ipc/channel.h"
#include "util/fd.h"
#include "util/macro.h"

/* ---- Faults ---- */

static void nothing(void *argument) {
}

static void bad_pointer(void *argument) {
        int *volatile pointer = (int *) 0x10;

        *pointer = 1;
}

static void call_nowhere(void *argument) {
        void (*volatile function)(void) = (void (*)(void)) 0x20;

        function();
        __asm__ volatile("" ::: "memory"); /* or it would be a jump, and the caller's caller on the stack */
}

static volatile bool endless = true;

static int recurse(volatile char *above) {
        volatile char frame[4096];

        frame[0] = above ? above[0] : 0;
        return endless ? recurse(frame) + frame[0] : 0;
}

static void overflow(void *argument) {
        (void) recurse(NULL);
}

_noreturn_ static void call_abort(void *argument) {
        abort();
}

static volatile int zero;

/* UBSan would report it before the CPU does. */
__attribute__((__no_sanitize__("integer-divide-by-zero"))) static void divide(void *argument) {
        volatile int result = 7 / zero;

        (void) result;
}

static void raise_it(void *argument) {
        (void) raise(*(int *) argument);
}

/* ---- Promises ---- */

_noreturn_ static void child_no_fault(void) {
        setup(options());
        _exit(guard_run(&context, nothing, NULL) == 0 && !guard_faulted() ? 0 : 1);
}

static void test_without_a_fault_nothing_happens(void **state) {
        assert_exits(in_child(child_no_fault), 0);
        assert_int_equal(slot->crash.stage, CRASH_NONE);
}

_noreturn_ static void child_bad_pointer(void) {
        setup(options());
        _exit(guard_run(&context, bad_pointer, NULL) == SIGSEGV && guard_faulted() ? 0 : 1);
}

static void test_a_bad_pointer_comes_back_to_the_guard_with_a_record(void **state) {
        assert_exits(in_child(child_bad_pointer), 0);
        assert_int_equal(slot->crash.stage, CRASH_DRAINING);
        assert_int_equal(slot->crash.signal, SIGSEGV);
        assert_int_equal(slot->crash.address, 0x10);
        assert_string_equal(slot->crash.route, "GET /items/{id}");
        assert_string_equal(slot->crash.target, "/items/7?x=1");
        assert_true(slot->crash.n_frames >= 3);
}

static void test_the_first_frame_is_the_faulting_function(void **state) {
        uint64_t start = (uint64_t) bad_pointer;

        assert_exits(in_child(child_bad_pointer), 0);
        assert_in_range(slot->crash.frames[0], start, start + 256);
}

_noreturn_ static void child_nowhere(void) {
        setup(options());
        _exit(guard_run(&context, call_nowhere, NULL) == SIGSEGV ? 0 : 1);
}

static void test_a_jump_to_nowhere_still_names_its_caller(void **state) {
        uint64_t start = (uint64_t) call_nowhere;

        assert_exits(in_child(child_nowhere), 0);
        assert_int_equal(slot->crash.frames[0], 0x20);
        assert_in_range(slot->crash.frames[1], start, start + 256);
}

_noreturn_ static void child_overflow(void) {
        setup(options());
        _exit(guard_run(&context, overflow, NULL) == SIGSEGV ? 0 : 1);
}

static void test_a_stack_overflow_is_survived(void **state) {
        assert_exits(in_child(child_overflow), 0);
        assert_int_equal(slot->crash.stage, CRASH_DRAINING);
}

_noreturn_ static void child_abort(void) {
        setup(options());
        _exit(guard_run(&context, call_abort, NULL) == SIGABRT ? 0 : 1);
}

static void test_abort_can_be_jumped_out_of(void **state) {
        assert_exits(in_child(child_abort), 0);
}

_noreturn_ static void child_divide(void) {
        setup(options());
        _exit(guard_run(&context, divide, NULL) == SIGFPE ? 0 : 1);
}

static void test_a_division_by_zero_is_caught(void **state) {
#if defined(__x86_64__)
        assert_exits(in_child(child_divide), 0);
#endif
        assert_exits(in_child(child_no_fault), 0);
}

_noreturn_ static void child_every_signal(void) {
        static int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };
        struct guard_options o = options();

        o.survive = true;
        setup(o);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (guard_run(&context, raise_it, &signals[i]) != signals[i])
                        _exit((int) i + 1);
        _exit(0);
}

static void test_every_fatal_signal_is_caught_and_the_agent_lives_on(void **state) {
        assert_exits(in_child(child_every_signal), 0);
        assert_int_equal(slot->crash.count, 7);
}

static void inner(void *argument) {
        if (guard_run(&context, bad_pointer, NULL) != SIGSEGV)
                _exit(1);
        *(int *) argument = 1;
}

_noreturn_ static void child_nested(void) {
        int reached = 0;

        setup(options());
        _exit(guard_run(&context, inner, &reached) == 0 && reached ? 0 : 2);
}

static void test_the_innermost_guard_catches(void **state) {
        assert_exits(in_child(child_nested), 0);
}

static void child_unguarded(void) {
        setup(options());
        bad_pointer(NULL);
}

static void test_a_fault_outside_a_callback_is_recorded_and_kills(void **state) {
        assert_killed(in_child(child_unguarded), SIGSEGV);
        assert_int_equal(slot->crash.stage, CRASH_ABANDONED);
        assert_int_equal(slot->crash.guarded, 0);
        assert_true(slot->crash.n_frames >= 2);
}

static void child_twice(void) {
        setup(options());
        if (guard_run(&context, bad_pointer, NULL) != SIGSEGV)
                _exit(1);
        (void) guard_run(&context, call_abort, NULL);
}

static void test_a_second_fault_kills_at_once(void **state) {
        assert_killed(in_child(child_twice), SIGABRT);
        assert_int_equal(slot->crash.signal, SIGSEGV);
        assert_int_equal(slot->crash.second_signal, SIGABRT);
}

static void child_no_drain(void) {
        struct guard_options o = options();

        o.drain = false;
        setup(o);
        (void) guard_run(&context, bad_pointer, NULL);
}

static void test_without_drain_every_fault_kills(void **state) {
        assert_killed(in_child(child_no_drain), SIGSEGV);
        assert_int_equal(slot->crash.guarded, 1);
}

static void *thread_main(void *argument) {
        bad_pointer(NULL);
        return NULL;
}

static void join_thread(void *argument) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, thread_main, NULL) == 0)
                (void) pthread_join(thread, NULL);
}

static void child_thread(void) {
        setup(options());
        (void) guard_run(&context, join_thread, NULL);
}

static void test_a_fault_on_another_thread_kills(void **state) {
        assert_killed(in_child(child_thread), SIGSEGV);
        assert_int_equal(slot->crash.stage, CRASH_ABANDONED);
        assert_int_equal(slot->crash.guarded, 0);
}

_noreturn_ static void child_deadline(void) {
        struct guard_options o = options();

        o.deadline = 50 * USEC_PER_MSEC;
        setup(o);
        if (guard_run(&context, bad_pointer, NULL) != SIGSEGV)
                _exit(1);
        for (;;)
                (void) pause();
}

static void test_a_drain_that_gets_stuck_is_killed(void **state) {
        assert_killed(in_child(child_deadline), SIGKILL);
}

static void test_the_channel_is_told(void **state) {
        struct message message;
        char buffer[64];
        size_t offset = 0;
        int fds[2], status;
        ssize_t n;
        pid_t pid;

        assert_int_equal(channel_pair(fds), 0);
        pid = fork();
        if (pid == 0) {
                struct guard_options o = options();

                o.announce = true;
                o.channel_fd = fds[1];
                setup(o);
                _exit(guard_run(&context, bad_pointer, NULL) == SIGSEGV ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        n = read(fds[0], buffer, sizeof(buffer));
        assert_true(n > 0);
        assert_int_equal(message_next(buffer, (size_t) n, &offset, SENDER_WORKER, &message), 1);
        assert_int_equal(message.type, MESSAGE_SUICIDE);
        fd_close(fds[0]);
        fd_close(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_without_a_fault_nothing_happens, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_bad_pointer_comes_back_to_the_guard_with_a_record,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_first_frame_is_the_faulting_function, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_jump_to_nowhere_still_names_its_caller, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_stack_overflow_is_survived, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_abort_can_be_jumped_out_of, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_division_by_zero_is_caught, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_every_fatal_signal_is_caught_and_the_agent_lives_on,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_innermost_guard_catches, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_fault_outside_a_callback_is_recorded_and_kills,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_second_fault_kills_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_without_drain_every_fault_kills, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_fault_on_another_thread_kills, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_drain_that_gets_stuck_is_killed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_channel_is_told, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
