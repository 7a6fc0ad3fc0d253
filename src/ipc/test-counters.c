/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/counters.h"
#include "ipc/scoreboard.h"
#include "util/macro.h"

#define N_SLOTS 5U
#define N_FOLDS UINT64_C(50000)

static struct scoreboard board;

static int set_up(void **state) {
        assert_int_equal(scoreboard_create(&board, N_SLOTS), 0);
        for (size_t i = 0; i < N_SLOTS; i++)
                scoreboard_clear(&board, i);
        scoreboard_slot(&board, SCOREBOARD_MASTER)->slots_end = N_SLOTS;
        return 0;
}

static int tear_down(void **state) {
        scoreboard_deinit(&board);
        return 0;
}

static int use(size_t slot, const char *name, uint64_t n) {
        struct counter *table = scoreboard_counters(&board, slot);
        int r;

        r = counter_register(scoreboard_slot(&board, slot), table, name);
        if (r >= 0)
                atomic_fetch_add(&table[r].value, n);
        return r;
}

static void fill(size_t slot, const char *prefix) {
        for (unsigned int i = 0; i < COUNTERS_MAX; i++) {
                char name[32];

                (void) snprintf(name, sizeof(name), "%s%u", prefix, i);
                assert_int_equal(use(slot, name, i), i);
        }
}

static void test_a_counter_is_what_all_processes_have_added(void **state) {
        assert_int_equal(counters_sum(&board, "hits"), 0);
        assert_int_equal(use(1, "other", 100), 0);
        assert_int_equal(use(1, "hits", 1), 1);
        assert_int_equal(use(2, "hits", 2), 0);
        assert_int_equal(use(4, "hits", 4), 0);
        assert_int_equal(counters_sum(&board, "hits"), 7);
        assert_int_equal(counters_sum(&board, "other"), 100);
}

static void test_the_same_name_is_the_same_counter(void **state) {
        assert_int_equal(use(1, "hits", 1), 0);
        assert_int_equal(use(1, "misses", 1), 1);
        assert_int_equal(use(1, "hits", 1), 0);
        assert_int_equal(use(1, "hit", 1), 2);
        assert_int_equal(use(1, "Hits", 1), 3);
        assert_int_equal(counters_sum(&board, "hits"), 2);
}

