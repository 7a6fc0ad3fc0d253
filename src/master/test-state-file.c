/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/state-file.h"
#include "util/macro.h"

static int make_file(void **state) {
        *state = malloc(STATE_FILE_SIZE);
        if (!*state)
                return -1;
        memset(*state, 0xff, STATE_FILE_SIZE);
        state_file_format(*state);
        return 0;
}

static int free_file(void **state) {
        free(*state);
        return 0;
}

static void assert_content(const void *file, const char *text) {
        const void *content;
        size_t size;

        assert_int_equal(state_file_read(file, &content, &size), 0);
        assert_int_equal(size, strlen(text));
        assert_memory_equal(content, text, size);
}

static void write_text(void *file, const char *text) {
        assert_int_equal(state_file_write(file, text, strlen(text)), 0);
}

/* Where a text of a write stands in the file. */
static unsigned char *find(void *file, const char *text) {
        unsigned char *place = memmem(file, STATE_FILE_SIZE, text, strlen(text));

        assert_non_null(place);
        return place;
}

static void a_new_one_is_empty(void **state) {
        assert_content(*state, "");
}

static void the_last_write_is_read(void **state) {
        static const char *const texts[] = { "first", "the second", "3", "", "five" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                write_text(*state, texts[i]);
                assert_content(*state, texts[i]);
        }
}

static void it_survives_being_copied(void **state) {
        unsigned char *copy = malloc(STATE_FILE_SIZE);

        assert_non_null(copy);
        write_text(*state, "content");
        memcpy(copy, *state, STATE_FILE_SIZE);
        write_text(*state, "later");
        assert_content(copy, "content");
        free(copy);
}

static void content_may_fill_a_bank_and_no_more(void **state) {
        char *content = calloc(1, STATE_CONTENT_MAX + 1);
        const void *read;
        size_t size;

        assert_non_null(content);
        memset(content, 'x', STATE_CONTENT_MAX);
        assert_int_equal(state_file_write(*state, content, STATE_CONTENT_MAX), 0);
        assert_int_equal(state_file_write(*state, content, STATE_CONTENT_MAX + 1), -EFBIG);
        assert_int_equal(state_file_read(*state, &read, &size), 0);
        assert_int_equal(size, STATE_CONTENT_MAX);
        assert_memory_equal(read, content, size);
        free(content);
}

static void any_flipped_bit_of_the_content_is_noticed(void **state) {
        static const char text[] = "what counts";
        unsigned char *place;

        write_text(*state, "what was");
        write_text(*state, text);
        place = find(*state, text);
        for (size_t i = 0; i < strlen(text) * 8; i++) {
                place[i / 8] ^= (unsigned char) (1U << (i % 8));
                assert_content(*state, "what was");
                place[i / 8] ^= (unsigned char) (1U << (i % 8));
        }
        assert_content(*state, text);
}

/* The words before the content: sequence, checksum and size. */
static void any_flipped_bit_of_a_bank_is_noticed(void **state) {
        static const char text[] = "newest";
        unsigned char *place;

        write_text(*state, "older");
        write_text(*state, text);
        place = find(*state, text) - 24;
        for (size_t i = 0; i < (size_t) 24 * 8; i++) {
                place[i / 8] ^= (unsigned char) (1U << (i % 8));
                assert_content(*state, "older");
                place[i / 8] ^= (unsigned char) (1U << (i % 8));
        }
        assert_content(*state, text);
}

static void a_write_that_was_broken_off_leaves_the_one_before(void **state) {
        unsigned char *before = malloc(STATE_FILE_SIZE), *after = *state;

        assert_non_null(before);
        write_text(after, "aaaaaaaaaaaaaaaa");
        write_text(after, "bbbbbbbbbbbbbbbb");
        memcpy(before, after, STATE_FILE_SIZE);
        write_text(after, "cccccccccccccccc");
        /* A write goes upward through its bank, the sequence number last: any part of it, without that. */
        for (size_t end = 0, i = 0; i < STATE_FILE_SIZE; i++) {
                const void *content;
                size_t size;

                if (before[i] == after[i])
                        continue;
                if (end++ == 0)
                        continue;
                before[i] = after[i];
                assert_int_equal(state_file_read(before, &content, &size), 0);
                assert_int_equal(size, 16);
                assert_memory_equal(content, "bbbbbbbbbbbbbbbb", size);
        }
        free(before);
}

static void when_both_banks_are_damaged_it_is_refused(void **state) {
        const void *content;
        size_t size;

        write_text(*state, "one");
        write_text(*state, "two");
        *find(*state, "one") = 'x';
        *find(*state, "two") = 'x';
        assert_int_equal(state_file_read(*state, &content, &size), -EBADMSG);
        write_text(*state, "three");
        assert_content(*state, "three");
}

