/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/macro.h"
#include "util/parse.h"

static const char *const not_numbers[] = { "",      " ",    "-1",  "+1",  " 1", "1 ",
                                           "12abc", "0x10", "1.0", "1e3", "1\n" };

static void a_number_is_digits_and_nothing_else(void **state) {
        uint64_t value = 7;

        for (size_t i = 0; i < ELEMENTSOF(not_numbers); i++)
                assert_int_equal(parse_uint64(not_numbers[i], &value), -EINVAL);
        assert_int_equal(parse_uint64("1K", &value), -EINVAL);
        assert_int_equal(value, 7);
        assert_int_equal(parse_uint64("0", &value), 0);
        assert_int_equal(value, 0);
        assert_int_equal(parse_uint64("007", &value), 0);
        assert_int_equal(value, 7);
}

static void a_number_that_does_not_fit_is_out_of_range(void **state) {
        uint64_t value = 7;

        assert_int_equal(parse_uint64("18446744073709551615", &value), 0);
        assert_true(value == UINT64_MAX);
        assert_int_equal(parse_uint64("18446744073709551616", &value), -ERANGE);
        assert_int_equal(parse_uint64("99999999999999999999999999", &value), -ERANGE);
        assert_int_equal(parse_uint64("99999999999999999999999999x", &value), -EINVAL);
        assert_int_equal(parse_size("16777216T", &value), -ERANGE);
        assert_true(value == UINT64_MAX);
}

static void a_size_may_have_one_suffix(void **state) {
        uint64_t value = 7;

        for (size_t i = 0; i < ELEMENTSOF(not_numbers); i++)
                assert_int_equal(parse_size(not_numbers[i], &value), -EINVAL);
        assert_int_equal(parse_size("K", &value), -EINVAL);
        assert_int_equal(parse_size("1KK", &value), -EINVAL);
        assert_int_equal(parse_size("1k", &value), -EINVAL);
        assert_int_equal(parse_size("1 K", &value), -EINVAL);
        assert_int_equal(parse_size("1KB", &value), -EINVAL);
        assert_int_equal(value, 7);

        assert_int_equal(parse_size("512", &value), 0);
        assert_int_equal(value, 512);
        assert_int_equal(parse_size("64K", &value), 0);
        assert_int_equal(value, 65536);
        assert_int_equal(parse_size("1M", &value), 0);
        assert_int_equal(value, 1048576);
        assert_int_equal(parse_size("2T", &value), 0);
        assert_int_equal(value, UINT64_C(2) << 40);
}

static void a_bool_is_one_of_eight_words(void **state) {
        bool value = false;

        assert_int_equal(parse_bool("Yes", &value), 0);
        assert_true(value);
        assert_int_equal(parse_bool("off", &value), 0);
        assert_false(value);
        assert_int_equal(parse_bool("1", &value), 0);
        assert_true(value);
        assert_int_equal(parse_bool("y", &value), -EINVAL);
        assert_int_equal(parse_bool("nonsense", &value), -EINVAL);
        assert_int_equal(parse_bool("", &value), -EINVAL);
        assert_int_equal(parse_bool("10", &value), -EINVAL);
        assert_true(value);
}

static void a_size_is_written_with_the_largest_exact_suffix(void **state) {
        char buffer[32];

        assert_string_equal(format_size(0, buffer, sizeof(buffer)), "0");
        assert_string_equal(format_size(1023, buffer, sizeof(buffer)), "1023");
        assert_string_equal(format_size(1024, buffer, sizeof(buffer)), "1K");
        assert_string_equal(format_size(1025, buffer, sizeof(buffer)), "1025");
        assert_string_equal(format_size(UINT64_C(3) << 40, buffer, sizeof(buffer)), "3T");
        assert_string_equal(format_size(UINT64_C(1) << 60, buffer, sizeof(buffer)), "1048576T");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_number_is_digits_and_nothing_else),
                cmocka_unit_test(a_number_that_does_not_fit_is_out_of_range),
                cmocka_unit_test(a_size_may_have_one_suffix),
                cmocka_unit_test(a_bool_is_one_of_eight_words),
                cmocka_unit_test(a_size_is_written_with_the_largest_exact_suffix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
