/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel-fixture.h"
#include "util/fd.h"
#include "util/macro.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, channel_fixture_set_up, channel_fixture_tear_down)

static void send_failed(int fd, const char *reason) {
        char buffer[64];
        int n = message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, reason, strlen(reason));

        assert_int_equal(send(fd, buffer, (size_t) n, 0), n);
}

static void test_messages_arrive_whole_and_in_order(void **state) {
        struct channel_fixture *fixture = *state;

        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        send_failed(fixture->peer, "because");
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 2);
        assert_int_equal(fixture->last, MESSAGE_FAILED);
        assert_string_equal(fixture->payload, "because");
        assert_int_equal(fixture->closed, 1);
}

static void test_last_words_are_read_before_the_end(void **state) {
        struct channel_fixture *fixture = *state;

        send_failed(fixture->peer, "farewell");
        fixture->peer = fd_close(fixture->peer);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_int_equal(fixture->closed, 0);
}

static void test_last_words_are_read_though_the_peer_has_not_read_ours(void **state) {
        struct channel_fixture *fixture = *state;

        assert_int_equal(channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0), 0);
        send_failed(fixture->peer, "farewell");
        fixture->peer = fd_close(fixture->peer);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_string_equal(fixture->payload, "farewell");
        assert_int_equal(fixture->closed, 0);
}

static void test_at_the_end_all_that_has_come_is_read_and_nothing_more_is_taken(void **state) {
        struct channel_fixture *fixture = *state;
        char buffer[64];

        for (int i = 0; i < 40; i++)
                send_failed(fixture->peer, "x");
        channel_read_rest(fixture->channel, USEC_NEVER);
        assert_int_equal(fixture->n_messages, 40);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), -EPIPE);
        assert_int_equal(fixture->closed, 1);

        assert_int_equal(channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0), 0);
        channel_fixture_run(fixture);
        assert_true(recv(fixture->peer, buffer, sizeof(buffer), MSG_DONTWAIT) > 0);
}

static void test_at_the_end_it_reads_for_so_long_and_no_longer(void **state) {
        struct channel_fixture *fixture = *state;

        send_failed(fixture->peer, "x");
        channel_read_rest(fixture->channel, now_monotonic());
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), -EPIPE);
}

static void test_who_sends_rubbish_at_the_end_is_cut_off_too(void **state) {
        struct channel_fixture *fixture = *state;

        assert_int_equal(send(fixture->peer, "rubbish, all of it", 18, 0), 18);
        send_failed(fixture->peer, "x");
        channel_read_rest(fixture->channel, USEC_NEVER);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(fixture->closed, -EBADMSG);
}

static void test_who_sends_rubbish_is_cut_off(void **state) {
        struct channel_fixture *fixture = *state;

        assert_int_equal(send(fixture->peer, "rubbish, all of it", 18, 0), 18);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0), -EPIPE);
}

static void test_a_datagram_that_is_too_large_is_rubbish(void **state) {
        struct channel_fixture *fixture = *state;
        static char large[MESSAGE_SIZE_MAX + 1];

        assert_int_equal(send(fixture->peer, large, sizeof(large), 0), sizeof(large));
        channel_fixture_run(fixture);
        assert_int_equal(fixture->closed, -EBADMSG);
}

static void test_a_flood_does_not_starve_the_loop(void **state) {
        struct channel_fixture *fixture = *state;
        unsigned int sent = 0;

        while (channel_send_raw(fixture->peer, MESSAGE_READY) == 0)
                sent++;
        assert_true(sent > 100);
        for (unsigned int before = 0; before < sent; before = fixture->n_messages) {
                assert_true(sd_event_run(fixture->event, 0) > 0);
                assert_in_range(fixture->n_messages - before, 1, 32);
        }
}

static void test_a_callback_may_free_its_channel(void **state) {
        struct channel_fixture *fixture = *state;

        fixture->free_on_message = true;
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_null(fixture->channel);
}

/* A frame with copies of a descriptor, as a peer that keeps to no rules sends it. */
static void send_with_fds(int socket, enum message_type type, const void *more, size_t more_size, int fd,
                          unsigned int n_fds) {
        char buffer[64];
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * 8)];
        } control = {};
        int n = message_encode(buffer, sizeof(buffer), type, NULL, 0);
        struct iovec bytes[] = { { buffer, (size_t) n }, { (void *) more, more_size } };
        const struct msghdr datagram = {
                .msg_iov = bytes,
                .msg_iovlen = 2,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(sizeof(int) * n_fds),
        };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        for (unsigned int i = 0; i < n_fds; i++)
                memcpy(CMSG_DATA(&control.header) + sizeof(int) * i, &fd, sizeof(fd));
        assert_int_equal(sendmsg(socket, &datagram, 0), (ssize_t) ((size_t) n + more_size));
}

