/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/quarantine-page.h"
#include "ipc/scoreboard.h"
#include "util/macro.h"

static int set_up(void **state) {
        static struct scoreboard scoreboard;

        assert_int_equal(scoreboard_create(&scoreboard, 4), 0);
        for (size_t i = 0; i < 4; i++)
                scoreboard_clear(&scoreboard, i);
        *state = &scoreboard;
        return 0;
}

static int tear_down(void **state) {
        scoreboard_deinit(*state);
        return 0;
}

static void test_what_a_child_writes_the_master_reads(void **state) {
        struct scoreboard *master = *state, child = SCOREBOARD_NULL;
        struct slot slot;

        assert_int_equal(scoreboard_attach(&child, dup(master->fd), 2), 0);
        child.own->pid = 42;
        child.own->requests = 7;
        assert_int_equal(scoreboard_read(master, 2, &slot), 0);
        assert_int_equal(slot.pid, 42);
        assert_int_equal(slot.requests, 7);
        assert_int_equal(scoreboard_read(master, 1, &slot), 0);
        assert_int_equal(slot.pid, 0);
        scoreboard_deinit(&child);
}

static void test_a_child_cannot_write_into_the_slot_of_another(void **state) {
        struct scoreboard *master = *state;
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                struct scoreboard child = SCOREBOARD_NULL;

                (void) signal(SIGSEGV, SIG_DFL);
                if (scoreboard_attach(&child, dup(master->fd), 0) < 0)
                        _exit(1);
                scoreboard_slot(&child, 1)->pid = 1;
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void test_a_slot_there_is_not_cannot_be_attached(void **state) {
        struct scoreboard *master = *state, child = SCOREBOARD_NULL;

        assert_int_equal(scoreboard_attach(&child, dup(master->fd), 4), -EBADMSG);
        assert_null(scoreboard_slot(master, 4));
}

/* Also not by one who asks for it: mprotect() on a page that is not its own. */
static void test_what_a_child_may_not_write_it_cannot_make_writable(void **state) {
        struct scoreboard *master = *state, child = SCOREBOARD_NULL;
        struct slot *others;

        assert_int_equal(scoreboard_attach(&child, dup(master->fd), 2), 0);
        others = scoreboard_slot(&child, 1);
        assert_int_equal(mprotect(others, child.stride, PROT_READ | PROT_WRITE), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(mprotect(scoreboard_quarantine(&child), child.stride, PROT_READ | PROT_WRITE), -1);
        assert_int_equal(errno, EACCES);
        scoreboard_deinit(&child);
}

static void test_what_the_master_puts_behind_the_slots_a_child_reads(void **state) {
        struct scoreboard *master = *state, child = SCOREBOARD_NULL;

        assert_int_equal(scoreboard_attach(&child, dup(master->fd), 3), 0);
        assert_int_equal(child.n_slots, 4);
        assert_false(quarantine_in_use(scoreboard_quarantine(&child)));
        quarantine_mark(scoreboard_quarantine(master), QUARANTINE_MARKS_MAX - 1, 7, 9);
        assert_true(quarantine_in_use(scoreboard_quarantine(&child)));
        scoreboard_deinit(&child);
        assert_null(scoreboard_quarantine(&child));
}

static void test_the_memory_cannot_be_cut_away(void **state) {
        struct scoreboard *master = *state;

        assert_int_equal(ftruncate(master->fd, 0), -1);
        assert_int_equal(errno, EPERM);
}

static void test_a_hostile_slot_is_made_safe(void **state) {
        struct scoreboard *master = *state;
        struct slot *raw = scoreboard_slot(master, 0), slot;

        memset(raw, 0xff, sizeof(*raw));
        assert_int_equal(scoreboard_read(master, 0, &slot), -EBADMSG);

        raw->version = SCOREBOARD_VERSION;
        assert_int_equal(scoreboard_read(master, 0, &slot), -EBADMSG);
        raw->state = SLOT_READY;
        memset(raw->route, '\n', sizeof(raw->route));
        assert_int_equal(scoreboard_read(master, 0, &slot), 0);
        assert_int_equal(slot.crash.stage, CRASH_NONE);
        assert_true(slot.crash.n_frames <= CRASH_FRAMES_MAX);
        assert_true(slot.n_maps <= SLOT_MAPS_MAX);
        assert_int_equal(strlen(slot.route), sizeof(slot.route) - 1);
        assert_null(strchr(slot.route, '\n'));
}

static void test_an_address_is_said_by_file_and_offset(void **state) {
        struct slot slot = {
                .n_maps = 1, .maps = { { .base = 0x1000, .start = 0x2000, .end = 0x3000, .name = "a.so" } }
        };
        char text[64];

        assert_string_equal(slot_format_address(&slot, 0x2010, text, sizeof(text)), "a.so+0x1010");
        assert_string_equal(slot_format_address(&slot, 0x3000, text, sizeof(text)), "0x3000");
}

static void test_the_place_of_a_crash_is_the_first_outside_of_the_c_library(void **state) {
        struct slot slot = {
                .n_maps = 2,
                .maps = { { .base = 0x1000, .start = 0x2000, .end = 0x3000, .name = "libc.so.6" },
                          { .base = 0x5000, .start = 0x5000, .end = 0x6000, .name = "hello.so" } },
                .crash = { .n_frames = 4, .frames = { 0xbad, 0x2010, 0x5020, 0x5030 } },
        };
        char text[64];

        assert_string_equal(slot_format_place(&slot, text, sizeof(text)), "hello.so+0x20");
        slot.crash.n_frames = 2;
        assert_string_equal(slot_format_place(&slot, text, sizeof(text)), "");
        slot.crash.n_frames = 0;
        assert_string_equal(slot_format_place(&slot, text, sizeof(text)), "");
}

static void test_the_own_program_is_among_the_maps(void **state) {
        static struct slot slot;
        char text[64];

        slot_record_maps(&slot);
        (void) slot_format_address(&slot, (uint64_t) test_the_own_program_is_among_the_maps, text,
                                   sizeof(text));
        assert_true(startswith(text, "test-scoreboard+0x"));
}

static void test_a_backtrace_that_does_not_fit_is_cut_between_frames(void **state) {
        struct slot slot = { .crash = { .n_frames = 3, .frames = { 0x11, 0x22, 0x33 } } };
        char text[12];

        assert_string_equal(slot_format_backtrace(&slot, text, sizeof(text)), "0x11 0x22");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_a_child_writes_the_master_reads, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_child_cannot_write_into_the_slot_of_another, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_slot_there_is_not_cannot_be_attached, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_what_a_child_may_not_write_it_cannot_make_writable,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_the_master_puts_behind_the_slots_a_child_reads,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_the_memory_cannot_be_cut_away, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_hostile_slot_is_made_safe, set_up, tear_down),
                cmocka_unit_test(test_an_address_is_said_by_file_and_offset),
                cmocka_unit_test(test_the_place_of_a_crash_is_the_first_outside_of_the_c_library),
                cmocka_unit_test(test_the_own_program_is_among_the_maps),
                cmocka_unit_test(test_a_backtrace_that_does_not_fit_is_cut_between_frames),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
