/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/range.h"
#include "util/macro.h"

#define SIZE 1000U

/* Expects these ranges, written as "START+SIZE START+SIZE". */
static void assert_ranges(const char *text, const char *expected) {
        struct byte_range ranges[RANGES_MAX];
        char got[RANGES_MAX * 32] = "";
        size_t n = 0, size = 0;

        assert_int_equal(range_parse(text, SIZE, ranges, &n), 0);
        for (size_t i = 0; i < n; i++)
                size += (size_t) snprintf(got + size, sizeof(got) - size, "%s%u+%u", i > 0 ? " " : "",
                                          (unsigned int) ranges[i].start, (unsigned int) ranges[i].size);
        assert_string_equal(got, expected);
}

static void assert_fails(const char *text, uint64_t size, int error) {
        struct byte_range ranges[RANGES_MAX];
        size_t n;

        assert_int_equal(range_parse(text, size, ranges, &n), error);
}

static void test_one_range_is_read(void **state) {
        assert_ranges("bytes=0-0", "0+1");
        assert_ranges("bytes=0-", "0+1000");
        assert_ranges("bytes=10-19", "10+10");
        assert_ranges("bytes=990-2000", "990+10");
        assert_ranges("bytes=-1", "999+1");
        assert_ranges("bytes=-5000", "0+1000");
        assert_ranges("Bytes=5-6", "5+2");
        assert_ranges("bytes=1-99999999999999999999999999", "1+999");
}

static void test_several_ranges_are_read_in_the_order_they_were_asked_for(void **state) {
        assert_ranges("bytes=0-0,-1", "0+1 999+1");
        assert_ranges("bytes=500-599,0-99", "500+100 0+100");
        assert_ranges("bytes= 1-2 ,\t4-5, 7-", "1+2 4+2 7+993");
        assert_ranges("bytes=,1-2,,4-5,", "1+2 4+2");
}

static void test_a_range_outside_is_left_out_of_several(void **state) {
        assert_ranges("bytes=0-9,1000-", "0+10");
        assert_ranges("bytes=-0,5-5", "5+1");
        assert_fails("bytes=1000-,2000-,-0", SIZE, -ERANGE);
}

static void test_a_range_outside_is_told_from_one_that_is_none(void **state) {
        static const char *const none[] = { "bytes=",        "bytes=-",     "bytes=a-b", "bytes=2-1",
                                            "items=0-1",     "bytes 0-1",   "bytes=,",   "bytes=0-1x",
                                            "bytes=0-1 2-3", "bytes=--1",   "",          "bytes=0-1;3-4",
                                            "bytes=0-1,x",   "bytes=x,0-1", "bytes=5",   "bytes=0-1,3-2" };

        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_fails(none[i], SIZE, -EINVAL);
        assert_fails("bytes=1000-", SIZE, -ERANGE);
        assert_fails("bytes=99999999999999999999999-", SIZE, -ERANGE);
        assert_fails("bytes=-0", SIZE, -ERANGE);
        assert_fails("bytes=0-0", 0, -ERANGE);
        assert_fails("bytes=-1", 0, -ERANGE);
}

static void test_two_may_overlap_but_not_more(void **state) {
        assert_ranges("bytes=0-9,5-14", "0+10 5+10");
        assert_ranges("bytes=0-9,10-19,20-29", "0+10 10+10 20+10");
        assert_fails("bytes=0-9,5-14,12-20", SIZE, -EINVAL);
        assert_fails("bytes=0-0,0-0,0-0", SIZE, -EINVAL);
        assert_fails("bytes=0-9,5-14,100-109,105-114", SIZE, -EINVAL);
}

static void test_no_more_is_sent_than_there_is(void **state) {
        assert_ranges("bytes=0-499,500-", "0+500 500+500");
        assert_fails("bytes=0-499,499-", SIZE, -EINVAL);
        assert_fails("bytes=0-,0-", SIZE, -EINVAL);
}

/* So many ranges of one byte each, with gaps between them; from `first` on. */
static void write_ranges(char *text, size_t size, unsigned int n, unsigned int first) {
        size_t used = (size_t) snprintf(text, size, "bytes=");

        for (unsigned int i = 0; i < n; i++)
                used += (size_t) snprintf(text + used, size - used, "%u-%u,", first + 2 * i, first + 2 * i);
}

static void test_there_is_a_limit_to_their_number(void **state) {
        struct byte_range ranges[RANGES_MAX];
        char text[1024];
        size_t n;

        write_ranges(text, sizeof(text), RANGES_MAX, 0);
        assert_int_equal(range_parse(text, SIZE, ranges, &n), 0);
        assert_int_equal(n, RANGES_MAX);
        write_ranges(text, sizeof(text), RANGES_MAX + 1, 0);
        assert_fails(text, SIZE, -EINVAL);
        /* also for those that are outside */
        write_ranges(text, sizeof(text), RANGES_MAX + 1, SIZE);
        assert_fails(text, SIZE, -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_range_is_read),
                cmocka_unit_test(test_several_ranges_are_read_in_the_order_they_were_asked_for),
                cmocka_unit_test(test_a_range_outside_is_left_out_of_several),
                cmocka_unit_test(test_a_range_outside_is_told_from_one_that_is_none),
                cmocka_unit_test(test_two_may_overlap_but_not_more),
                cmocka_unit_test(test_no_more_is_sent_than_there_is),
                cmocka_unit_test(test_there_is_a_limit_to_their_number),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
