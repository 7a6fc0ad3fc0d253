/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/job.h"
#include "util/fd.h"

static char payload[JOB_MESSAGE_MAX + 1];

static struct message call_of(const struct job_call *call, size_t follows) {
        memcpy(payload, call, sizeof(*call));
        memset(payload + sizeof(*call), 0, sizeof(payload) - sizeof(*call));
        return (struct message){ MESSAGE_JOB, payload, sizeof(*call) + follows };
}

static void test_a_call_is_read_with_its_input(void **state) {
        const struct job_call call = {
                .id = 7, .size = 5, .timeout = 1, .task = "sum", .route = "GET /sum"
        };
        struct message message = call_of(&call, 6);
        struct job_call read;
        const void *data;

        assert_int_equal(job_read_call(&message, false, &read, &data), 0);
        assert_memory_equal(&read, &call, sizeof(call));
        assert_ptr_equal(data, payload + sizeof(call));
}

static void test_what_a_descriptor_brings_does_not_follow(void **state) {
        const struct job_call call = { .size = 1 << 20, .timeout = 1, .task = "sum" };
        struct message message = call_of(&call, 0);
        struct job_call read;
        const void *data = payload;

        assert_int_equal(job_read_call(&message, true, &read, &data), 0);
        assert_null(data);
        assert_int_equal(job_read_call(&message, false, &read, &data), -EMFILE);
        message = call_of(&call, 1);
        assert_int_equal(job_read_call(&message, true, &read, &data), -EBADMSG);
}

/* Each differs in one thing from a call that is good. */
static void test_a_call_that_makes_no_sense_is_refused(void **state) {
        static const struct {
                struct job_call call;
                size_t follows;
        } bad[] = {
                { { .timeout = 1, .task = "" }, 1 },
                { { .timeout = 0, .task = "sum" }, 1 },
                { { .timeout = JOB_TIMEOUT_MAX + 1, .task = "sum" }, 1 },
                { { .timeout = 1, .task = "sum" }, 0 },
                { { .timeout = 1, .task = "sum", .size = 1 }, 1 },
                { { .timeout = 1, .task = "sum", .size = 1 }, 3 },
                { { .timeout = 1, .task = "sum", .size = JOB_INLINE_MAX + 1 }, JOB_INLINE_MAX + 2 },
                { { .timeout = 1, .task = "sum", .size = UINT64_MAX - sizeof(struct job_call) }, 0 },
                { { .timeout = 1, .task = "su\nm" }, 1 },
                { { .timeout = 1, .task = "sum", .route = "\x1b[m" }, 1 },
                { { .timeout = 1, .task = "sum", .request = "GET /\xff" }, 1 },
        };
        struct job_call read, open = { .timeout = 1 };
        const void *data;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct message message = call_of(&bad[i].call, bad[i].follows);

                assert_int_equal(job_read_call(&message, false, &read, &data), -EBADMSG);
        }
        memset(open.task, 'x', sizeof(open.task));
        assert_int_equal(job_read_call(&(struct message){ MESSAGE_JOB, (const char *) &open, sizeof(open) },
                                       false, &read, &data),
                         -EBADMSG);
        for (size_t size = 0; size < sizeof(struct job_call); size++)
                assert_int_equal(
                        job_read_call(&(struct message){ MESSAGE_JOB, payload, size }, false, &read, &data),
                        -EBADMSG);
}

static void test_an_answer_is_read_with_its_output(void **state) {
        const struct job_answer answer = { .id = 3, .size = 4, .error = -5, .outcome = JOB_DONE };
        const struct message message = { MESSAGE_RESULT, payload, sizeof(answer) + 5 };
        struct job_answer read;
        const void *data;

        memset(payload, 0, sizeof(payload));
        memcpy(payload, &answer, sizeof(answer));
        assert_int_equal(job_read_answer(&message, false, &read, &data), 0);
        assert_memory_equal(&read, &answer, sizeof(answer));
        assert_ptr_equal(data, payload + sizeof(answer));
}