/* A frame with one end of a pipe; when nobody has that end any more, the other one tells. */
static void send_with_pipe(struct channel_fixture *fixture, enum message_type type, unsigned int n_fds,
                           int ret_pipe[static 2]) {
        assert_int_equal(pipe2(ret_pipe, O_NONBLOCK | O_CLOEXEC), 0);
        send_with_fds(fixture->peer, type, NULL, 0, ret_pipe[1], n_fds);
        ret_pipe[1] = fd_close(ret_pipe[1]);
}

static void test_a_descriptor_comes_with_its_frame(void **state) {
        struct channel_fixture *fixture = *state;
        char text[3] = "";
        int ends[2];

        fixture->take_fd = true;
        send_with_pipe(fixture, MESSAGE_LISTENER, 1, ends);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->last, MESSAGE_LISTENER);
        assert_true(fixture->fd >= 0);
        assert_int_equal(write(fixture->fd, "hi", 2), 2);
        assert_int_equal(read(ends[0], text, 2), 2);
        assert_string_equal(text, "hi");
        assert_int_equal(fcntl(fixture->fd, F_GETFD), FD_CLOEXEC);
        fd_close(ends[0]);
}

static void test_a_descriptor_that_nobody_takes_is_closed(void **state) {
        struct channel_fixture *fixture = *state;
        char byte;
        int ends[2];

        send_with_pipe(fixture, MESSAGE_LISTENER, 1, ends);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 1);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

static void test_a_descriptor_where_none_belongs_is_rubbish(void **state) {
        struct channel_fixture *fixture = *state;
        char byte;
        int ends[2];

        send_with_pipe(fixture, MESSAGE_READY, 1, ends);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

static void test_more_descriptors_than_belong_are_rubbish_and_closed(void **state) {
        struct channel_fixture *fixture = *state;
        char byte;
        int ends[2];

        send_with_pipe(fixture, MESSAGE_LISTENER, 2, ends);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

static void test_more_descriptors_than_anything_has_are_rubbish_and_closed(void **state) {
        struct channel_fixture *fixture = *state;
        char byte;
        int ends[2];

        send_with_pipe(fixture, MESSAGE_LISTENER, 7, ends);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

static void test_a_descriptor_belongs_to_a_frame_that_is_alone(void **state) {
        struct channel_fixture *fixture = *state;
        char ready[16];
        int ends[2], n = message_encode(ready, sizeof(ready), MESSAGE_READY, NULL, 0);
        char byte;

        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        send_with_fds(fixture->peer, MESSAGE_LISTENER, ready, (size_t) n, ends[1], 1);
        ends[1] = fd_close(ends[1]);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->n_messages, 0);
        assert_int_equal(fixture->closed, -EBADMSG);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

/* What the kernel returns for one with no bytes is what it returns at the end, but it has handed over the descriptors. */
static void test_descriptors_of_an_empty_datagram_are_closed(void **state) {
        struct channel_fixture *fixture = *state;
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {};
        const struct msghdr datagram = { .msg_control = &control,
                                         .msg_controllen = CMSG_SPACE(sizeof(int)) };
        int ends[2];
        char byte;

        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &ends[1], sizeof(int));
        assert_int_equal(sendmsg(fixture->peer, &datagram, 0), 0);
        ends[1] = fd_close(ends[1]);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->closed, 0);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_messages_arrive_whole_and_in_order),
                TEST(test_last_words_are_read_before_the_end),
                TEST(test_last_words_are_read_though_the_peer_has_not_read_ours),
                TEST(test_at_the_end_all_that_has_come_is_read_and_nothing_more_is_taken),
                TEST(test_at_the_end_it_reads_for_so_long_and_no_longer),
                TEST(test_who_sends_rubbish_at_the_end_is_cut_off_too),
                TEST(test_who_sends_rubbish_is_cut_off),
                TEST(test_a_datagram_that_is_too_large_is_rubbish),
                TEST(test_a_flood_does_not_starve_the_loop),
                TEST(test_a_callback_may_free_its_channel),
                TEST(test_a_descriptor_comes_with_its_frame),
                TEST(test_a_descriptor_that_nobody_takes_is_closed),
                TEST(test_a_descriptor_where_none_belongs_is_rubbish),
                TEST(test_more_descriptors_than_belong_are_rubbish_and_closed),
                TEST(test_more_descriptors_than_anything_has_are_rubbish_and_closed),
                TEST(test_a_descriptor_belongs_to_a_frame_that_is_alone),
                TEST(test_descriptors_of_an_empty_datagram_are_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
