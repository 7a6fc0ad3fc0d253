/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/outbox.h"
#include "util/fd.h"
#include "util/macro.h"

static char payload[MESSAGE_DATA_MAX];

static int append(struct outbox *outbox, size_t size) {
        return outbox_append(outbox, MESSAGE_APP, payload, size);
}

static size_t count(const struct outbox *outbox) {
        size_t n = 0;

        for (const struct packet *packet = outbox->first; packet; packet = packet->next)
                n++;
        return n;
}

static void test_an_empty_outbox_has_nothing(void **state) {
        struct outbox outbox = OUTBOX_NULL;

        assert_true(outbox_empty(&outbox));
        outbox_pop(&outbox);
        outbox_deinit(&outbox);
        assert_int_equal(append(&outbox, 24), -ENOBUFS); /* without bounds nothing waits */
        assert_null(outbox.first);
}

static void test_frames_share_a_datagram_until_it_is_full(void **state) {
        struct outbox outbox = { .bytes_max = 1000000 };
        size_t n = MESSAGE_SIZE_MAX / message_frame_size(100);

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(append(&outbox, 100), 0);
                assert_int_equal(count(&outbox), 1);
                assert_true(outbox.first->room >= outbox.first->size);
        }
        assert_int_equal(append(&outbox, 100), 0);
        assert_int_equal(count(&outbox), 2);
        assert_int_equal(outbox.bytes, (n + 1) * message_frame_size(100));
        assert_true(outbox.last->room < 1024); /* a lone one takes little */
        outbox_pop(&outbox);
        assert_int_equal(outbox.bytes, message_frame_size(100));
        outbox_pop(&outbox);
        assert_true(outbox_empty(&outbox));
        assert_int_equal(outbox.bytes, 0);
}

static void test_a_datagram_that_grows_keeps_its_place(void **state) {
        struct outbox outbox = { .bytes_max = 1000000 };
        struct message message;
        size_t offset = 0;

        assert_int_equal(append(&outbox, 60000), 0);
        memset(payload, 'x', 200);
        assert_int_equal(append(&outbox, 200), 0);
        assert_int_equal(append(&outbox, 50000), 0);
        assert_int_equal(append(&outbox, 200), 0);
        assert_int_equal(count(&outbox), 2);
        outbox_pop(&outbox);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(message_next(outbox.first->bytes, outbox.first->size, &offset,
                                              SENDER_MASTER, &message),
                                 1);
                assert_memory_equal(message.payload, payload, message.size);
        }
        assert_int_equal(offset, outbox.first->size);
        outbox_deinit(&outbox);
}

static void test_bounds_hold(void **state) {
        struct outbox outbox = { .bytes_max = 1000, .fds_max = 2 };
        const int fds[] = { STDERR_FILENO, STDERR_FILENO };

        assert_int_equal(append(&outbox, 900), 0);
        assert_int_equal(append(&outbox, 90), -ENOBUFS);
        assert_int_equal(append(&outbox, 80), 0);
        outbox_pop(&outbox);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_APP, payload, 100, fds, 2), 0);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_APP, payload, 100, fds, 1), -ENOBUFS);
        assert_int_equal(outbox.n_fds, 2);
        outbox_pop(&outbox);
        assert_int_equal(outbox.n_fds, 0);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_APP, payload, 1000, fds, 1), -ENOBUFS);
        assert_true(outbox_empty(&outbox));
}

static void test_what_its_type_may_not_have_is_refused(void **state) {
        struct outbox outbox = { .bytes_max = 1000, .fds_max = 2 };
        const int fds[] = { STDERR_FILENO, -1 };

        assert_int_equal(outbox_append(&outbox, MESSAGE_READY, payload, 2), -EMSGSIZE);
        assert_int_equal(append(&outbox, 1), -EMSGSIZE);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_READY, NULL, 0, fds, 1), -EINVAL);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_LISTENER, NULL, 0, fds, 2), -EINVAL);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_APP, payload, 24, fds, 2), -EBADF);
        assert_true(outbox_empty(&outbox));
        assert_int_equal(outbox.bytes + outbox.n_fds, 0);
}

static void test_a_frame_with_descriptors_is_alone(void **state) {
        struct outbox outbox = { .bytes_max = 1000, .fds_max = 2 };
        const int fds[] = { STDERR_FILENO };

        assert_int_equal(append(&outbox, 100), 0);
        assert_int_equal(outbox_append_fds(&outbox, MESSAGE_APP, payload, 100, fds, 1), 0);
        assert_int_equal(append(&outbox, 100), 0);
        assert_int_equal(append(&outbox, 100), 0);
        assert_int_equal(count(&outbox), 3);
        assert_int_equal(outbox.first->n_fds, 0);
        assert_int_equal(outbox.first->next->n_fds, 1);
        assert_int_not_equal(outbox.first->next->fds[0], STDERR_FILENO);
        assert_int_equal(fcntl(outbox.first->next->fds[0], F_GETFD), FD_CLOEXEC);
        assert_int_equal(outbox.last->size, 2 * message_frame_size(100));
        outbox_deinit(&outbox);
        assert_int_equal(outbox.bytes + outbox.n_fds, 0);
}

/* Many slow receivers of many messages must not keep any other from being told to stop. */
static void test_what_is_urgent_has_room_whatever_others_take(void **state) {
        struct outbox greedy = { .bytes_max = SIZE_MAX / 2 }, bulk = { .bytes_max = 1000 },
                      urgent = { .bytes_max = 1000, .urgent = true };
        int r = 0;

        for (size_t n = 0; r == 0 && n < 10000; n++)
                r = append(&greedy, MESSAGE_DATA_MAX);
        while (append(&greedy, 24) == 0)
                ;
        assert_int_equal(r, -ENOBUFS);
        assert_int_equal(append(&bulk, 24), -ENOBUFS);
        for (unsigned int i = 0; i < 10; i++)
                assert_int_equal(outbox_append(&urgent, MESSAGE_DRAIN, NULL, 0), 0);
        outbox_deinit(&greedy);
        assert_int_equal(append(&bulk, 24), 0);
        outbox_deinit(&bulk);
        outbox_deinit(&urgent);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_empty_outbox_has_nothing),
                cmocka_unit_test(test_frames_share_a_datagram_until_it_is_full),
                cmocka_unit_test(test_a_datagram_that_grows_keeps_its_place),
                cmocka_unit_test(test_bounds_hold),
                cmocka_unit_test(test_what_its_type_may_not_have_is_refused),
                cmocka_unit_test(test_a_frame_with_descriptors_is_alone),
                cmocka_unit_test(test_what_is_urgent_has_room_whatever_others_take),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
