/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/channel-fixture.h"
#include "util/fd.h"
#include "util/macro.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, channel_fixture_set_up, channel_fixture_tear_down)

/* A message of the application with one byte and that many more. */
static int send_app(struct channel *channel, char byte, size_t more) {
        static char payload[MESSAGE_DATA_MAX + sizeof(struct message_envelope)];

        payload[sizeof(struct message_envelope)] = byte;
        return channel_send(channel, MESSAGE_APP, payload, sizeof(struct message_envelope) + 1 + more);
}

/* How many bytes the next datagram has, 0 for none. Its frames' first bytes are put behind `text`. */
static size_t next_datagram(int fd, char *text) {
        static char buffer[MESSAGE_SIZE_MAX + 1];
        ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        struct message message;
        size_t offset = 0;

        if (n <= 0)
                return 0;
        while (message_next(buffer, (size_t) n, &offset, SENDER_MASTER, &message) > 0) {
                bool app = message.type == MESSAGE_APP;

                text += strlen(text);
                text[0] = app ? message.payload[sizeof(struct message_envelope)] : '.';
                text[1] = '\0';
        }
        assert_int_equal(offset, n);
        return (size_t) n;
}

static void test_what_is_sent_in_a_turn_shares_a_datagram(void **state) {
        struct channel_fixture *fixture = *state;
        char text[16] = "";

        for (int i = 0; i < 5; i++)
                assert_int_equal(send_app(fixture->channel, (char) ('a' + i), 0), 0);
        assert_int_equal(next_datagram(fixture->peer, text), 0);
        channel_fixture_run(fixture);
        assert_int_equal(next_datagram(fixture->peer, text), 5 * message_frame_size(25));
        assert_string_equal(text, "abcde");
        assert_int_equal(next_datagram(fixture->peer, text), 0);
        assert_int_equal(channel_unsent(fixture->channel), 0);
}

static void answer(struct channel *channel, const struct message *message, void *userdata) {
        struct channel_fixture *fixture = userdata;

        assert_int_equal(send_app(fixture->channel, 'x', 0), 0);
        assert_int_equal(send_app(fixture->channel, 'y', 0), 0);
}

static void test_what_a_callback_sends_leaves_when_it_is_back(void **state) {
        struct channel_fixture *fixture = *state;
        struct channel *other = NULL;
        char text[16] = "";
        int fds[2];

        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_new(&other, fixture->event, fds[0], SENDER_WORKER, answer,
                                     channel_fixture_closed, fixture),
                         0);
        assert_int_equal(channel_send_raw(fds[1], MESSAGE_READY), 0);
        assert_true(sd_event_run(fixture->event, 0) > 0);
        assert_int_equal(next_datagram(fixture->peer, text), 2 * message_frame_size(25));
        assert_string_equal(text, "xy");
        channel_free(other);
        fd_close(fds[1]);
}

static void test_a_full_datagram_does_not_wait_for_the_turn(void **state) {
        struct channel_fixture *fixture = *state;
        char text[16] = "";

        assert_int_equal(send_app(fixture->channel, 'a', 40000), 0);
        assert_int_equal(next_datagram(fixture->peer, text), 0);
        assert_int_equal(send_app(fixture->channel, 'b', 40000), 0);
        assert_true(next_datagram(fixture->peer, text) > 40000);
        assert_string_equal(text, "a");
        channel_flush(fixture->channel);
        assert_true(next_datagram(fixture->peer, text) > 40000);
        assert_string_equal(text, "ab");
}

static void test_the_largest_payload_fits(void **state) {
        struct channel_fixture *fixture = *state;
        char text[16] = "";

        assert_int_equal(send_app(fixture->channel, 'a', MESSAGE_DATA_MAX - 1), 0);
        channel_flush(fixture->channel);
        assert_true(next_datagram(fixture->peer, text) > MESSAGE_DATA_MAX);
}

