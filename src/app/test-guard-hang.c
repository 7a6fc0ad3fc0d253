/* SPDX-License-Identifier: MIT */

/*
 * How the guard tells a callback that hangs from one that faults, and what it does then. The master's part, to notice
 * it and to send the mark, is played from within.
 */

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/guard-fixture.h"
#include "ipc/message.h"
#include "util/macro.h"

static void bad_pointer(void *argument) {
        int *volatile pointer = (int *) 0x10;

        *pointer = 1;
}

_noreturn_ static void call_abort(void *argument) {
        abort();
}

_noreturn_ static void hang(void *argument) {
        for (;;)
                (void) pause();
}

/* What the master does, from within. */
static int send_mark(int value) {
        return sigqueue(getpid(), SIGABRT, (union sigval){ .sival_int = value });
}

static void hang_marked(void *argument) {
        if (send_mark(MESSAGE_SIGNAL_HANG) == 0)
                hang(NULL);
}

static struct guard_options watched(void) {
        struct guard_options o = options();

        o.master = getpid();
        return o;
}

_noreturn_ static void child_hang(void) {
        setup(watched());
        _exit(guard_run(&context, hang_marked, NULL) == SIGABRT && guard_was_hung() ? 0 : 1);
}

static void test_a_callback_that_hangs_is_abandoned_when_the_master_says_so(void **state) {
        assert_exits(in_child(child_hang), 0);
        assert_int_equal(slot->crash.stage, CRASH_DRAINING);
        assert_int_equal(slot->crash.signal, SIGABRT);
        assert_int_equal(slot->crash.code, SI_QUEUE);
        assert_string_equal(slot->crash.route, "GET /items/{id}");
        assert_true(slot->crash.n_frames >= 3);
}

_noreturn_ static void child_abort_watched(void) {
        setup(watched());
        _exit(guard_run(&context, call_abort, NULL) == SIGABRT && !guard_was_hung() ? 0 : 1);
}

static void test_the_applications_abort_is_no_hang(void **state) {
        assert_exits(in_child(child_abort_watched), 0);
}

static void hang_mismarked(void *argument) {
        (void) send_mark(MESSAGE_SIGNAL_HANG + 1);
}

_noreturn_ static void child_mismarked(void) {
        setup(watched());
        _exit(guard_run(&context, hang_mismarked, NULL) == SIGABRT && !guard_was_hung() ? 0 : 1);
}

static void test_without_the_mark_it_is_no_hang(void **state) {
        assert_exits(in_child(child_mismarked), 0);
}

_noreturn_ static void child_stranger(void) {
        struct guard_options o = options();

        o.master = getppid();
        setup(o);
        _exit(guard_run(&context, hang_marked, NULL) == SIGABRT && !guard_was_hung() ? 0 : 1);
}

static void test_from_anyone_but_the_master_it_is_no_hang(void **state) {
        assert_exits(in_child(child_stranger), 0);
}

static volatile sig_atomic_t told;

static void tell(void) {
        told = 1;
}

_noreturn_ static void child_hang_outside(void) {
        struct guard_options o = watched();

        o.hung = tell;
        setup(o);
        if (send_mark(MESSAGE_SIGNAL_HANG) < 0 || !told || guard_faulted())
                _exit(1);
        /* A fault after that is the first one. */
        _exit(guard_run(&context, bad_pointer, NULL) == SIGSEGV ? 0 : 2);
}

static void test_a_hang_outside_a_callback_is_told_and_abandons_nothing(void **state) {
        assert_exits(in_child(child_hang_outside), 0);
}

_noreturn_ static void child_hang_outside_recorded(void) {
        setup(watched());
        (void) send_mark(MESSAGE_SIGNAL_HANG);
        _exit(0);
}

static void test_a_hang_outside_a_callback_leaves_its_place_in_the_record(void **state) {
        assert_exits(in_child(child_hang_outside_recorded), 0);
        assert_int_equal(slot->crash.code, SI_QUEUE);
        assert_int_equal(slot->crash.guarded, 0);
        assert_true(slot->crash.n_frames >= 2);
}

_noreturn_ static void child_hang_again(void) {
        struct guard_options o = watched();

        o.survive = true;
        setup(o);
        for (int i = 0; i < 3; i++) {
                if (guard_run(&context, hang_marked, NULL) != SIGABRT || !guard_was_hung())
                        _exit(1);
                if (send_mark(MESSAGE_SIGNAL_HANG) < 0)
                        _exit(2);
        }
        _exit(0);
}

static void test_the_agent_survives_hang_after_hang(void **state) {
        assert_exits(in_child(child_hang_again), 0);
        assert_int_equal(slot->crash.count, 3);
}

_noreturn_ static void child_hang_twice(void) {
        setup(watched());
        if (guard_run(&context, hang_marked, NULL) != SIGABRT)
                _exit(1);
        (void) guard_run(&context, hang_marked, NULL);
        _exit(2);
}

static void test_a_second_hang_while_draining_kills_at_once(void **state) {
        assert_killed(in_child(child_hang_twice), SIGABRT);
        assert_int_equal(slot->crash.second_signal, SIGABRT);
}

/* The main thread blocks the signal, so the kernel gives it to this one. */
static void *take_mark(void *argument) {
        if (send_mark(MESSAGE_SIGNAL_HANG) == 0)
                (void) pthread_sigmask(SIG_SETMASK, argument, NULL);
        return NULL;
}

static void hang_beside_a_thread(void *argument) {
        sigset_t abort_only, none;
        pthread_t thread;

        (void) sigemptyset(&none);
        (void) sigemptyset(&abort_only);
        (void) sigaddset(&abort_only, SIGABRT);
        /* Both block it until it is pending; then only the thread takes it. */
        (void) pthread_sigmask(SIG_BLOCK, &abort_only, NULL);
        if (pthread_create(&thread, NULL, take_mark, &none) != 0 || pthread_join(thread, NULL) != 0)
                return;
        (void) pthread_sigmask(SIG_UNBLOCK, &abort_only, NULL);
        hang(NULL);
}

_noreturn_ static void child_hang_thread(void) {
        setup(watched());
        _exit(guard_run(&context, hang_beside_a_thread, NULL) == SIGABRT && guard_was_hung() ? 0 : 1);
}

static void test_a_mark_that_another_thread_is_given_is_passed_on(void **state) {
        assert_exits(in_child(child_hang_thread), 0);
        assert_int_equal(slot->crash.guarded, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        test_a_callback_that_hangs_is_abandoned_when_the_master_says_so, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_applications_abort_is_no_hang, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_without_the_mark_it_is_no_hang, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_from_anyone_but_the_master_it_is_no_hang, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_hang_outside_a_callback_is_told_and_abandons_nothing,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        test_a_hang_outside_a_callback_leaves_its_place_in_the_record, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_agent_survives_hang_after_hang, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_second_hang_while_draining_kills_at_once, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_mark_that_another_thread_is_given_is_passed_on,
                                                set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
