/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "cli/arguments.h"
#include "util/macro.h"

#define WORDS_MAX 12

/* Splits at the blanks. */
static int parse(struct arguments *ret, const char *line) {
        static char text[256], *argv[WORDS_MAX];
        char *rest;
        int argc = 0;

        strncpy(text, line, sizeof(text) - 1);
        for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
                argv[argc++] = word;
        argv[argc] = NULL;
        return arguments_parse(ret, argc, argv);
}

static void options_may_stand_anywhere(void **state) {
        static const char *const lines[] = {
                "musterctl --json -i web status",
                "musterctl status --json -i web",
                "musterctl --instance=web status --json",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                struct arguments arguments;

                assert_int_equal(parse(&arguments, lines[i]), 0);
                assert_string_equal(arguments.verb, "status");
                assert_string_equal(arguments.instance, "web");
                assert_true(arguments.json);
                assert_int_equal(arguments.n_words, 0);
        }
}

static void words_are_what_is_left(void **state) {
        struct arguments arguments;

        assert_int_equal(parse(&arguments, "musterctl scale web --json 4"), 0);
        assert_int_equal(arguments.n_words, 2);
        assert_string_equal(arguments.words[0], "web");
        assert_string_equal(arguments.words[1], "4");
}

static void the_words_of_logs_are_left_alone(void **state) {
        struct arguments arguments;

        assert_int_equal(parse(&arguments, "musterctl -i web logs -f --json --lines=3 --since today"), 0);
        assert_string_equal(arguments.instance, "web");
        assert_false(arguments.json);
        assert_int_equal(arguments.n_words, 5);
        assert_string_equal(arguments.words[0], "-f");
        assert_string_equal(arguments.words[4], "today");

        assert_int_equal(parse(&arguments, "musterctl logs web -f"), 0);
        assert_int_equal(arguments.n_words, 2);
        assert_string_equal(arguments.words[0], "web");
}

static void nothing_at_all_has_no_verb(void **state) {
        struct arguments arguments;

        assert_int_equal(parse(&arguments, "musterctl"), 0);
        assert_null(arguments.verb);
        assert_int_equal(parse(&arguments, "musterctl --help"), 0);
        assert_true(arguments.help);
        assert_null(arguments.verb);
}

static void a_value_that_makes_no_sense_is_refused(void **state) {
        static const char *const lines[] = {
                "musterctl --nonsense status",        "musterctl status --delay soon",
                "musterctl status --delay 0",         "musterctl status --iterations 0",
                "musterctl status --iterations many", "musterctl status -i",
                "musterctl send reload --to nobody",  "musterctl send reload --to -1",
                "musterctl send reload --to",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                struct arguments arguments;

                assert_true(parse(&arguments, lines[i]) < 0);
        }
}

static void a_number_is_a_name_only_where_no_number_is_wanted(void **state) {
        static const struct {
                const char *line, *instance;
                int most, n_words;
        } cases[] = {
                { "musterctl status", NULL, 0, 0 },          { "musterctl status web", "web", 0, 0 },
                { "musterctl status 80", "80", 0, 0 },       { "musterctl restart", NULL, 1, 0 },
                { "musterctl restart web", "web", 1, 0 },    { "musterctl restart 2", NULL, 1, 1 },
                { "musterctl restart web 2", "web", 1, 1 },  { "musterctl restart 80 2", "80", 1, 1 },
                { "musterctl -i 80 restart 2", "80", 1, 1 }, { "musterctl -i web restart", "web", 1, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct arguments arguments;

                assert_int_equal(parse(&arguments, cases[i].line), 0);
                arguments_take_instance(&arguments, cases[i].most);
                if (cases[i].instance)
                        assert_string_equal(arguments.instance, cases[i].instance);
                else
                        assert_null(arguments.instance);
                assert_int_equal(arguments.n_words, cases[i].n_words);
        }
}

static void a_name_stands_before_the_action_of_a_verb_that_has_some(void **state) {
        static const char *const actions[] = { "list", "run", NULL };
        static const struct {
                const char *line, *instance;
                int n_words;
        } cases[] = {
                { "musterctl schedule", NULL, 0 },
                { "musterctl schedule list", NULL, 1 },
                { "musterctl schedule web", "web", 0 },
                { "musterctl schedule web list", "web", 1 },
                { "musterctl schedule run refresh", NULL, 2 },
                { "musterctl schedule web run refresh", "web", 2 },
                { "musterctl schedule run run refresh", "run", 2 },
                { "musterctl -i run schedule run refresh", "run", 2 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct arguments arguments;

                assert_int_equal(parse(&arguments, cases[i].line), 0);
                arguments_take_instance_before(&arguments, actions);
                if (cases[i].instance)
                        assert_string_equal(arguments.instance, cases[i].instance);
                else
                        assert_null(arguments.instance);
                assert_int_equal(arguments.n_words, cases[i].n_words);
        }
}

static void a_verb_of_any_words_takes_a_name_where_there_is_one(void **state) {
        static struct instance known[] = { { .name = (char *) "80" }, { .name = (char *) "web" } };
        static const struct instances instances = { known, ELEMENTSOF(known) };
        static const struct {
                const char *line, *instance, *first;
                int n_words;
        } cases[] = {
                { "musterctl send refresh", NULL, "refresh", 1 },
                { "musterctl send refresh pull", NULL, "refresh", 2 },
                { "musterctl send web refresh", "web", "refresh", 1 },
                { "musterctl send web refresh pull", "web", "refresh", 2 },
                { "musterctl send other refresh pull", "other", "refresh", 2 },
                { "musterctl send 80 refresh", "80", "refresh", 1 },
                { "musterctl send web", "web", NULL, 0 },
                { "musterctl -i web send web refresh", "web", "web", 2 },
                { "musterctl -i other send refresh", "other", "refresh", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct arguments arguments;

                assert_int_equal(parse(&arguments, cases[i].line), 0);
                arguments_take_known_instance(&arguments, 2, &instances);
                if (cases[i].instance)
                        assert_string_equal(arguments.instance, cases[i].instance);
                else
                        assert_null(arguments.instance);
                assert_int_equal(arguments.n_words, cases[i].n_words);
                if (cases[i].first)
                        assert_string_equal(arguments.words[0], cases[i].first);
        }
}

static void a_message_may_go_to_a_group_or_to_a_pid(void **state) {
        static const char *const targets[] = { "app", "agent", "all", "random", "4711" };

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                struct arguments arguments;
                char line[64];

                (void) snprintf(line, sizeof(line), "musterctl send refresh pull --to %s", targets[i]);
                assert_int_equal(parse(&arguments, line), 0);
                assert_string_equal(arguments.to, targets[i]);
                assert_int_equal(arguments.n_words, 2);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options_may_stand_anywhere),
                cmocka_unit_test(words_are_what_is_left),
                cmocka_unit_test(the_words_of_logs_are_left_alone),
                cmocka_unit_test(nothing_at_all_has_no_verb),
                cmocka_unit_test(a_value_that_makes_no_sense_is_refused),
                cmocka_unit_test(a_number_is_a_name_only_where_no_number_is_wanted),
                cmocka_unit_test(a_name_stands_before_the_action_of_a_verb_that_has_some),
                cmocka_unit_test(a_verb_of_any_words_takes_a_name_where_there_is_one),
                cmocka_unit_test(a_message_may_go_to_a_group_or_to_a_pid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
