/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/guard-fixture.h"
#include "app/process.h"
#include "util/fd.h"

#define A_TURN (10 * USEC_PER_MSEC) /* for what must not come */

static struct muster *muster;
static struct muster_watch *watch;
static int ours, theirs;
static unsigned int calls, told;

static int open_all(void **state) {
        int pair[2];

        calls = told = 0;
        watch = NULL;
        if (set_up(state) < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -1;
        ours = pair[0];
        theirs = pair[1];
        return muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, NULL, slot);
}

static int close_all(void **state) {
        muster_process_free(muster);
        ours = fd_close(ours);
        theirs = fd_close(theirs);
        return tear_down(state);
}

/* Two turns without waiting: what is ready, and what has become ready by that. */
static void turn(void) {
        for (int i = 0; i < 2; i++)
                assert_true(sd_event_run(muster->event, A_TURN) >= 0);
}

static void put(void) {
        assert_int_equal(write(theirs, "x", 1), 1);
}

static void note(struct muster *m, int fd, unsigned int events, void *data) {
        assert_ptr_equal(m, muster);
        assert_int_equal(fd, ours);
        calls++;
        told = events;
}

static void take(struct muster *m, int fd, unsigned int events, void *data) {
        char byte;

        note(m, fd, events, data);
        assert_int_equal(read(fd, &byte, 1), 1);
}

static void end_itself(struct muster *m, int fd, unsigned int events, void *data) {
        note(m, fd, events, data);
        watch = muster_watch_end(watch);
}

static void begin_anew(struct muster *m, int fd, unsigned int events, void *data) {
        end_itself(m, fd, events, data);
        watch = muster_watch_fd(m, fd, MUSTER_READABLE, take, NULL);
        assert_non_null(watch);
}

static void begin(unsigned int events, muster_watch_handler_t handler) {
        muster->event_changed = false;
        watch = muster_watch_fd(muster, ours, events, handler, NULL);
        assert_non_null(watch);
        assert_true(muster->event_changed);
}

static void test_the_handler_is_called_as_often_as_there_is_something(void **state) {
        begin(MUSTER_READABLE, take);
        turn();
        assert_int_equal(calls, 0);
        put();
        put();
        turn();
        assert_int_equal(calls, 2);
        assert_int_equal(told, MUSTER_READABLE);
        turn();
        assert_int_equal(calls, 2);
}

static void test_what_it_leaves_is_told_again(void **state) {
        begin(MUSTER_READABLE, note);
        put();
        turn();
        assert_int_equal(calls, 2);
}

static void test_it_is_told_only_what_it_asked_for(void **state) {
        begin(MUSTER_WRITABLE, note);
        put();
        turn();
        assert_int_equal(told, MUSTER_WRITABLE);
        assert_int_equal(muster_watch_change(watch, MUSTER_READABLE), 0);
        turn();
        assert_int_equal(told, MUSTER_READABLE);
        assert_int_equal(muster_watch_change(watch, MUSTER_READABLE | MUSTER_WRITABLE), 0);
        turn();
        assert_int_equal(told, MUSTER_READABLE | MUSTER_WRITABLE);
}

static void test_a_hang_up_is_always_told(void **state) {
        begin(MUSTER_WRITABLE, note);
        theirs = fd_close(theirs);
        turn();
        assert_true(told & MUSTER_HANGUP);
}

static void test_a_watch_for_nothing_rests_whatever_happens(void **state) {
        begin(0, note);
        put();
        theirs = fd_close(theirs);
        turn();
        assert_int_equal(calls, 0);
        assert_int_equal(muster_watch_change(watch, MUSTER_READABLE), 0);
        turn();
        assert_int_equal(calls, 2);
        assert_int_equal(muster_watch_change(watch, 0), 0);
        turn();
        assert_int_equal(calls, 2);
}

static void test_a_handler_may_end_its_own_watch(void **state) {
        begin(MUSTER_WRITABLE, end_itself);
        turn();
        assert_int_equal(calls, 1);
        assert_true(list_empty(&muster->watches));
}

static void test_it_may_begin_another_of_the_same_descriptor(void **state) {
        begin(MUSTER_READABLE, begin_anew);
        put();
        turn();
        turn();
        assert_int_equal(calls, 2);
}

static void test_a_process_that_ends_leaves_no_watch(void **state) {
        begin(MUSTER_READABLE, note);
        assert_false(list_empty(&muster->watches));
}

