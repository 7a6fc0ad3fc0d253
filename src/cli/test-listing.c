/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/format.h"
#include "cli/listing.h"

static const struct column columns[] = {
        { "NAME", false },
        { "COUNT", true },
        { "ROUTE", false },
};

static char *printed(const struct listing *listing, size_t width) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert_non_null(file);
        assert_int_equal(listing_print(listing, file, width), 0);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state) {
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        _cleanup_free_ char *text = NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        for (unsigned int i = 0; i < 2; i++) {
                listing_add(&listing, "%s", i ? "longer" : "ä");
                listing_add(&listing, "%u", i ? 1234567U : 5U);
                listing_add(&listing, "%s", i ? "" : "GET /");
        }
        text = printed(&listing, 0);
        assert_string_equal(text, "NAME      COUNT  ROUTE\n"
                                  "ä             5  GET /\n"
                                  "longer  1234567\n");
}

static void without_rows_there_are_the_titles(void **state) {
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        _cleanup_free_ char *text = NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        text = printed(&listing, 0);
        assert_string_equal(text, "NAME  COUNT  ROUTE\n");
}

static void no_line_is_wider_than_the_screen(void **state) {
        _cleanup_listing_ struct listing listing = LISTING_NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        listing_add(&listing, "some");
        listing_add(&listing, "12345");
        listing_add(&listing, "äöüäöüäöü");
        for (size_t width = 1; width < 40; width++) {
                _cleanup_free_ char *text = printed(&listing, width);
                char *rest;

                for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                        assert_true(format_width(line) <= width);
        }
}

static void nothing_in_a_cell_can_steer_the_terminal(void **state) {
        _cleanup_listing_ struct listing listing = LISTING_NULL;
        _cleanup_free_ char *text = NULL;

        listing_init(&listing, columns, ELEMENTSOF(columns));
        listing_add(&listing, "\033[2Ja");
        listing_add(&listing, "\xc2\x9b"
                              "1");
        listing_add(&listing, "a\nb\xff");
        text = printed(&listing, 0);
        assert_string_equal(text, "NAME   COUNT  ROUTE\n"
                                  " [2Ja      1  a b?\n");
}

static void spans_have_two_units(void **state) {
        static const struct {
                usec_t span;
                const char *text;
        } cases[] = {
                { 0, "0ms" },
                { 1500, "1ms" },
                { 999999, "999ms" },
                { USEC_PER_SEC, "1s" },
                { 61 * USEC_PER_SEC, "1min 1s" },
                { 3600 * USEC_PER_SEC, "1h" },
                { 3659 * USEC_PER_SEC, "1h" },
                { 3660 * USEC_PER_SEC, "1h 1min" },
                { 90000 * USEC_PER_SEC, "1d 1h" },
                { UINT64_MAX, "213503982d 8h" },
        };
        char buffer[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_span(cases[i].span, buffer, sizeof(buffer)), cases[i].text);
}

static void bytes_have_three_digits(void **state) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0B" },
                { 1023, "1023B" },
                { 1024, "1.0K" },
                { 5 << 20, "5.0M" },
                { (5 << 20) + (1 << 19), "5.5M" },
                { 17 << 20, "17M" },
                { (1 << 20) - 1, "1.0M" },
                { UINT64_MAX, "16E" },
        };
        char buffer[FORMAT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_bytes(cases[i].bytes, buffer, sizeof(buffer)), cases[i].text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
                cmocka_unit_test(without_rows_there_are_the_titles),
                cmocka_unit_test(no_line_is_wider_than_the_screen),
                cmocka_unit_test(nothing_in_a_cell_can_steer_the_terminal),
                cmocka_unit_test(spans_have_two_units),
                cmocka_unit_test(bytes_have_three_digits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
