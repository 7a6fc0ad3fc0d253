/* SPDX-License-Identifier: MIT */

/* The sections [schedule:NAME], from a file to the children and to the next master. */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/table.h"

/* What a file of these lines comes to. */
static int load(const char *text, struct config **ret, struct config_report *report) {
        char path[] = "/tmp/muster-test-schedule.XXXXXX";
        int fd = mkstemp(path), r;

        assert_true(fd >= 0);
        assert_int_equal(dprintf(fd, "[muster]\nmodule = hello\n%s", text), strlen(text) + 24);
        assert_int_equal(close(fd), 0);
        r = config_load(ret, path, "x", NULL, report);
        assert_int_equal(unlink(path), 0);
        return r;
}

static struct config *loaded(const char *text) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        struct config *config = NULL;

        assert_int_equal(load(text, &config, &report), 0);
        assert_int_equal(report.n_lines, 0);
        return config;
}

#define TWO                                                                                                 \
        "[schedule:Refresh]\ncron = */5 * * * mon-fri\noverlap = queue\njitter = 10s\n"                     \
        "[schedule:sweep]\ninterval = 1h 30min\ntype = all\nimmediate = yes\ndisable = no\n"

static void a_section_knows_what_it_sets_and_what_not(void **state) {
        _cleanup_config_ struct config *config = loaded(TWO);
        const struct config_schedule *schedule;

        assert_int_equal(config->n_schedules, 2);
        schedule = config_schedule(config, "reFresh");
        assert_non_null(schedule);
        assert_string_equal(schedule->cron, "*/5 * * * mon-fri");
        assert_int_equal(schedule->overlap, CONFIG_OVERLAP_QUEUE);
        assert_int_equal(schedule->jitter, 10 * USEC_PER_SEC);
        assert_true(config_schedule_sets(schedule, "cron"));
        assert_false(config_schedule_sets(schedule, "interval"));
        assert_false(config_schedule_sets(schedule, "disable"));
        schedule = config_schedule(config, "sweep");
        assert_int_equal(schedule->interval, 5400 * USEC_PER_SEC);
        assert_int_equal(schedule->type, CONFIG_SCHEDULE_ALL);
        assert_true(schedule->immediate);
        assert_true(config_schedule_sets(schedule, "disable"));
        assert_null(config_schedule(config, "other"));
}

static void a_key_is_asked_for_by_section_like_any_other(void **state) {
        _cleanup_config_ struct config *config = loaded(TWO);
        _cleanup_free_ char *text = NULL, *other = NULL;

        assert_int_equal(config_get_text(config, "schedule:sweep", "interval", &text), 0);
        assert_string_equal(text, "1h 30min");
        assert_non_null(strstr(config_origin(config, "Schedule:Sweep", "interval"), ":8"));
        assert_null(config_origin(config, "schedule:sweep", "cron"));
        assert_int_equal(config_get_text(config, "schedule:sweep", "cron", &other), -ENOENT);
        assert_int_equal(config_get_text(config, "schedule:other", "interval", &other), -ENOENT);
}

static void an_empty_value_unsets_and_an_empty_section_is_none(void **state) {
        _cleanup_config_ struct config *config =
                loaded("[schedule:a]\ninterval =\n[schedule:b]\n[schedule:c]\ninterval = 5s\ncron =\n");

        assert_int_equal(config->n_schedules, 1);
        assert_string_equal(config->schedules[0].name, "c");
}

static void children_and_the_next_master_get_the_same(void **state) {
        _cleanup_config_ struct config *config = loaded(TWO), *child = NULL, *next = NULL;
        _cleanup_free_ char *text = NULL, *saved = NULL, *again = NULL, *reason = NULL;
        size_t size;

        assert_int_equal(config_serialize(config, &text, &size), 0);
        assert_int_equal(config_deserialize(&child, text, size), 0);
        assert_string_equal(config_schedule(child, "refresh")->cron, "*/5 * * * mon-fri");
        assert_false(config_schedule_sets(config_schedule(child, "refresh"), "type"));
        assert_int_equal(child->n_schedules, 2);

        assert_int_equal(config_save(config, &saved), 0);
        assert_int_equal(config_restore(&next, saved, &reason), 0);
        assert_int_equal(config_save(next, &again), 0);
        assert_string_equal(saved, again);
}

