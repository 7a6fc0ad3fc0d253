/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ipc/envelope.h"
#include "util/macro.h"

static _Alignas(MESSAGE_ALIGN) char payload[MESSAGE_SIZE_MAX];
static char data[MESSAGE_DATA_MAX];

static struct message_envelope head_of(const char *action, size_t size) {
        return (struct message_envelope){
                .target = ENVELOPE_APP,
                .action_size = (uint8_t) strlen(action),
                .data_size = (uint32_t) size,
        };
}

static void test_what_is_written_is_read(void **state) {
        static const size_t sizes[] = { 0, 1, 7, 8, 9, 1000, MESSAGE_DATA_MAX };
        static const char *const actions[] = { "a", "refresh", "12345678", "/items/{id} changed" };

        memset(data, 'd', sizeof(data));
        for (size_t i = 0; i < ELEMENTSOF(sizes) * ELEMENTSOF(actions); i++) {
                size_t size = sizes[i % ELEMENTSOF(sizes)];
                const char *action = actions[i / ELEMENTSOF(sizes)];
                struct message_envelope head = head_of(action, size);
                struct envelope envelope;

                assert_true(envelope_size(&head) <= sizeof(payload));
                envelope_write(payload, &head, action, data);
                assert_int_equal(envelope_read(payload, envelope_size(&head), &envelope), 0);
                assert_memory_equal(&envelope.head, &head, sizeof(head));
                assert_string_equal(envelope.action, action);
                assert_memory_equal(envelope.data, data, size);
                assert_int_equal(envelope.data[size], '\0');
                assert_int_equal((uintptr_t) envelope.data % MESSAGE_ALIGN, 0);
        }
}

static void test_the_largest_fits_into_a_frame(void **state) {
        struct message_envelope head = { .action_size = UINT8_MAX, .data_size = MESSAGE_DATA_MAX };

        assert_int_equal(message_check_size(MESSAGE_APP, envelope_size(&head)), 0);
}

static void test_shared_data_is_not_in_it(void **state) {
        struct message_envelope head = head_of("large", ENVELOPE_DATA_MAX);
        struct envelope envelope;

        head.flags = ENVELOPE_SHARED | ENVELOPE_HANDLE;
        assert_int_equal(envelope_size(&head), sizeof(head) + 8);
        assert_int_equal(envelope_fds(&head), 2);
        envelope_write(payload, &head, "large", NULL);
        assert_int_equal(envelope_read(payload, envelope_size(&head), &envelope), 0);
        assert_null(envelope.data);
        assert_int_equal(envelope.head.data_size, ENVELOPE_DATA_MAX);
}

static void test_a_truncated_one_is_refused(void **state) {
        struct message_envelope head = head_of("refresh", 20);
        struct envelope envelope;

        envelope_write(payload, &head, "refresh", data);
        for (size_t size = 0; size < envelope_size(&head); size++)
                assert_int_equal(envelope_read(payload, size, &envelope), -EBADMSG);
        assert_int_equal(envelope_read(payload, envelope_size(&head) + 1, &envelope), -EBADMSG);
}

/* Whether a head is refused though everything around it is right. */
static bool is_refused(struct message_envelope head) {
        struct envelope envelope;

        memset(payload, 0, sizeof(payload));
        envelope_write(payload, &head, "refreshed-and-more-that-is-not-looked-at", data);
        return envelope_read(payload, envelope_size(&head), &envelope) == -EBADMSG;
}