static void test_a_name_that_is_none_is_refused(void **state) {
        static const char *const bad[] = {
                "",    "1st", "_x",        "a b",
                "a\n", "a/b", "h\xc3\xa4", "a123456789a123456789a123456789a123456789a123456789a12345",
        };
        static const char *const good[] = {
                "a",
                "Z",
                "http:requests.total-1_x",
                "a123456789a123456789a123456789a123456789a123456789a1234",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(use(1, bad[i], 1), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(use(1, good[i], 1), i);
        assert_int_equal(counters_sum(&board, "1st"), 0);
}

static void test_a_full_table_takes_no_more_names_but_counts_on(void **state) {
        fill(1, "c");
        assert_int_equal(use(1, "one-more", 1), -ENOSPC);
        assert_int_equal(use(1, "c255", 1), 255);
        assert_int_equal(counters_sum(&board, "c255"), 256);
        assert_int_equal(counters_sum(&board, "one-more"), 0);
}

static void test_sums_are_64_bits_wide_and_begin_again_at_0(void **state) {
        assert_int_equal(use(1, "bytes", UINT64_C(1) << 63), 0);
        assert_true(counters_sum(&board, "bytes") == UINT64_C(1) << 63);
        assert_int_equal(use(2, "bytes", (UINT64_C(1) << 63) - 1), 0);
        assert_true(counters_sum(&board, "bytes") == UINT64_MAX);
        assert_int_equal(use(2, "bytes", 2), 0);
        assert_int_equal(counters_sum(&board, "bytes"), 1);
}

static void test_what_a_gone_process_has_counted_stays(void **state) {
        assert_int_equal(use(1, "hits", 5), 0);
        assert_int_equal(use(2, "hits", 7), 0);
        assert_int_equal(counters_fold(&board, 1), 0);
        scoreboard_clear(&board, 1);
        assert_int_equal(counters_sum(&board, "hits"), 12);

        /* Its slot is given to another, which counts something else at the same place. */
        assert_int_equal(use(1, "misses", 1), 0);
        assert_int_equal(use(1, "hits", 1), 1);
        assert_int_equal(counters_sum(&board, "hits"), 13);
        assert_int_equal(counters_fold(&board, 1), 0);
        assert_int_equal(counters_fold(&board, 2), 0);
        assert_int_equal(counters_sum(&board, "hits"), 13);
        assert_int_equal(counters_sum(&board, "misses"), 1);
}

static void test_what_does_not_fit_is_told_and_the_rest_is_kept(void **state) {
        fill(1, "c");
        assert_int_equal(counters_fold(&board, 1), 0);
        assert_int_equal(use(2, "new", 1), 0);
        assert_int_equal(use(2, "c7", 1), 1);
        assert_int_equal(use(2, "newer", 1), 2);
        assert_int_equal(counters_fold(&board, 2), 2);
        assert_int_equal(counters_sum(&board, "c7"), 8);
        assert_int_equal(counters_sum(&board, "new"), 0);
}

static void test_a_parent_inherits_what_its_child_has_counted(void **state) {
        struct scoreboard lent;
        struct counter *table;

        assert_int_equal(scoreboard_create(&lent, 1), 0);
        scoreboard_clear(&lent, 0);
        table = scoreboard_counters(&lent, 0);
        assert_int_equal(counter_register(scoreboard_slot(&lent, 0), table, "hits"), 0);
        assert_int_equal(counter_register(scoreboard_slot(&lent, 0), table, "own"), 1);
        table[0].value = 5;
        table[1].value = 6;

        /* The child sees what it has counted itself. */
        assert_int_equal(counters_sum(&lent, "hits"), 5);
        assert_int_equal(use(2, "other", 1), 0);
        assert_int_equal(use(2, "hits", 1), 1);
        assert_int_equal(
                counters_inherit(scoreboard_slot(&board, 2), scoreboard_counters(&board, 2), &lent, 0), 0);
        assert_int_equal(counters_sum(&board, "hits"), 6);
        assert_int_equal(counters_sum(&board, "own"), 6);

        fill(3, "c");
        assert_int_equal(
                counters_inherit(scoreboard_slot(&board, 3), scoreboard_counters(&board, 3), &lent, 0), 2);
        scoreboard_deinit(&lent);
}

static void test_all_are_listed_once(void **state) {
        static struct counter_sum sums[COUNTERS_MAX];

        assert_int_equal(counters_collect(&board, sums), 0);
        assert_int_equal(use(1, "a", 1), 0);
        assert_int_equal(use(1, "b", 2), 1);
        assert_int_equal(use(2, "c", 3), 0);
        assert_int_equal(use(2, "a", 4), 1);
        assert_int_equal(counters_collect(&board, sums), 3);
        assert_string_equal(sums[0].name, "a");
        assert_int_equal(sums[0].value, 5);
        assert_string_equal(sums[1].name, "b");
        assert_int_equal(sums[1].value, 2);
        assert_string_equal(sums[2].name, "c");
        assert_int_equal(sums[2].value, 3);
        assert_int_equal(counters_fold(&board, 2), 0);
        assert_int_equal(counters_collect(&board, sums), 3);
        assert_string_equal(sums[0].name, "c");
}

/* A process that has gone mad: a number of counters past the end, names that are not ended or cut in two. */
static void test_a_hostile_table_does_no_harm_to_others(void **state) {
        static struct counter_sum sums[COUNTERS_MAX];
        struct counter *table = scoreboard_counters(&board, 2);

        assert_int_equal(use(1, "hits", 5), 0);
        memset(table, 0xff, COUNTERS_MAX * sizeof(*table));
        scoreboard_slot(&board, 2)->n_counters = UINT32_MAX;
        memset(table[3].name, 'x', sizeof(table[3].name)); /* not ended */
        memset(table[4].name, 0, sizeof(table[4].name));   /* not begun */
        memset(table[5].name, 0, sizeof(table[5].name));   /* torn: more behind the end */
        memcpy(table[5].name, "hi\0ts", 5);
        (void) stpcpy(memset(table[6].name, 0, sizeof(table[6].name)), "hits");
        table[6].value = 1;

        assert_int_equal(counters_sum(&board, "hits"), 6);
        assert_int_equal(counters_collect(&board, sums), 1);
        assert_int_equal(sums[0].value, 6);
        assert_int_equal(counters_fold(&board, 2), 0);
        assert_int_equal(counters_sum(&board, "hits"), 6);
        assert_int_equal(counters_collect(&board, sums), 1);
}

static void test_names_beyond_all_room_are_left_out(void **state) {
        static struct counter_sum sums[COUNTERS_MAX];

        fill(1, "a");
        fill(2, "b");
        assert_int_equal(counters_collect(&board, sums), COUNTERS_MAX);
        assert_string_equal(sums[COUNTERS_MAX - 1].name, "a255");
        assert_int_equal(counters_sum(&board, "b7"), 7);
}

/* It had made the other table ready and marked the slot, and was killed then. */
static void test_a_fold_that_never_ends_changes_nothing_and_nobody_waits(void **state) {
        assert_int_equal(use(1, "hits", 5), 0);
        assert_int_equal(use(2, "hits", 2), 0);
        assert_int_equal(counters_fold(&board, 1), 0);
        scoreboard_kept_counters(&board, 0)[0].value = 7;
        scoreboard_slot(&board, 2)->folded = 2;
        assert_int_equal(counters_sum(&board, "hits"), 7);
        scoreboard_slot(&board, SCOREBOARD_MASTER)->folds = 2;
        assert_int_equal(counters_sum(&board, "hits"), 7);
}

static void test_slots_that_are_not_in_use_are_not_looked_at(void **state) {
        assert_int_equal(use(4, "hits", 5), 0);
        scoreboard_slot(&board, SCOREBOARD_MASTER)->slots_end = 4;
        assert_int_equal(counters_sum(&board, "hits"), 0);
        scoreboard_slot(&board, SCOREBOARD_MASTER)->slots_end = UINT32_MAX;
        assert_int_equal(counters_sum(&board, "hits"), 5);
}

/* Adds until it is killed, and shows in its slot how often: at most one more than it has shown. */
static pid_t start_adding(void) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                struct scoreboard own = SCOREBOARD_NULL;
                struct counter *table;
                int place;

                if (scoreboard_attach(&own, dup(board.fd), 1) < 0)
                        _exit(1);
                table = scoreboard_own_counters(&own);
                place = counter_register(own.own, table, "hits");
                for (;;) {
                        atomic_fetch_add_explicit(&table[place].value, 1, memory_order_relaxed);
                        __atomic_fetch_add(&own.own->requests, 1, __ATOMIC_RELEASE);
                }
        }
        return pid;
}