static void what_was_not_written_like_that_is_no_configuration_of_a_child(void **state) {
        static const char *const lines[] = {
                "schedule:a.interval=5s\nschedule:a.interval=5s\n",
                "schedule:a.interval=\n",
                "schedule:a.interval=5000ms\n",
                "schedule:a.jitter=1s\nschedule:a.interval=5s\n",
                "schedule:a.cron=61 * * * *\n",
                "schedule:a.period=5s\n",
                "schedule:A.interval=5s\n",
                "schedule:.interval=5s\n",
                "schedule:a b.interval=5s\n",
                "schedule:a\n",
                "app.x=1\nschedule:a.interval=5s\n",
        };
        _cleanup_config_ struct config *config = loaded("");
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(config_serialize(config, &text, &size), 0);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_free_ char *longer = NULL;
                struct config *child = NULL;
                int n = asprintf(&longer, "%s%s", text, lines[i]);

                assert_true(n > 0);
                if (config_deserialize(&child, longer, (size_t) n) != -EBADMSG)
                        fail_msg("%s", lines[i]);
        }
}

static void errors_name_section_and_value(void **state) {
        static const struct {
                const char *text, *error;
        } cases[] = {
                { "[schedule:a]\ncron = 0 25 * * *\n",
                  ":4: [schedule:a] cron = 0 25 * * *: hour \"25\": allowed are 0 to 23" },
                { "[schedule:a]\ninterval = 1ms\n",
                  ":4: [schedule:a] interval = 1ms: out of range, allowed are 10ms to 52w 1d" },
                { "[schedule:a]\noverlap = never\n",
                  ":4: [schedule:a] overlap = never: not a valid word, allowed are skip, queue or allow" },
                { "[schedule:a]\ncorn = 1\n", ":4: [schedule:a] corn = 1: unknown key, did you mean cron?" },
                { "[schedule]\n", ":3: [schedule]: unknown section, did you mean [schedule:NAME]?" },
                { "[shedule:a]\n", ":3: [shedule:a]: unknown section, did you mean [schedule:NAME]?" },
                { "[agent]\nimmediate = yes\n",
                  ":4: [agent] immediate = yes: unknown key, it belongs in [schedule:NAME]" },
                { "[schedule:a]\ninterval = 5s\ncron = @daily\n",
                  ":5: [schedule:a] cron: interval is set too" },
                { "[schedule:a]\ninterval = 5s\njitter = 6s\n",
                  "[schedule:a] jitter is longer than interval" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
                struct config *config = NULL;

                assert_int_equal(load(cases[i].text, &config, &report), -EINVAL);
                assert_int_equal(report.n_errors, 1);
                if (!strstr(report.lines[0].text, cases[i].error))
                        fail_msg("%s", report.lines[0].text);
        }
}

static void every_key_of_a_schedule_is_complete(void **state) {
        for (size_t i = 0; i < config_schedule_table_size; i++) {
                const struct config_key *key = &config_schedule_table[i];

                assert_int_equal(key->help[strlen(key->help) - 1], '.');
                assert_true(!key->required && !key->fallback && key->reloadable);
                assert_true(key->type != CONFIG_ENUM || key->names);
                assert_true(!key->check || (key->allowed && key->explain));
                assert_ptr_equal(config_key_find("schedule:x", key->name), key);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_section_knows_what_it_sets_and_what_not),
                cmocka_unit_test(a_key_is_asked_for_by_section_like_any_other),
                cmocka_unit_test(an_empty_value_unsets_and_an_empty_section_is_none),
                cmocka_unit_test(children_and_the_next_master_get_the_same),
                cmocka_unit_test(what_was_not_written_like_that_is_no_configuration_of_a_child),
                cmocka_unit_test(errors_name_section_and_value),
                cmocka_unit_test(every_key_of_a_schedule_is_complete),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