/* Sends until nothing more is taken, and returns how many were. */
static unsigned int fill(struct channel_fixture *fixture, size_t more, int *ret_error) {
        unsigned int n = 0;

        do
                *ret_error = send_app(fixture->channel, (char) ('a' + n % 26), more);
        while (*ret_error == 0 && ++n < 10000000);
        return n;
}

/* Reads all that comes, in turn with the loop, and returns how many frames that were. */
static unsigned int read_all(struct channel_fixture *fixture) {
        static char text[200000];
        unsigned int n = 0;

        do {
                channel_fixture_run(fixture);
                text[0] = '\0';
                while (next_datagram(fixture->peer, text) > 0)
                        ;
                for (size_t i = 0; text[i]; i++)
                        if (text[i] != '.')
                                assert_int_equal(text[i], 'a' + n++ % 26);
        } while (channel_unsent(fixture->channel) > 0);
        return n;
}

static void test_frames_wait_for_a_slow_peer_in_order_and_within_bounds(void **state) {
        struct channel_fixture *fixture = *state;
        unsigned int sent;
        int error;

        sent = fill(fixture, 1000, &error);
        assert_int_equal(error, -ENOBUFS);
        assert_in_range(channel_unsent(fixture->channel), 4000000, 4 * 1024 * 1024);
        channel_fixture_run(fixture); /* it waits, it does not spin */
        assert_int_equal(sd_event_run(fixture->event, 0), 0);
        assert_int_equal(read_all(fixture), sent);
        assert_int_equal(fixture->closed, 1);
}

static void test_what_matters_finds_room_behind_a_flood(void **state) {
        struct channel_fixture *fixture = *state;
        static char text[200000];
        int error;

        (void) fill(fixture, 1000, &error);
        assert_int_equal(error, -ENOBUFS);
        assert_int_equal(channel_send(fixture->channel, MESSAGE_DRAIN, NULL, 0), 0);
        text[0] = '\0';
        while (!strchr(text, '.')) {
                text[0] = '\0';
                assert_true(next_datagram(fixture->peer, text) > 0);
                channel_fixture_run(fixture);
        }
        assert_true(channel_unsent(fixture->channel) > 1000000); /* it did not wait for that */
}

static void test_what_is_held_back_waits_until_it_is_let_go(void **state) {
        struct channel_fixture *fixture = *state;
        char text[16] = "";

        channel_hold(fixture->channel, true);
        assert_int_equal(send_app(fixture->channel, 'a', 0), 0);
        assert_int_equal(channel_send(fixture->channel, MESSAGE_MUSTER_READY, NULL, 0), 0);
        assert_int_equal(send_app(fixture->channel, 'b', 0), 0);
        channel_fixture_run(fixture);
        while (next_datagram(fixture->peer, text) > 0)
                ;
        assert_string_equal(text, ".");
        channel_hold(fixture->channel, false);
        channel_fixture_run(fixture);
        while (next_datagram(fixture->peer, text) > 0)
                ;
        assert_string_equal(text, ".ab");
}

static void test_what_is_let_go_overtakes_nothing_urgent(void **state) {
        struct channel_fixture *fixture = *state;
        char text[16] = "";

        channel_hold(fixture->channel, true);
        for (int i = 0; i < 4; i++)
                assert_int_equal(send_app(fixture->channel, (char) ('a' + i), 50000), 0);
        assert_int_equal(channel_send(fixture->channel, MESSAGE_MUSTER_READY, NULL, 0), 0);
        channel_hold(fixture->channel, false);
        channel_fixture_run(fixture);
        while (next_datagram(fixture->peer, text) > 0)
                ;
        assert_string_equal(text, ".abcd");
}

static void test_a_peer_that_is_gone_is_told_to_the_sender(void **state) {
        struct channel_fixture *fixture = *state;

        fixture->peer = fd_close(fixture->peer);
        assert_int_equal(send_app(fixture->channel, 'a', 0), 0);
        channel_flush(fixture->channel);
        assert_int_equal(send_app(fixture->channel, 'a', 0), -EPIPE);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->closed, 0);
}

