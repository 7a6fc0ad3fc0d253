/* SPDX-License-Identifier: MIT */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/value.h"

static char *json_of(const struct value *value) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert_non_null(file);
        value_write_json(value, file);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void names_become_those_of_json(void **state) {
        static const struct {
                const char *name, *json;
        } cases[] = {
                { "Pid", "pid" },
                { "InFlight", "in_flight" },
                { "RequestsPerSecond", "requests_per_second" },
                { "max_body", "max_body" },
                { "", "" },
        };
        char buffer[32], small[6];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(value_json_name(cases[i].name, buffer, sizeof(buffer)), cases[i].json);
        assert_true(strlen(value_json_name("ALongerName", small, sizeof(small))) < sizeof(small));
}

static void all_kinds_are_written(void **state) {
        _cleanup_value_ struct value value = VALUE_NULL;
        _cleanup_free_ char *text = NULL;
        struct value *item;

        assert_int_equal(value_add_number(&value, "Number", UINT64_MAX), 0);
        assert_int_equal(value_add_text(&value, "Text", "a\"b\\c\nd\177\xc3\xa4"), 0);
        item = value_add(&value, "Real", VALUE_REAL);
        item->real = 12.34;
        item = value_add(&value, "NoNumber", VALUE_REAL);
        item->real = NAN;
        item = value_add(&value, "Yes", VALUE_BOOL);
        item->number = 1;
        item = value_add(&value, "List", VALUE_LIST);
        assert_int_equal(value_add_number(item, NULL, 1), 0);
        assert_non_null(value_add(item, NULL, VALUE_LIST));
        assert_non_null(value_add(&value, "Nothing", VALUE_DICTIONARY));

        text = json_of(&value);
        assert_string_equal(text, "{\n"
                                  "  \"number\": 18446744073709551615,\n"
                                  "  \"text\": \"a\\\"b\\\\c\\u000ad\\u007f\xc3\xa4\",\n"
                                  "  \"real\": 12.3,\n"
                                  "  \"no_number\": 0.0,\n"
                                  "  \"yes\": true,\n"
                                  "  \"list\": [\n"
                                  "    1,\n"
                                  "    []\n"
                                  "  ],\n"
                                  "  \"nothing\": {}\n"
                                  "}\n");
}

static void it_can_be_one_line(void **state) {
        _cleanup_value_ struct value value = VALUE_NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert_int_equal(value_add_number(&value, "Number", 1), 0);
        assert_int_equal(value_add_bool(&value, "Yes", true), 0);
        assert_int_equal(value_add_text(value_add(&value, "List", VALUE_LIST), NULL, "a"), 0);
        assert_non_null(file);
        value_write_json_line(&value, file);
        assert_int_equal(fclose(file), 0);
        assert_string_equal(text, "{\"number\": 1, \"yes\": true, \"list\": [\"a\"]}\n");
}

static void what_is_missing_or_of_another_kind_is_empty(void **state) {
        _cleanup_value_ struct value value = VALUE_NULL;

        assert_int_equal(value_add_number(&value, "Number", 7), 0);
        assert_int_equal(value_add_text(&value, "Text", "word"), 0);

        assert_int_equal(value_number(&value, "Number"), 7);
        assert_string_equal(value_text(&value, "Text"), "word");
        assert_int_equal(value_number(&value, "Text"), 0);
        assert_string_equal(value_text(&value, "Number"), "");
        assert_string_equal(value_text(&value, "Nowhere"), "");
        assert_int_equal(value_list(&value, "Number")->n_items, 0);
        assert_true(value_real(&value, "Number") == 0);
        assert_null(value_get(&value, "Nowhere"));
        assert_null(value_get(NULL, "Number"));
        assert_null(value_get(value_get(&value, "Number"), "Number"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_become_those_of_json),
                cmocka_unit_test(all_kinds_are_written),
                cmocka_unit_test(it_can_be_one_line),
                cmocka_unit_test(what_is_missing_or_of_another_kind_is_empty),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