static void test_what_cannot_be_watched_is_refused(void **state) {
        FILE *regular = tmpfile();

        assert_non_null(regular);
        errno = 0;
        assert_null(muster_watch_fd(muster, ours, MUSTER_READABLE, NULL, NULL));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_null(muster_watch_fd(muster, ours, MUSTER_READABLE | MUSTER_HANGUP, note, NULL));
        assert_int_equal(errno, EINVAL);
        assert_null(muster_watch_fd(muster, -1, MUSTER_READABLE, note, NULL));
        assert_int_equal(errno, EBADF);
        assert_null(muster_watch_fd(muster, fileno(regular), MUSTER_READABLE, note, NULL));
        assert_int_equal(errno, EPERM);
        assert_true(list_empty(&muster->watches));
        begin(MUSTER_READABLE, note);
        assert_null(muster_watch_fd(muster, ours, MUSTER_WRITABLE, note, NULL));
        assert_int_equal(errno, EEXIST);
        assert_int_equal(muster_watch_change(watch, MUSTER_HANGUP), -EINVAL);
        assert_null(muster_watch_end(NULL));
        (void) fclose(regular);
}

/* ---- Closed before the watch is ended ---- */

static void test_a_descriptor_that_was_closed_early_is_silent(void **state) {
        begin(MUSTER_WRITABLE, note);
        (void) close(ours);
        turn();
        assert_int_equal(calls, 0);
        assert_int_equal(muster_watch_change(watch, MUSTER_READABLE), -EBADF);
        assert_null(muster_watch_end(watch));
        ours = -1;
}

static void test_ending_it_late_is_safe_though_a_duplicate_lives_on(void **state) {
        int duplicate;

        begin(MUSTER_WRITABLE, note);
        duplicate = fcntl(ours, F_DUPFD_CLOEXEC, 3);
        assert_true(duplicate >= 0);
        (void) close(ours);
        assert_null(muster_watch_end(watch));
        turn();
        assert_int_equal(calls, 0);
        ours = duplicate;
}

static int count_reused(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        calls++;
        return 0;
}

static void test_ending_it_late_takes_the_number_from_nobody_else(void **state) {
        sd_event_source *source = NULL;

        begin(MUSTER_READABLE, note);
        assert_int_equal(dup2(theirs, ours), ours);
        assert_int_equal(sd_event_add_io(muster->event, &source, ours, EPOLLOUT, count_reused, NULL), 0);
        assert_null(muster_watch_end(watch));
        turn();
        assert_true(calls > 0);
        sd_event_source_disable_unref(source);
}

static void test_the_number_can_be_watched_again_afterwards(void **state) {
        begin(MUSTER_READABLE, note);
        assert_int_equal(dup2(theirs, ours), ours);
        assert_null(muster_watch_end(watch));
        begin(MUSTER_WRITABLE, note);
        turn();
        assert_int_equal(calls, 2);
}

/* ---- Faults ---- */

static void fault(struct muster *m, int fd, unsigned int events, void *data) {
        int *volatile nowhere = (int *) 0x10;

        calls++;
        *nowhere = 1;
}

/* How often the handler is called in three turns. A loop does not live on in a child, so it gets one of its own. */
static unsigned int turns_with_fault(enum muster_role role) {
        struct guard_options o = options();
        struct muster *own;

        o.survive = role == MUSTER_ROLE_AGENT;
        setup(o);
        if (muster_process_new(&own, role, "test", 0, NULL, slot) < 0)
                return 99;
        watch = muster_watch_fd(own, ours, MUSTER_WRITABLE, fault, NULL);
        for (int i = 0; watch && i < 3; i++)
                (void) sd_event_run(own->event, A_TURN);
        return calls;
}

_noreturn_ static void child_worker(void) {
        _exit((int) turns_with_fault(MUSTER_ROLE_WORKER));
}

_noreturn_ static void child_agent(void) {
        _exit((int) turns_with_fault(MUSTER_ROLE_AGENT));
}

static void test_a_worker_does_not_call_a_handler_that_faulted_again(void **state) {
        assert_exits(in_child(child_worker), 1);
        assert_string_equal(slot->crash.route, "watch");
}

static void test_the_agent_does(void **state) {
        assert_exits(in_child(child_agent), 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
                TEST(test_the_handler_is_called_as_often_as_there_is_something),
                TEST(test_what_it_leaves_is_told_again),
                TEST(test_it_is_told_only_what_it_asked_for),
                TEST(test_a_hang_up_is_always_told),
                TEST(test_a_watch_for_nothing_rests_whatever_happens),
                TEST(test_a_handler_may_end_its_own_watch),
                TEST(test_it_may_begin_another_of_the_same_descriptor),
                TEST(test_a_process_that_ends_leaves_no_watch),
                TEST(test_what_cannot_be_watched_is_refused),
                TEST(test_a_descriptor_that_was_closed_early_is_silent),
                TEST(test_ending_it_late_is_safe_though_a_duplicate_lives_on),
                TEST(test_ending_it_late_takes_the_number_from_nobody_else),
                TEST(test_the_number_can_be_watched_again_afterwards),
                TEST(test_a_worker_does_not_call_a_handler_that_faulted_again),
                TEST(test_the_agent_does),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