static void what_is_not_ours_is_refused(void **state) {
        unsigned char *file = *state;
        const void *content;
        size_t size;

        file[0] ^= 1;
        assert_int_equal(state_file_read(file, &content, &size), -EBADMSG);
        memset(file, 0, STATE_FILE_SIZE);
        assert_int_equal(state_file_read(file, &content, &size), -EBADMSG);
        memset(file, 0xff, STATE_FILE_SIZE);
        assert_int_equal(state_file_read(file, &content, &size), -EBADMSG);
}

static void another_version_is_refused(void **state) {
        unsigned char *file = *state;
        const void *content;
        size_t size;

        file[8]++;
        assert_int_equal(state_file_read(file, &content, &size), -EPROTONOSUPPORT);
        file[8]--;
        file[12]++;
        assert_int_equal(state_file_read(file, &content, &size), -EBADMSG);
}

static void records_are_found_by_type(void **state) {
        unsigned char content[128];
        const void *bytes;
        size_t size = 0, n;

        assert_int_equal(state_record_add(content, sizeof(content), &size, 7, "seven!!!!", 9), 0);
        assert_int_equal(state_record_add(content, sizeof(content), &size, 9, NULL, 0), 0);
        assert_int_equal(state_record_add(content, sizeof(content), &size, 8, "eight", 5), 0);
        assert_int_equal(size % 8, 0);

        assert_int_equal(state_record_find(content, size, 8, &bytes, &n), 0);
        assert_int_equal(n, 5);
        assert_memory_equal(bytes, "eight", 5);
        assert_int_equal(state_record_find(content, size, 7, &bytes, &n), 0);
        assert_int_equal(n, 9);
        assert_int_equal(state_record_find(content, size, 9, &bytes, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(state_record_find(content, size, 1, &bytes, &n), -ENOENT);
        assert_int_equal(state_record_find(content, 0, 1, &bytes, &n), -ENOENT);
}

static void a_record_that_does_not_fit_is_not_added(void **state) {
        unsigned char content[32];
        size_t size = 0;

        assert_int_equal(state_record_add(content, sizeof(content), &size, 1, "0123456789", 10), 0);
        assert_int_equal(size, 24);
        assert_int_equal(state_record_add(content, sizeof(content), &size, 1, "x", 1), -ENOBUFS);
        assert_int_equal(state_record_add(content, sizeof(content), &size, 1, "x", SIZE_MAX), -ENOBUFS);
        assert_int_equal(state_record_add(content, sizeof(content), &size, 1, NULL, 0), 0);
        assert_int_equal(size, 32);
        assert_int_equal(state_record_add(content, sizeof(content), &size, 1, NULL, 0), -ENOBUFS);
}

static void truncated_records_are_refused(void **state) {
        unsigned char content[64];
        const void *bytes;
        size_t size = 0, n;

        assert_int_equal(state_record_add(content, sizeof(content), &size, 7, "seven!!!!", 9), 0);
        for (size_t cut = 1; cut < size; cut++)
                assert_int_equal(state_record_find(content, cut, 7, &bytes, &n), -EBADMSG);
        /* a size beyond everything */
        memset(content + 4, 0xff, 4);
        assert_int_equal(state_record_find(content, size, 7, &bytes, &n), -EBADMSG);
        assert_int_equal(state_record_find(content, size, 8, &bytes, &n), -EBADMSG);
}

static void totals_of_other_lengths_are_understood(void **state) {
        struct state_totals written = { .since = 1,
                                        .starts = 2,
                                        .restarts = 3,
                                        .crashes = 4,
                                        .requests = 5 },
                            read;
        unsigned char longer[sizeof(written) + 16] = {};

        assert_int_equal(state_totals_read(&written, sizeof(written), &read), 0);
        assert_memory_equal(&read, &written, sizeof(read));
        memcpy(longer, &written, sizeof(written));
        assert_int_equal(state_totals_read(longer, sizeof(longer), &read), 0);
        assert_memory_equal(&read, &written, sizeof(read));
        assert_int_equal(state_totals_read(&written, offsetof(struct state_totals, crashes), &read), 0);
        assert_int_equal(read.restarts, 3);
        assert_int_equal(read.crashes, 0);
        assert_int_equal(state_totals_read(&written, 0, &read), -EBADMSG);
        written.since = 0;
        assert_int_equal(state_totals_read(&written, sizeof(written), &read), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, free_file)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_new_one_is_empty),
                TEST(the_last_write_is_read),
                TEST(it_survives_being_copied),
                TEST(content_may_fill_a_bank_and_no_more),
                TEST(any_flipped_bit_of_the_content_is_noticed),
                TEST(any_flipped_bit_of_a_bank_is_noticed),
                TEST(a_write_that_was_broken_off_leaves_the_one_before),
                TEST(when_both_banks_are_damaged_it_is_refused),
                TEST(what_is_not_ours_is_refused),
                TEST(another_version_is_refused),
                cmocka_unit_test(records_are_found_by_type),
                cmocka_unit_test(a_record_that_does_not_fit_is_not_added),
                cmocka_unit_test(truncated_records_are_refused),
                cmocka_unit_test(totals_of_other_lengths_are_understood),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
