/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "master/monitor.h"

#define NOW (1000 * USEC_PER_SEC)

static const struct passing sample = {
        .from = "worker",
        .number = 1,
        .pid = 4711,
        .to = "app",
        .action = "refresh",
        .data = "pull",
        .size = 4,
        .receivers = 2,
};

static struct monitor *make(const char *pattern) {
        struct monitor *monitor = NULL;

        assert_int_equal(monitor_new(&monitor, pattern), 0);
        return monitor;
}

static void a_message_is_kept_as_it_passed(void **state) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(NULL);
        const struct monitor_entry *entry = &monitor->entries[0];

        assert_true(monitor_note(monitor, &sample, NOW));
        assert_int_equal(monitor->n_entries, 1);
        assert_int_equal(entry->when, NOW);
        assert_string_equal(entry->from, "worker");
        assert_int_equal(entry->number, 1);
        assert_int_equal(entry->pid, 4711);
        assert_string_equal(entry->action, "refresh");
        assert_int_equal(entry->size, 4);
        assert_int_equal(entry->receivers, 2);
        assert_int_equal(entry->n_first, 4);
        assert_memory_equal(entry->first, "pull", 4);
}

static void only_the_first_that_waits_is_worth_a_timer(void **state) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(NULL);

        assert_true(monitor_note(monitor, &sample, NOW));
        assert_false(monitor_note(monitor, &sample, NOW));
        monitor_told(monitor);
        assert_true(monitor_note(monitor, &sample, NOW));
        assert_int_equal(monitor->n_entries, 1);
}

static void of_large_data_the_first_bytes_are_kept(void **state) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(NULL);
        struct passing large = sample;
        char data[4096];

        memset(data, 'x', sizeof(data));
        large.data = data;
        large.size = sizeof(data);
        assert_true(monitor_note(monitor, &large, NOW));
        assert_int_equal(monitor->entries[0].n_first, MONITOR_FIRST_MAX);
        assert_int_equal(monitor->entries[0].size, sizeof(data));
}

/* The master has not mapped it, and does not for this. */
static void data_in_shared_memory_is_a_size_only(void **state) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(NULL);
        struct passing shared = sample;

        shared.data = NULL;
        shared.size = 1U << 24;
        assert_true(monitor_note(monitor, &shared, NOW));
        assert_int_equal(monitor->entries[0].n_first, 0);
        assert_int_equal(monitor->entries[0].size, 1U << 24);
}

static void an_action_of_the_greatest_length_is_kept_whole(void **state) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(NULL);
        struct passing message = sample;
        char action[MONITOR_ACTION_SIZE];

        memset(action, 'a', sizeof(action));
        action[sizeof(action) - 1] = '\0';
        message.action = action;
        assert_true(monitor_note(monitor, &message, NOW));
        assert_string_equal(monitor->entries[0].action, action);
}

static void what_finds_no_room_is_counted(void **state) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(NULL);

        for (unsigned int i = 0; i < MONITOR_ENTRIES + 1000; i++)
                (void) monitor_note(monitor, &sample, NOW);
        assert_int_equal(monitor->n_entries, MONITOR_ENTRIES);
        assert_int_equal(monitor->not_shown, 1000);
        monitor_told(monitor);
        assert_int_equal(monitor->n_entries, 0);
        assert_int_equal(monitor->not_shown, 0);
}

static void a_pattern_leaves_out_what_it_does_not_match(void **state) {
        static const struct {
                const char *pattern, *action;
                bool shown;
        } cases[] = {
                { "", "refresh", true },
                { "refresh", "refresh", true },
                { "refresh", "refreshed", false },
                { "refresh*", "refreshed", true },
                { "*", "a/b", true },
                { "cache.?", "cache.1", true },
                { "cache.?", "cache.10", false },
                { "[ab]*", "both", true },
                { "[ab]*", "cache", false },
                { "re\\*", "re*", true },
                { "re\\*", "refresh", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(cleanup_monitor_free) struct monitor *monitor = make(cases[i].pattern);
                struct passing message = sample;

                message.action = cases[i].action;
                assert_int_equal(monitor_note(monitor, &message, NOW), cases[i].shown);
                assert_int_equal(monitor->n_entries, cases[i].shown);
                assert_int_equal(monitor->not_shown, 0);
        }
}

static void a_pattern_longer_than_any_action_is_refused(void **state) {
        char pattern[MONITOR_PATTERN_MAX + 2];
        struct monitor *monitor = NULL;

        memset(pattern, '*', sizeof(pattern));
        pattern[sizeof(pattern) - 1] = '\0';
        assert_int_equal(monitor_new(&monitor, pattern), -EINVAL);
        assert_null(monitor);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_is_kept_as_it_passed),
                cmocka_unit_test(only_the_first_that_waits_is_worth_a_timer),
                cmocka_unit_test(of_large_data_the_first_bytes_are_kept),
                cmocka_unit_test(data_in_shared_memory_is_a_size_only),
                cmocka_unit_test(an_action_of_the_greatest_length_is_kept_whole),
                cmocka_unit_test(what_finds_no_room_is_counted),
                cmocka_unit_test(a_pattern_leaves_out_what_it_does_not_match),
                cmocka_unit_test(a_pattern_longer_than_any_action_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
