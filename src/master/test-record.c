/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/record.h"

#define TITLE "test-title"

struct thing {
        bool flag;
        int small;
        unsigned int count;
        int64_t wide;
        uint64_t large;
        char *text;
        char *none;
        char few[5];
        int fd;
        int closed;
};

static const struct record_field fields[] = {
        RECORD_FIELD("flag", struct thing, flag),   RECORD_FIELD("small", struct thing, small),
        RECORD_FIELD("count", struct thing, count), RECORD_FIELD("wide", struct thing, wide),
        RECORD_FIELD("large", struct thing, large), RECORD_FIELD("text", struct thing, text),
        RECORD_FIELD("none", struct thing, none),   RECORD_CHARS("few", struct thing, few),
        RECORD_DESCRIPTOR("fd", struct thing, fd),  RECORD_DESCRIPTOR("closed", struct thing, closed),
};

/* The same thing with less room, and some years later. */
static const struct record_field narrow_fields[] = {
        RECORD_RANGE("small", struct thing, small, -1, 9),
        RECORD_RANGE("count", struct thing, count, 1, 3),
};

static const struct record_type type = RECORD_TYPE("thing", fields);
static const struct record_type narrow = RECORD_TYPE("thing", narrow_fields);

static char *write_things(const struct thing *things, size_t n, size_t *ret_size) {
        char *text = NULL;
        FILE *file = open_memstream(&text, ret_size);

        assert_non_null(file);
        record_begin(file, TITLE, 7);
        for (size_t i = 0; i < n; i++)
                record_write(file, &type, &things[i]);
        record_end(file);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void a_struct_comes_back_as_it_was(void **state) {
        char text[] = "one\ntwo\\three=[end]\n[end]\n", empty[] = "";
        const struct thing things[] = {
                { true, INT32_MIN, UINT32_MAX, INT64_MIN + 1, UINT64_MAX, text, NULL, "a\nb", 3, -1 },
                { false, INT32_MAX, 0, INT64_MAX, 0, empty, NULL, "", INT32_MAX, -1 },
        };
        _cleanup_free_ char *written = NULL;
        struct record_reader reader;
        size_t size;

        written = write_things(things, 2, &size);
        assert_int_equal(record_open(&reader, written, size, TITLE, 7), 0);
        for (size_t i = 0; i < ELEMENTSOF(things); i++) {
                struct thing thing = { .fd = -1, .closed = -1 };

                assert_string_equal(record_next(&reader), "thing");
                assert_int_equal(record_read(&reader, &type, &thing), 0);
                assert_int_equal(thing.flag, things[i].flag);
                assert_int_equal(thing.small, things[i].small);
                assert_int_equal(thing.count, things[i].count);
                assert_true(thing.wide == things[i].wide && thing.large == things[i].large);
                assert_string_equal(thing.text, things[i].text);
                assert_null(thing.none);
                assert_string_equal(thing.few, things[i].few);
                assert_int_equal(thing.fd, things[i].fd);
                assert_int_equal(thing.closed, -1);
                record_free_texts(&type, &thing);
                assert_null(thing.text);
        }
        assert_null(record_next(&reader));
        record_close(&reader);
}

static void one_that_is_cut_anywhere_is_refused(void **state) {
        char text[] = "a text";
        const struct thing thing = { .text = text, .fd = 5, .closed = -1 };
        _cleanup_free_ char *written = NULL;
        struct record_reader reader;
        size_t size;

        written = write_things(&thing, 1, &size);
        for (size_t i = 0; i < size; i++)
                assert_int_equal(record_open(&reader, written, i, TITLE, 7), -EBADMSG);
        assert_int_equal(record_open(&reader, written, size, TITLE, 7), 0);
        record_close(&reader);
}

static void another_title_or_version_is_refused(void **state) {
        static const struct {
                const char *text;
                int error;
                const char *problem;
        } cases[] = {
                { "test-title=8\n[end]\n", -EPROTONOSUPPORT,
                  "version 8 of test-title is not known, only 7" },
                { "test-title=6\n[end]\n", -EPROTONOSUPPORT,
                  "version 6 of test-title is not known, only 7" },
                { "test-title=x\n[end]\n", -EBADMSG, "it is no test-title" },
                { "other=7\n[end]\n", -EBADMSG, "it is no test-title" },
                { "no title\n[end]\n", -EBADMSG, "there is no title" },
                { "[end]\n", -EBADMSG, "the end is missing" },
                { "", -EBADMSG, "the end is missing" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct record_reader reader;

                assert_int_equal(record_open(&reader, cases[i].text, strlen(cases[i].text), TITLE, 7),
                                 cases[i].error);
                assert_string_equal(reader.problem, cases[i].problem);
        }
}

static void a_nul_is_refused(void **state) {
        static const char text[] = "test-title=7\n\0[end]\n";
        struct record_reader reader;

        assert_int_equal(record_open(&reader, text, sizeof(text) - 1, TITLE, 7), -EBADMSG);
}

/* Reads one record with these lines. */
static int read_lines(const struct record_type *as, const char *lines, struct thing *thing, char *problem,
                      size_t room) {
        struct record_reader reader;
        char text[512];
        int r;

        (void) snprintf(text, sizeof(text), "test-title=7\n[thing]\n%s[end]\n", lines);
        assert_int_equal(record_open(&reader, text, strlen(text), TITLE, 7), 0);
        assert_string_equal(record_next(&reader), "thing");
        r = record_read(&reader, as, thing);
        (void) snprintf(problem, room, "%s", reader.problem);
        record_close(&reader);
        return r;
}

static void what_is_no_value_of_a_field_is_refused(void **state) {
        static const struct {
                const char *lines, *problem;
        } cases[] = {
                { "flag=2\n", "thing: flag=2 is out of range" },
                { "flag=-1\n", "thing: flag=-1 is no number" },
                { "flag=yes\n", "thing: flag=yes is no number" },
                { "small=2147483648\n", "thing: small=2147483648 is out of range" },
                { "small=-2147483649\n", "thing: small=-2147483649 is out of range" },
                { "small=\n", "thing: small= is no number" },
                { "small=--1\n", "thing: small=--1 is no number" },
                { "small= 1\n", "thing: small= 1 is no number" },
                { "small=1x\n", "thing: small=1x is no number" },
                { "count=4294967296\n", "thing: count=4294967296 is out of range" },
                { "wide=9223372036854775808\n", "thing: wide=9223372036854775808 is no number" },
                { "large=18446744073709551616\n", "thing: large=18446744073709551616 is no number" },
                { "fd=2\n", "thing: fd=2 is out of range" },
                { "fd=-1\n", "thing: fd=-1 is out of range" },
                { "text=a\\b\n", "thing: text is not escaped as it should" },
                { "text=a\\\n", "thing: text is not escaped as it should" },
                { "few=12345\n", "thing: few is too long" },
                { "text=a\ntext=b\n", "thing: text comes twice" },
                { "unheard=1\n", "thing: unheard is not known" },
                { "text\n", "thing: a line without a value" },
                { "\n", "thing: a line without a value" },
                { "=1\n", "thing:  is not known" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct thing thing = { .fd = -1 };
                char problem[160];

                assert_int_equal(read_lines(&type, cases[i].lines, &thing, problem, sizeof(problem)),
                                 -EBADMSG);
                assert_string_equal(problem, cases[i].problem);
                record_free_texts(&type, &thing);
        }
}

static void ranges_hold_at_both_ends(void **state) {
        static const struct {
                const char *lines;
                bool good;
        } cases[] = {
                { "small=-1\n", true },  { "small=9\n", true },  { "small=-2\n", false },
                { "small=10\n", false }, { "count=1\n", true },  { "count=3\n", true },
                { "count=0\n", false },  { "count=4\n", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct thing thing = {};
                char problem[160];

                assert_int_equal(read_lines(&narrow, cases[i].lines, &thing, problem, sizeof(problem)),
                                 cases[i].good ? 0 : -EBADMSG);
        }
}

static void a_field_that_is_missing_keeps_its_value(void **state) {
        struct thing thing = { .small = 41, .large = 42, .fd = -1 };
        char problem[160];

        assert_int_equal(read_lines(&type, "large=43\n", &thing, problem, sizeof(problem)), 0);
        assert_int_equal(thing.small, 41);
        assert_int_equal(thing.large, 43);
        assert_int_equal(thing.fd, -1);
}

static int sum(int fd, void *userdata) {
        *(int *) userdata += fd;
        return fd == 100 ? -EBADF : 0;
}

static void the_descriptors_that_are_open_are_told(void **state) {
        struct thing thing = { .fd = 5, .closed = -1 };
        int total = 0;

        assert_int_equal(record_each_fd(&type, &thing, sum, &total), 0);
        assert_int_equal(total, 5);
        thing = (struct thing){ .fd = 100, .closed = 7 };
        assert_int_equal(record_each_fd(&type, &thing, sum, &total), -EBADF);
        assert_int_equal(total, 105);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_struct_comes_back_as_it_was),
                cmocka_unit_test(one_that_is_cut_anywhere_is_refused),
                cmocka_unit_test(another_title_or_version_is_refused),
                cmocka_unit_test(a_nul_is_refused),
                cmocka_unit_test(what_is_no_value_of_a_field_is_refused),
                cmocka_unit_test(ranges_hold_at_both_ends),
                cmocka_unit_test(a_field_that_is_missing_keeps_its_value),
                cmocka_unit_test(the_descriptors_that_are_open_are_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
