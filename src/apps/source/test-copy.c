/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "copy.h"

#define URL "http://user:secret@origin/data"

static char folder[] = "/tmp/test-copy-XXXXXX";
static char path[64];

static const struct validator validator = { .etag = "\"a\\b\"", .last_modified = "yesterday" };

static int set_up(void **state) {
        (void) snprintf(folder, sizeof(folder), "/tmp/test-copy-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void) snprintf(path, sizeof(path), "%s/source.data", folder);
        return 0;
}

static int tear_down(void **state) {
        (void) unlink(path);
        return rmdir(folder); /* fails where something else is left */
}

static void put(const char *text) {
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static int get(size_t max) {
        struct copy copy;
        int r;

        r = copy_read(folder, URL, max, &copy);
        if (r == 0)
                free(copy.data);
        return r;
}

static void test_what_was_kept_is_read_as_it_was(void **state) {
        static const char data[] = "{\"a\":\n\"\0\xff\"}\n";
        struct copy copy;

        assert_int_equal(copy_write(folder, URL, &validator, "older", 5), 0);
        assert_int_equal(copy_write(folder, URL, &validator, data, sizeof(data)), 0);
        assert_int_equal(copy_read(folder, URL, 100, &copy), 0);
        assert_int_equal(copy.size, sizeof(data));
        assert_memory_equal(copy.data, data, sizeof(data));
        assert_string_equal(copy.validator.etag, validator.etag);
        assert_string_equal(copy.validator.last_modified, validator.last_modified);
        free(copy.data);
}

/* A file of that name in the folder, written so long ago. */
static void leave(const char *name, time_t seconds) {
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time(NULL) - seconds } };
        char file[96];
        int fd;

        (void) snprintf(file, sizeof(file), "%s/%s", folder, name);
        fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(futimens(fd, times), 0);
        (void) close(fd);
}

/* Whether it is there; it is removed. */
static bool was_left(const char *name) {
        char file[96];

        (void) snprintf(file, sizeof(file), "%s/%s", folder, name);
        return unlink(file) == 0;
}

static void test_what_a_crash_has_left_is_removed(void **state) {
        leave("source.data", 3600);
        leave("source.data.17", 3600);
        leave("source.data.18", 0);
        leave("source.dates", 3600);
        copy_tidy(folder);
        assert_false(was_left("source.data.17"));
        assert_true(was_left("source.data.18"));
        assert_true(was_left("source.dates"));
        assert_true(was_left("source.data"));
        copy_tidy("/nowhere");
}

static void test_it_knows_its_age(void **state) {
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, {} };
        struct copy copy;

        assert_int_equal(copy_write(folder, URL, &validator, "{}", 2), 0);
        (void) clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1].tv_sec -= 3600;
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        assert_int_equal(copy_read(folder, URL, 100, &copy), 0);
        assert_true(copy.age >= 3600 * UINT64_C(1000000));
        free(copy.data);
}

static void test_that_of_another_address_is_not_used(void **state) {
        struct copy copy;

        assert_int_equal(copy_write(folder, URL, &validator, "{}", 2), 0);
        assert_int_equal(copy_read(folder, "http://origin/data", 100, &copy), -ESTALE);
}

static void test_the_address_is_not_in_it(void **state) {
        char text[1024] = "";
        FILE *file;

        assert_int_equal(copy_write(folder, URL, &validator, "{}", 2), 0);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
        (void) fclose(file);
        assert_null(strstr(text, "secret"));
}

static void test_what_is_no_copy_is_refused(void **state) {
        assert_int_equal(get(100), -ENOENT);
        put("");
        assert_int_equal(get(100), -EBADMSG);
        put("{}");
        assert_int_equal(get(100), -EBADMSG);
        put("{}\n{}");
        assert_int_equal(get(100), -EBADMSG);
        put("no line\n{}");
        assert_int_equal(get(100), -EBADMSG);
}

static void test_one_that_is_too_large_is_refused(void **state) {
        static char data[10000];

        assert_int_equal(copy_write(folder, URL, &validator, data, sizeof(data)), 0);
        assert_int_equal(get(5000), -EFBIG);
        assert_int_equal(get(10000), 0);
}

static void test_where_nothing_can_be_written_that_is_said(void **state) {
        assert_int_equal(copy_write("/nonexistent", URL, &validator, "{}", 2), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(test_what_was_kept_is_read_as_it_was),
                TEST(test_what_a_crash_has_left_is_removed),
                TEST(test_it_knows_its_age),
                TEST(test_that_of_another_address_is_not_used),
                TEST(test_the_address_is_not_in_it),
                TEST(test_what_is_no_copy_is_refused),
                TEST(test_one_that_is_too_large_is_refused),
                TEST(test_where_nothing_can_be_written_that_is_said),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