static void test_a_head_that_makes_no_sense_is_refused(void **state) {
        static const struct {
                struct message_envelope head;
                bool refused;
        } rows[] = {
                { { .action_size = 3 }, false },
                { { .action_size = 0 }, true },
                { { .action_size = 3, .target = _ENVELOPE_TARGET_MAX }, true },
                { { .action_size = 3, .flags = ENVELOPE_FLAGS + 1 }, true },
                { { .action_size = 3, .target_pid = 5 }, true },
                { { .action_size = 3, .target = ENVELOPE_PID }, true },
                { { .action_size = 3, .target = ENVELOPE_PID, .target_pid = -5 }, true },
                { { .action_size = 3, .target = ENVELOPE_PID, .target_pid = 5 }, false },
                { { .action_size = 3, .target = ENVELOPE_AGENT, .target_pid = -5 }, true },
                { { .action_size = 3, .id = 1 }, true },
                { { .action_size = 3, .flags = ENVELOPE_ASKS }, true },
                { { .action_size = 3, .flags = ENVELOPE_ASKS, .id = 1 }, true }, /* whom? */
                { { .action_size = 3, .target = ENVELOPE_AGENT, .flags = ENVELOPE_ASKS, .id = 1 }, false },
                { { .action_size = 3, .target = ENVELOPE_AGENT, .flags = ENVELOPE_REPLY, .id = 1 }, true },
                { { .action_size = 3,
                    .target = ENVELOPE_PID,
                    .target_pid = 5,
                    .flags = ENVELOPE_REPLY,
                    .id = 1,
                    .error = -13 },
                  false },
                { { .action_size = 3,
                    .target = ENVELOPE_PID,
                    .target_pid = 5,
                    .flags = ENVELOPE_REPLY,
                    .id = 1,
                    .error = 13 },
                  true },
                { { .action_size = 3,
                    .target = ENVELOPE_PID,
                    .target_pid = 5,
                    .flags = ENVELOPE_REPLY | ENVELOPE_ASKS,
                    .id = 1 },
                  true },
                { { .action_size = 3, .error = -13 }, true },
                { { .action_size = 3, .flags = ENVELOPE_SHARED, .data_size = 10 }, true },
                { { .action_size = 3, .flags = ENVELOPE_SHARED, .data_size = MESSAGE_DATA_MAX + 1 }, false },
                { { .action_size = 3, .flags = ENVELOPE_SHARED, .data_size = ENVELOPE_DATA_MAX + 1 }, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (is_refused(rows[i].head) != rows[i].refused)
                        fail_msg("row %zu", i);
}

static void test_texts_that_do_not_end_where_they_say_are_refused(void **state) {
        struct message_envelope head = head_of("refresh", 3);
        size_t size = envelope_size(&head), action = sizeof(head), end = size - 1;
        struct envelope envelope;

        envelope_write(payload, &head, "refresh", "abc");
        payload[end] = 'x';
        assert_int_equal(envelope_read(payload, size, &envelope), -EBADMSG);
        payload[end] = '\0';
        assert_int_equal(envelope_read(payload, size, &envelope), 0);
        payload[action + 2] = '\0';
        assert_int_equal(envelope_read(payload, size, &envelope), -EBADMSG);
        payload[action + 2] = 'f';
        payload[action + 7] = 'x';
        assert_int_equal(envelope_read(payload, size, &envelope), -EBADMSG);
}

static void test_nobody_says_that_muster_is_ready(void **state) {
        static const struct {
                const char *action;
                int result;
        } rows[] = { { "muster-ready", -EBADMSG },
                     { "muster-ready2", 0 },
                     { "muster-read", 0 },
                     { "Muster-ready", 0 } };
        struct envelope envelope;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct message_envelope head = head_of(rows[i].action, 3);

                envelope_write(payload, &head, rows[i].action, "abc");
                assert_int_equal(envelope_read(payload, envelope_size(&head), &envelope), rows[i].result);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_written_is_read),
                cmocka_unit_test(test_the_largest_fits_into_a_frame),
                cmocka_unit_test(test_shared_data_is_not_in_it),
                cmocka_unit_test(test_a_truncated_one_is_refused),
                cmocka_unit_test(test_a_head_that_makes_no_sense_is_refused),
                cmocka_unit_test(test_texts_that_do_not_end_where_they_say_are_refused),
                cmocka_unit_test(test_nobody_says_that_muster_is_ready),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