static void test_nothing_is_lost_of_a_process_that_is_killed_in_the_middle(void **state) {
        uint64_t sum, said;
        int status;
        pid_t pid;

        for (unsigned int i = 0; i < 20; i++) {
                uint64_t before = counters_sum(&board, "hits");

                pid = start_adding();
                while (counters_sum(&board, "hits") < before + 1000)
                        ;
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
                said = scoreboard_slot(&board, 1)->requests;
                sum = counters_sum(&board, "hits");
                assert_true(sum - before == said || sum - before == said + 1);
                assert_int_equal(counters_fold(&board, 1), 0);
                scoreboard_clear(&board, 1);
                assert_int_equal(counters_sum(&board, "hits"), sum);
        }
}

/* Sums in one process while the master folds in another: a count that is seen twice or left out is a sum that goes back. */
_noreturn_ static void watch_sums(void) {
        uint64_t last = 0;

        (void) use(3, "ready", 1);
        while (counters_sum(&board, "end") == 0) {
                uint64_t sum = counters_sum(&board, "hits");

                if (sum < last)
                        _exit(1);
                last = sum;
        }
        _exit(counters_sum(&board, "hits") == N_FOLDS * 1000 ? 0 : 2);
}

static void test_who_sums_while_a_table_is_moved_sees_each_count_once(void **state) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0)
                watch_sums();
        while (counters_sum(&board, "ready") == 0)
                ;
        for (uint64_t i = 0; i < N_FOLDS; i++) {
                assert_int_equal(use(2, "hits", 1000), 0);
                assert_int_equal(counters_fold(&board, 2), 0);
                scoreboard_clear(&board, 2);
        }
        assert_int_equal(use(4, "end", 1), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_counter_is_what_all_processes_have_added),
                TEST(test_the_same_name_is_the_same_counter),
                TEST(test_a_name_that_is_none_is_refused),
                TEST(test_a_full_table_takes_no_more_names_but_counts_on),
                TEST(test_sums_are_64_bits_wide_and_begin_again_at_0),
                TEST(test_what_a_gone_process_has_counted_stays),
                TEST(test_what_does_not_fit_is_told_and_the_rest_is_kept),
                TEST(test_a_parent_inherits_what_its_child_has_counted),
                TEST(test_all_are_listed_once),
                TEST(test_a_hostile_table_does_no_harm_to_others),
                TEST(test_names_beyond_all_room_are_left_out),
                TEST(test_a_fold_that_never_ends_changes_nothing_and_nobody_waits),
                TEST(test_slots_that_are_not_in_use_are_not_looked_at),
                TEST(test_nothing_is_lost_of_a_process_that_is_killed_in_the_middle),
                TEST(test_who_sums_while_a_table_is_moved_sees_each_count_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
