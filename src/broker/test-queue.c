/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "broker/queue.h"

static int push(struct queue *queue, unsigned int subscription, const char *subject, const void *data,
                size_t size) {
        struct queue_message *message = NULL;
        int r;

        assert_int_equal(queue_message_new(&message, subscription, subject, data, size), 0);
        r = queue_push(queue, message);
        if (r < 0)
                queue_message_free(message);
        return r;
}

static void messages_come_out_in_order_and_whole(void **state) {
        struct queue queue = { .limit = 1 << 20 };
        struct queue_message *message;
        char subject[16];

        assert_null(queue_pop(&queue));
        for (unsigned int i = 0; i < 100; i++) {
                (void) snprintf(subject, sizeof(subject), "s.%u", i);
                assert_int_equal(push(&queue, i, subject, &i, sizeof(i)), 0);
        }
        for (unsigned int i = 0; i < 100; i++) {
                (void) snprintf(subject, sizeof(subject), "s.%u", i);
                message = queue_pop(&queue);
                assert_non_null(message);
                assert_int_equal(message->subscription, i);
                assert_string_equal(message->subject, subject);
                assert_int_equal(message->size, sizeof(i));
                assert_memory_equal(message->data, &i, sizeof(i));
                assert_int_equal(message->data[sizeof(i)], '\0');
                queue_message_free(message);
        }
        assert_null(queue_pop(&queue));
        assert_int_equal(queue.used, 0);
}

static void a_message_may_be_empty_or_hold_any_byte(void **state) {
        struct queue queue = { .limit = 1 << 20 };
        struct queue_message *message;

        assert_int_equal(push(&queue, 1, "a", NULL, 0), 0);
        assert_int_equal(push(&queue, 2, "b", "\0\n\xff", 3), 0);
        message = queue_pop(&queue);
        assert_int_equal(message->size, 0);
        assert_string_equal(message->data, "");
        queue_message_free(message);
        message = queue_pop(&queue);
        assert_int_equal(message->size, 3);
        assert_memory_equal(message->data, "\0\n\xff", 4);
        queue_message_free(message);
}

static void what_exceeds_the_limit_is_refused_and_what_waits_stays(void **state) {
        struct queue queue = { .limit = 4096 };
        struct queue_message *message;
        unsigned int n = 0;

        while (push(&queue, n, "subject", "0123456789", 10) == 0)
                n++;
        assert_in_range(n, 10, 4096 / 17);
        assert_true(queue.used <= 4096);
        assert_false(queue_has_room(&queue, 7, 10));
        assert_int_equal(push(&queue, n, "subject", "0123456789", 10), -ENOBUFS);

        message = queue_pop(&queue);
        assert_int_equal(message->subscription, 0);
        queue_message_free(message);
        assert_true(queue_has_room(&queue, 7, 10));
        assert_int_equal(push(&queue, n, "subject", "0123456789", 10), 0);
        queue_clear(&queue);
        assert_int_equal(queue.used, 0);
        assert_null(queue_pop(&queue));
}

static void one_that_is_larger_than_the_limit_passes_alone(void **state) {
        static const char large[8192];
        struct queue queue = { .limit = 4096 };

        assert_int_equal(push(&queue, 1, "large", large, sizeof(large)), 0);
        assert_int_equal(push(&queue, 2, "small", "", 0), -ENOBUFS);
        queue_clear(&queue);
        assert_int_equal(push(&queue, 2, "small", "", 0), 0);
        assert_int_equal(push(&queue, 1, "large", large, sizeof(large)), -ENOBUFS);
        queue_clear(&queue);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(messages_come_out_in_order_and_whole),
                cmocka_unit_test(a_message_may_be_empty_or_hold_any_byte),
                cmocka_unit_test(what_exceeds_the_limit_is_refused_and_what_waits_stays),
                cmocka_unit_test(one_that_is_larger_than_the_limit_passes_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