static void test_an_answer_that_makes_no_sense_is_refused(void **state) {
        static const struct job_answer bad[] = {
                { .size = 0 },
                { .size = 1 },
                { .outcome = _JOB_OUTCOME_MAX },
                { .size = UINT64_MAX },
        };
        struct job_answer read;
        const void *data;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(job_read_answer(&(struct message){ MESSAGE_RESULT, (const char *) &bad[i],
                                                                    sizeof(bad[i]) },
                                                 false, &read, &data),
                                 -EBADMSG);
        for (size_t size = 0; size < sizeof(struct job_answer); size++)
                assert_int_equal(job_read_answer(&(struct message){ MESSAGE_RESULT, payload, size }, false,
                                                 &read, &data),
                                 -EBADMSG);
}

static void test_data_without_its_end_is_refused(void **state) {
        const struct job_call call = { .size = 5, .timeout = 1, .task = "sum" };
        struct message message = call_of(&call, 6);
        struct job_call read;
        const void *data;

        payload[sizeof(call) + 5] = 'x';
        assert_int_equal(job_read_call(&message, false, &read, &data), -EBADMSG);
}

static void test_memory_arrives_as_it_was_written(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 1 << 20 };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_fd_ int fd = -1;
                char *memory;
                void *seen;

                fd = job_memory_new(sizes[i], &memory);
                assert_true(fd >= 0);
                memset(memory, 'x', sizes[i]);
                assert_int_equal(job_memory_seal(fd, memory, sizes[i], sizes[i] / 2), 0);
                assert_int_equal(job_memory_map(fd, sizes[i] / 2, &seen), 0);
                assert_int_equal(strlen(seen), sizes[i] / 2);
                job_memory_unmap(seen, sizes[i] / 2);
        }
}

static void test_memory_of_another_size_is_refused(void **state) {
        _cleanup_fd_ int fd = -1;
        char *memory;
        void *seen;

        fd = job_memory_new(100, &memory);
        assert_int_equal(job_memory_seal(fd, memory, 100, 100), 0);
        assert_int_equal(job_memory_map(fd, 99, &seen), -EBADMSG);
        assert_int_equal(job_memory_map(fd, 101, &seen), -EBADMSG);
}

static void test_memory_that_could_change_is_refused(void **state) {
        _cleanup_fd_ int unsealed = -1, shared = -1, file = -1, reading = -1;
        void *seen;
        int fds[2];

        unsealed = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(unsealed, 5), 0);
        assert_int_equal(job_memory_map(unsealed, 4, &seen), -EBADMSG);
        shared = fd_memfd_shared("test", 5);
        assert_int_equal(job_memory_map(shared, 4, &seen), -EBADMSG);
        file = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(job_memory_map(file, 0, &seen), -EBADMSG);
        assert_int_equal(pipe(fds), 0);
        reading = fds[0];
        fd_close(fds[1]);
        assert_int_equal(job_memory_map(reading, 0, &seen), -EBADMSG);
}

static void test_memory_without_its_end_is_refused(void **state) {
        _cleanup_fd_ int fd = -1;
        void *seen;

        fd = fd_memfd_sealed("test", "12345", 5);
        assert_int_equal(job_memory_map(fd, 4, &seen), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_call_is_read_with_its_input),
                cmocka_unit_test(test_what_a_descriptor_brings_does_not_follow),
                cmocka_unit_test(test_a_call_that_makes_no_sense_is_refused),
                cmocka_unit_test(test_an_answer_is_read_with_its_output),
                cmocka_unit_test(test_an_answer_that_makes_no_sense_is_refused),
                cmocka_unit_test(test_data_without_its_end_is_refused),
                cmocka_unit_test(test_memory_arrives_as_it_was_written),
                cmocka_unit_test(test_memory_of_another_size_is_refused),
                cmocka_unit_test(test_memory_that_could_change_is_refused),
                cmocka_unit_test(test_memory_without_its_end_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