static void count_unsent(struct channel *channel, const struct message *message, void *userdata) {
        assert_int_equal(message->type, MESSAGE_APP);
        (*(unsigned int *) userdata)++;
}

static void test_what_is_left_unsent_can_be_told(void **state) {
        struct channel_fixture *fixture = *state;
        unsigned int n = 0;

        channel_hold(fixture->channel, true);
        for (unsigned int i = 0; i < 100; i++)
                assert_int_equal(send_app(fixture->channel, 'a', 2000), 0);
        channel_each_unsent(fixture->channel, count_unsent, &n);
        assert_int_equal(n, 100);
}

static void test_last_frames_are_sent_when_the_channel_is_freed(void **state) {
        struct channel_fixture *fixture = *state;
        char text[16] = "";

        assert_int_equal(send_app(fixture->channel, 'a', 0), 0);
        fixture->channel = channel_free(fixture->channel);
        assert_true(next_datagram(fixture->peer, text) > 0);
        assert_string_equal(text, "a");
}

static void test_an_epoll_of_the_owner_can_watch_it(void **state) {
        struct channel_fixture *fixture = *state;
        int epoll = epoll_create1(EPOLL_CLOEXEC), error;
        unsigned int sent, n = 0;
        struct epoll_event event;

        assert_int_equal(channel_watch_from(fixture->channel, epoll, fixture), 0);
        assert_int_equal(channel_send_raw(fixture->peer, MESSAGE_READY), 0);
        assert_int_equal(sd_event_run(fixture->event, 0), 0);
        assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
        assert_ptr_equal(event.data.ptr, fixture);
        channel_process(fixture->channel, event.events);
        assert_int_equal(fixture->n_messages, 1);
        assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);

        sent = fill(fixture, 1000, &error);
        channel_flush_all();
        assert_int_equal(error, -ENOBUFS);
        do {
                static char text[200000];

                text[0] = '\0';
                while (next_datagram(fixture->peer, text) > 0)
                        ;
                n += (unsigned int) strlen(text);
                while (epoll_wait(epoll, &event, 1, 0) > 0)
                        channel_process(fixture->channel, event.events);
        } while (n < sent);
        assert_int_equal(n, sent);
        fd_close(epoll);
}

/* A channel that is the peer of the fixture's. */
static struct channel *other_end(struct channel_fixture *fixture) {
        struct channel *other = NULL;

        assert_int_equal(channel_new(&other, fixture->event, TAKE_FD(fixture->peer), SENDER_MASTER,
                                     channel_fixture_message, channel_fixture_closed, fixture),
                         0);
        return other;
}

static void test_frames_with_and_without_descriptors_keep_their_order(void **state) {
        struct channel_fixture *fixture = *state;
        struct channel *sender = other_end(fixture);
        char payload[sizeof(struct message_envelope) + 1] = {};
        int ends[2];

        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        channel_hold(sender, true); /* what waits keeps its order as well as what does not */
        for (int byte = 'a'; byte <= 'p'; byte++) {
                payload[sizeof(payload) - 1] = (char) byte;
                if (byte == 'i')
                        channel_hold(sender, false);
                if (byte % 3 == 0)
                        assert_int_equal(
                                channel_send_fd(sender, MESSAGE_APP, payload, sizeof(payload), ends[1]), 0);
                else
                        assert_int_equal(channel_send(sender, MESSAGE_APP, payload, sizeof(payload)), 0);
        }
        channel_fixture_run(fixture);
        assert_string_equal(fixture->text, "abcdefghijklmnop");
        assert_int_equal(fixture->closed, 1);
        channel_free(sender);
        fd_close(ends[0]);
        fd_close(ends[1]);
}

