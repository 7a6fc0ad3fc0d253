/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/result.h"
#include "ipc/job.h"
#include "util/fd.h"

static void assert_output(struct muster_result *result, const char *bytes, size_t size) {
        assert_int_equal(result->size, size);
        assert_memory_equal(result_bytes(result), bytes, size);
        assert_int_equal(result_bytes(result)[size], '\0');
}

static void test_without_any_it_is_empty(void **state) {
        struct muster_result result = RESULT_NULL;
        int fd;

        assert_output(&result, "", 0);
        assert_int_equal(result_seal(&result, &fd), 0);
        assert_int_equal(fd, -1);
        result_clear(&result);
}

static void test_the_last_one_counts(void **state) {
        struct muster_result result = RESULT_NULL;

        assert_int_equal(muster_result_set(&result, "a\0b", 3), 0);
        assert_output(&result, "a\0b", 3);
        assert_int_equal(muster_result_text(&result, "%d of %s", 7, "nine"), 0);
        assert_output(&result, "7 of nine", 9);
        assert_int_equal(muster_result_set(&result, NULL, 0), 0);
        assert_output(&result, "", 0);
        result_clear(&result);
}

static void test_an_output_may_be_made_of_the_one_before(void **state) {
        struct muster_result result = RESULT_NULL;

        assert_int_equal(muster_result_set(&result, "one two", 7), 0);
        assert_int_equal(muster_result_set(&result, result_bytes(&result) + 4, 3), 0);
        assert_output(&result, "two", 3);
        result_clear(&result);
}

static void test_what_is_written_in_place_can_be_cut_and_not_stretched(void **state) {
        struct muster_result result = RESULT_NULL;
        static const char digits[] = { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' };
        char *room;

        room = muster_result_buffer(&result, sizeof(digits));
        assert_non_null(room);
        memcpy(room, digits, sizeof(digits));
        muster_result_trim(&result, 20);
        assert_output(&result, "0123456789", 10);
        muster_result_trim(&result, 4);
        assert_output(&result, "0123", 4);
        result_clear(&result);
}

static void test_too_much_is_refused(void **state) {
        struct muster_result result = RESULT_NULL;

        assert_null(muster_result_buffer(&result, JOB_DATA_MAX + 1));
        assert_int_equal(errno, EMSGSIZE);
        assert_output(&result, "", 0);
}

static void test_what_is_large_and_goes_elsewhere_lies_in_shared_memory(void **state) {
        static const size_t sizes[] = { JOB_INLINE_MAX, JOB_INLINE_MAX + 1, 1 << 20 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                struct muster_result result = { .shared = true, .fd = -1 };
                _cleanup_fd_ int fd = -1;
                char *room = muster_result_buffer(&result, sizes[i]);
                void *memory;

                assert_non_null(room);
                memset(room, 'x', sizes[i]);
                muster_result_trim(&result, sizes[i] - 1);
                assert_int_equal(result_seal(&result, &fd), 0);
                assert_true((fd >= 0) == (sizes[i] > JOB_INLINE_MAX));
                if (fd >= 0) {
                        assert_int_equal(job_memory_map(fd, sizes[i] - 1, &memory), 0);
                        assert_int_equal(strlen(memory), sizes[i] - 1);
                        job_memory_unmap(memory, sizes[i] - 1);
                }
                result_clear(&result);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_any_it_is_empty),
                cmocka_unit_test(test_the_last_one_counts),
                cmocka_unit_test(test_an_output_may_be_made_of_the_one_before),
                cmocka_unit_test(test_what_is_written_in_place_can_be_cut_and_not_stretched),
                cmocka_unit_test(test_too_much_is_refused),
                cmocka_unit_test(test_what_is_large_and_goes_elsewhere_lies_in_shared_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
