/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "ipc/message.h"
#include "util/macro.h"

/* A datagram that is exactly one frame. */
static int decode(const void *datagram, size_t size, enum message_sender sender, struct message *ret) {
        size_t offset = 0;
        int r;

        r = message_next(datagram, size, &offset, sender, ret);
        if (r == 1)
                assert_int_equal(offset, size);
        return r;
}

static void test_what_is_encoded_is_decoded(void **state) {
        char buffer[64];
        struct message message;
        int n;

        n = message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, "no such table", 13);
        assert_int_equal(n, 24);
        assert_int_equal(decode(buffer, (size_t) n, SENDER_WORKER, &message), 1);
        assert_int_equal(message.type, MESSAGE_FAILED);
        assert_int_equal(message.size, 13);
        assert_memory_equal(message.payload, "no such table", 13);
}

static void test_a_datagram_holds_any_number_of_frames(void **state) {
        _Alignas(8) char buffer[256];
        struct message message;
        size_t size = 0, offset = 0;

        for (unsigned int i = 0; i < 5; i++)
                size += (size_t) message_encode(buffer + size, sizeof(buffer) - size, MESSAGE_FAILED,
                                                "12345678", i);
        for (unsigned int i = 0; i < 5; i++) {
                assert_int_equal(message_next(buffer, size, &offset, SENDER_WORKER, &message), 1);
                assert_int_equal(message.size, i);
                assert_memory_equal(message.payload, "12345678", i);
                assert_int_equal((uintptr_t) message.payload % MESSAGE_ALIGN, 0);
        }
        assert_int_equal(message_next(buffer, size, &offset, SENDER_WORKER, &message), 0);
        assert_int_equal(message_next(buffer, size, &offset, SENDER_WORKER, &message), 0);
}

static void test_frames_before_a_broken_one_are_good(void **state) {
        char buffer[64];
        struct message message;
        size_t size, offset = 0;

        size = (size_t) message_encode(buffer, sizeof(buffer), MESSAGE_READY, NULL, 0);
        memset(buffer + size, 0xff, 16);
        assert_int_equal(message_next(buffer, size + 16, &offset, SENDER_WORKER, &message), 1);
        assert_int_equal(message_next(buffer, size + 16, &offset, SENDER_WORKER, &message), -EBADMSG);
        assert_int_equal(offset, size);
}

static void test_a_payload_of_the_wrong_size_for_its_type_is_not_encoded(void **state) {
        static char buffer[MESSAGE_SIZE_MAX], payload[2048];

        assert_int_equal(message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, payload, 1025), -EMSGSIZE);
        assert_int_equal(message_encode(buffer, sizeof(buffer), MESSAGE_READY, payload, 2), -EMSGSIZE);
        assert_int_equal(message_encode(buffer, sizeof(buffer), MESSAGE_REFUSED, payload, 4), -EMSGSIZE);
        assert_int_equal(message_encode(buffer, 4, MESSAGE_READY, NULL, 0), -EMSGSIZE);
        assert_int_equal(message_encode(buffer, 20, MESSAGE_FAILED, payload, 12), -EMSGSIZE);
}

static void test_a_truncated_frame_is_refused(void **state) {
        char buffer[64];
        struct message message;
        int n = message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, "because", 7);

        for (int size = 1; size < n; size++)
                assert_int_equal(decode(buffer, (size_t) size, SENDER_WORKER, &message), -EBADMSG);
}

static void test_padding_must_be_zero(void **state) {
        char buffer[64];
        struct message message;
        int n = message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, "because", 7);

        buffer[n - 1] = 1;
        assert_int_equal(decode(buffer, (size_t) n, SENDER_WORKER, &message), -EBADMSG);
}

static int decode_header(uint16_t version, uint16_t type, uint32_t size, size_t sent,
                         enum message_sender sender) {
        struct message_header header = { .version = version, .type = type, .size = size };
        static char buffer[MESSAGE_SIZE_MAX];
        struct message message;

        memcpy(buffer, &header, sizeof(header));
        return decode(buffer, message_frame_size(sent), sender, &message);
}

static void test_another_version_is_refused(void **state) {
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_READY, 0, 0, SENDER_WORKER), 1);
        assert_int_equal(decode_header(MESSAGE_VERSION + 1, MESSAGE_READY, 0, 0, SENDER_WORKER), -EBADMSG);
        assert_int_equal(decode_header(0, MESSAGE_READY, 0, 0, SENDER_WORKER), -EBADMSG);
}

static void test_an_unknown_type_is_refused(void **state) {
        assert_int_equal(decode_header(MESSAGE_VERSION, _MESSAGE_TYPE_MAX, 0, 0, SENDER_WORKER), -EBADMSG);
        assert_int_equal(decode_header(MESSAGE_VERSION, UINT16_MAX, 0, 0, SENDER_WORKER), -EBADMSG);
}

static void test_a_size_that_lies_is_refused(void **state) {
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_FAILED, 16, 16, SENDER_WORKER), 1);
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_FAILED, 17, 16, SENDER_WORKER), -EBADMSG);
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_FAILED, UINT32_MAX, 16, SENDER_WORKER),
                         -EBADMSG);
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_FAILED, 1025, 1025, SENDER_WORKER),
                         -EBADMSG);
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_READY, 2, 2, SENDER_WORKER), -EBADMSG);
}

static void test_a_child_cannot_say_what_only_the_master_says(void **state) {
        static const enum message_type masters[] = { MESSAGE_MUSTER_READY, MESSAGE_DRAIN, MESSAGE_STOP };

        for (size_t i = 0; i < ELEMENTSOF(masters); i++) {
                uint16_t type = (uint16_t) masters[i];

                assert_int_equal(decode_header(MESSAGE_VERSION, type, 0, 0, SENDER_MASTER), 1);
                assert_int_equal(decode_header(MESSAGE_VERSION, type, 0, 0, SENDER_WORKER), -EBADMSG);
                assert_int_equal(decode_header(MESSAGE_VERSION, type, 0, 0, SENDER_AGENT), -EBADMSG);
        }
        assert_int_equal(decode_header(MESSAGE_VERSION, MESSAGE_SUICIDE, 0, 0, SENDER_MASTER), -EBADMSG);
}

static void test_every_type_has_a_name(void **state) {
        for (int type = 0; type < _MESSAGE_TYPE_MAX; type++)
                assert_non_null(message_name((enum message_type) type));
        assert_string_equal(message_name(_MESSAGE_TYPE_MAX), "unknown");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_encoded_is_decoded),
                cmocka_unit_test(test_a_datagram_holds_any_number_of_frames),
                cmocka_unit_test(test_frames_before_a_broken_one_are_good),
                cmocka_unit_test(test_a_payload_of_the_wrong_size_for_its_type_is_not_encoded),
                cmocka_unit_test(test_a_truncated_frame_is_refused),
                cmocka_unit_test(test_padding_must_be_zero),
                cmocka_unit_test(test_another_version_is_refused),
                cmocka_unit_test(test_an_unknown_type_is_refused),
                cmocka_unit_test(test_a_size_that_lies_is_refused),
                cmocka_unit_test(test_a_child_cannot_say_what_only_the_master_says),
                cmocka_unit_test(test_every_type_has_a_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