static void test_descriptors_that_wait_are_bounded_and_ours(void **state) {
        struct channel_fixture *fixture = *state;
        struct channel *sender = other_end(fixture);
        char payload[sizeof(struct message_envelope) + 1] = {}, byte;
        int ends[2], r = 0, n = 0;

        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        channel_hold(sender, true);
        while (r == 0 && ++n < 1000)
                r = channel_send_fd(sender, MESSAGE_APP, payload, sizeof(payload), ends[1]);
        assert_int_equal(r, -ENOBUFS);
        assert_in_range(n, 16, 256);
        ends[1] = fd_close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), -1);
        channel_free(sender);
        assert_int_equal(read(ends[0], &byte, 1), 0);
        fd_close(ends[0]);
}

static void test_a_frame_may_bring_two(void **state) {
        struct channel_fixture *fixture = *state;
        struct channel *sender = other_end(fixture);
        char payload[sizeof(struct message_envelope)] = {};
        int ends[2];

        fixture->take_fd = true;
        assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        assert_int_equal(channel_send_fds(sender, MESSAGE_APP, payload, sizeof(payload), ends, 2), 0);
        channel_fixture_run(fixture);
        assert_int_equal(write(ends[1], "x", 1), 1);
        assert_int_equal(read(fixture->fd, payload, 1), 1);
        channel_free(sender);
        fd_close(ends[0]);
        fd_close(ends[1]);
}

static unsigned int n_lost;

static void count_lost(struct channel *channel, const struct message *message, void *userdata) {
        assert_int_equal(message->type, MESSAGE_APP);
        assert_int_equal(channel_send(channel, MESSAGE_READY, NULL, 0), 0);
        n_lost++;
}

/* A ring of io_uring is one, where the kernel has it. */
static void test_a_descriptor_that_cannot_be_passed_harms_nothing_else(void **state) {
        struct channel_fixture *fixture = *state;
        struct channel *sender = other_end(fixture);
        char payload[sizeof(struct message_envelope)] = {}, parameters[512] = {};
        int fd = (int) syscall(SYS_io_uring_setup, 1, parameters), r;

        if (fd < 0) {
                channel_free(sender);
                skip();
        }
        n_lost = 0;
        channel_on_lost(sender, count_lost);
        r = channel_send_fd(sender, MESSAGE_APP, payload, sizeof(payload), fd);
        assert_true(r == 0 || r == -EINVAL); /* kernels before 6.7 pass it */
        channel_hold(sender, true);
        assert_int_equal(channel_send_fd(sender, MESSAGE_APP, payload, sizeof(payload), fd), 0);
        channel_hold(sender, false);
        channel_fixture_run(fixture);
        assert_int_equal(channel_send(sender, MESSAGE_READY, NULL, 0), 0);
        channel_fixture_run(fixture);
        assert_int_equal(fixture->last, MESSAGE_READY);
        assert_int_equal(n_lost, r < 0);
        channel_free(sender);
        fd_close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_what_is_sent_in_a_turn_shares_a_datagram),
                TEST(test_what_a_callback_sends_leaves_when_it_is_back),
                TEST(test_a_full_datagram_does_not_wait_for_the_turn),
                TEST(test_the_largest_payload_fits),
                TEST(test_frames_wait_for_a_slow_peer_in_order_and_within_bounds),
                TEST(test_what_matters_finds_room_behind_a_flood),
                TEST(test_what_is_held_back_waits_until_it_is_let_go),
                TEST(test_what_is_let_go_overtakes_nothing_urgent),
                TEST(test_a_peer_that_is_gone_is_told_to_the_sender),
                TEST(test_what_is_left_unsent_can_be_told),
                TEST(test_last_frames_are_sent_when_the_channel_is_freed),
                TEST(test_an_epoll_of_the_owner_can_watch_it),
                TEST(test_frames_with_and_without_descriptors_keep_their_order),
                TEST(test_descriptors_that_wait_are_bounded_and_ours),
                TEST(test_a_frame_may_bring_two),
                TEST(test_a_descriptor_that_cannot_be_passed_harms_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
