/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/channel.h"
#include "util/fd.h"
#include "util/macro.h"

struct fixture {
        sd_event *event;
        struct channel *channel;
        int peer;
        unsigned int n_messages;
        enum message_type last;
        char payload[MESSAGE_SIZE_MAX];
        int closed; /* the error, 1 while open */
        bool free_on_message;
        bool take_fd;
        int fd; /* that came with the last frame */
};

static void on_message(struct channel *channel, const struct message *message, void *userdata) {
        struct fixture *fixture = userdata;

        fixture->n_messages++;
        fixture->last = message->type;
        memcpy(fixture->payload, message->payload, message->size);
        fixture->payload[message->size] = '\0';
        if (fixture->take_fd)
                fixture->fd = channel_take_fd(channel);
        if (fixture->free_on_message)
                fixture->channel = channel_free(fixture->channel);
}

static void on_closed(struct channel *channel, int error, void *userdata) {
        struct fixture *fixture = userdata;

        fixture->closed = error;
}

static int set_up(void **state) {
        static struct fixture fixture;
        int fds[2];

        fixture = (struct fixture){ .closed = 1, .fd = -1 };
        assert_int_equal(sd_event_new(&fixture.event), 0);
        assert_int_equal(channel_pair(fds), 0);
        fixture.peer = fds[1];
        assert_int_equal(channel_new(&fixture.channel, fixture.event, fds[0], SENDER_WORKER, on_message,
                                     on_closed, &fixture),
                         0);
        *state = &fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        channel_free(fixture->channel);
        fd_close(fixture->peer);
        fd_close(fixture->fd);
        sd_event_unref(fixture->event);
        return 0;
}

static void run_all(struct fixture *fixture) {
        while (sd_event_run(fixture->event, 0) > 0)
                ;
}

static void send_failed(int fd, const char *reason) {
        char buffer[MESSAGE_SIZE_MAX];
        int n = message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, reason, strlen(reason));

        assert_int_equal(send(fd, buffer, (size_t) n, 0), n);
}

static void test_messages_arrive_whole_and_in_order(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        send_failed(fixture->peer, "because");
        run_all(fixture);
        assert_int_equal(fixture->n_messages, 2);
        assert_int_equal(fixture->last, MESSAGE_FAILED);
        assert_string_equal(fixture->payload, "because");
        assert_int_equal(fixture->closed, 1);
}

static void test_last_words_are_read_before_the_end(void **state) {
        struct fixture *fixture = *state;

        send_failed(fixture->peer, "farewell");
        fixture->peer = fd_close(fixture->peer);
        run_all(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_int_equal(fixture->closed, 0);
}

static void test_last_words_are_read_though_the_peer_has_not_read_ours(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0), 0);
        send_failed(fixture->peer, "farewell");
        fixture->peer = fd_close(fixture->peer);
        run_all(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_string_equal(fixture->payload, "farewell");
        assert_int_equal(fixture->closed, 0);
}

static void test_who_sends_rubbish_is_cut_off(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(send(fixture->peer, "rubbish, all of it", 18, 0), 18);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        run_all(fixture);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0), -EPIPE);
}

static void test_a_datagram_that_is_too_large_is_rubbish(void **state) {
        struct fixture *fixture = *state;
        static char large[MESSAGE_SIZE_MAX + 1];

        assert_int_equal(send(fixture->peer, large, sizeof(large), 0), sizeof(large));
        run_all(fixture);
        assert_int_equal(fixture->closed, -EBADMSG);
}

static void test_a_flood_does_not_starve_the_loop(void **state) {
        struct fixture *fixture = *state;
        unsigned int sent = 0;

        while (channel_send_raw(fixture->peer, MESSAGE_READY) == 0)
                sent++;
        assert_true(sent > 32);
        assert_true(sd_event_run(fixture->event, 0) > 0);
        assert_true(fixture->n_messages <= 32);
        run_all(fixture);
        assert_int_equal(fixture->n_messages, sent);
}

static void test_a_peer_that_does_not_read_never_blocks_the_sender(void **state) {
        struct fixture *fixture = *state;
        int r = 0;

        for (unsigned int i = 0; i < 100000 && r == 0; i++)
                r = channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0);
        assert_int_equal(r, -EAGAIN);
}

static void test_a_callback_may_free_its_channel(void **state) {
        struct fixture *fixture = *state;

        fixture->free_on_message = true;
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        run_all(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_null(fixture->channel);
}

/* A frame with one end of a pipe; when nobody has that end any more, the other one tells. */
static void send_with_pipe(struct fixture *fixture, enum message_type type, int ret_pipe[static 2]) {
        struct channel *sender = NULL;
        int copy = dup(fixture->peer);

        assert_int_equal(pipe2(ret_pipe, O_NONBLOCK | O_CLOEXEC), 0);
        assert_int_equal(
                channel_new(&sender, fixture->event, copy, SENDER_MASTER, on_message, on_closed, fixture),
                0);
        assert_int_equal(channel_send_fd(sender, type, ret_pipe[1]), 0);
        channel_free(sender);
        ret_pipe[1] = fd_close(ret_pipe[1]);
}

static void test_a_descriptor_comes_with_its_frame(void **state) {
        struct fixture *fixture = *state;
        char text[3] = "";
        int ends[2];

        fixture->take_fd = true;
        send_with_pipe(fixture, MESSAGE_LISTENER, ends);
        run_all(fixture);
        assert_int_equal(fixture->last, MESSAGE_LISTENER);
        assert_true(fixture->fd >= 0);
        assert_int_equal(write(fixture->fd, "hi", 2), 2);
        assert_int_equal(read(ends[0], text, 2), 2);
        assert_string_equal(text, "hi");
        assert_int_equal(fcntl(fixture->fd, F_GETFD), FD_CLOEXEC);
        fd_close(ends[0]);
}

static void test_a_descriptor_that_nobody_takes_is_closed(void **state) {
        struct fixture *fixture = *state;
        char byte;
        int ends[2];

        send_with_pipe(fixture, MESSAGE_LISTENER, ends);
        run_all(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

static void test_a_descriptor_where_none_belongs_is_rubbish(void **state) {
        struct fixture *fixture = *state;
        char byte;
        int ends[2];

        send_with_pipe(fixture, MESSAGE_READY, ends);
        run_all(fixture);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_messages_arrive_whole_and_in_order, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_last_words_are_read_before_the_end, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_last_words_are_read_though_the_peer_has_not_read_ours,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_who_sends_rubbish_is_cut_off, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_datagram_that_is_too_large_is_rubbish, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_flood_does_not_starve_the_loop, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_peer_that_does_not_read_never_blocks_the_sender,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_callback_may_free_its_channel, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_descriptor_comes_with_its_frame, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_descriptor_that_nobody_takes_is_closed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_descriptor_where_none_belongs_is_rubbish, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
