/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/messenger-fixture.h"
#include "util/fd.h"
#include "util/macro.h"

#define NOBODY 65534

/* ---- Questions ---- */

static void on_answer(struct muster *m, int error, struct muster_message *reply, void *data) {
        note(error == 0 ? muster_message_data(reply, NULL) : strerrorname_np(-error));
        note(" ");
}

static struct message_envelope reply_to(uint32_t id, pid_t from, enum muster_role role, int error) {
        return (struct message_envelope){
                .target = ENVELOPE_PID,
                .flags = ENVELOPE_REPLY,
                .target_pid = getpid(),
                .sender_pid = from,
                .sender_role = (uint8_t) role,
                .id = id,
                .error = error,
        };
}

static uint32_t ask(pid_t pid, uint64_t timeout) {
        assert_int_equal(muster_ask(muster, pid, "how", "?", 1, timeout, on_answer, NULL), 0);
        run();
        assert_int_equal(sent.head.flags, ENVELOPE_ASKS);
        return sent.head.id;
}

static void test_only_who_was_asked_can_reply_and_only_once(void **state) {
        uint32_t id = ask(OTHER, MUSTER_SEC(60));

        receive_full(reply_to(id, OTHER + 1, MUSTER_ROLE_WORKER, 0), "how", "liar", NULL, 0);
        receive_full(reply_to(id + 1, OTHER, MUSTER_ROLE_WORKER, 0), "how", "wrong", NULL, 0);
        assert_string_equal(heard, "");
        receive_full(reply_to(id, OTHER, MUSTER_ROLE_WORKER, 0), "how", "well", NULL, 0);
        receive_full(reply_to(id, OTHER, MUSTER_ROLE_WORKER, 0), "how", "again", NULL, 0);
        assert_string_equal(heard, "well ");
        id = ask(MUSTER_AGENT, MUSTER_SEC(60));
        receive_full(reply_to(id, OTHER, MUSTER_ROLE_WORKER, 0), "how", "liar", NULL, 0);
        receive_full(reply_to(id, OTHER, MUSTER_ROLE_AGENT, -EACCES), "how", "", NULL, 0);
        assert_string_equal(heard, "well EACCES ");
}

static void test_timeouts_come_when_they_are_due(void **state) {
        usec_t end = now_monotonic() + 10 * USEC_PER_SEC;
        uint32_t id;

        (void) ask(OTHER, MUSTER_MSEC(540));
        id = ask(OTHER, MUSTER_MSEC(500)); /* for which the timer is, and which does not need it */
        (void) ask(OTHER, MUSTER_MSEC(520));
        (void) ask(OTHER, UINT64_MAX);
        receive_full(reply_to(id, OTHER, MUSTER_ROLE_WORKER, 0), "how", "well", NULL, 0);
        while (strlen(heard) < 20 && now_monotonic() < end)
                assert_true(sd_event_run(muster->event, USEC_PER_SEC) >= 0);
        assert_string_equal(heard, "well ETIMEDOUT ETIMEDOUT ");
        assert_int_equal(muster->messenger->n_open, 1);
}

static void test_what_did_not_arrive_ends_its_question_or_is_told(void **state) {
        struct message_undelivered undelivered = { .error = -ENOBUFS,
                                                   .count = 1,
                                                   .id = ask(OTHER, MUSTER_SEC(60)) };
        const struct message message = { MESSAGE_UNDELIVERED, (const char *) &undelivered,
                                         sizeof(undelivered) };

        messenger_undelivered(muster, &message);
        messenger_undelivered(muster, &message);
        assert_string_equal(heard, "ENOBUFS ");
}

static void answer_it(struct muster *m, struct muster_message *message, void *data) {
        assert_int_equal(muster_message_refuse(message, 5), -EINVAL);
        assert_int_equal(muster_message_reply(message, "well", 4), 0);
        assert_int_equal(muster_message_reply(message, "well", 4), -ENOMSG);
        assert_int_equal(muster_message_refuse(message, -EACCES), -ENOMSG);
        assert_null(muster_message_reply_later(message));
}

static void test_a_question_gets_one_reply(void **state) {
        const struct message_envelope question = {
                .target = ENVELOPE_PID, .target_pid = getpid(), .flags = ENVELOPE_ASKS, .id = 77
        };

        assert_int_equal(muster_on(muster, "how", answer_it, NULL), 0);
        receive_full(question, "how", "?", NULL, 0);
        assert_int_equal(sent.n, 1);
        assert_int_equal(sent.head.target_pid, OTHER);
        assert_int_equal(sent.head.id, 77);
        assert_int_equal(sent.head.flags, ENVELOPE_REPLY);
        assert_string_equal(sent.data, "well");
}

static void test_a_question_that_nobody_hears_is_refused(void **state) {
        const struct message_envelope question = {
                .target = ENVELOPE_PID, .target_pid = getpid(), .flags = ENVELOPE_ASKS, .id = 77
        };

        receive_full(question, "how", "?", NULL, 0);
        assert_int_equal(sent.n, 1);
        assert_int_equal(sent.head.error, -EOPNOTSUPP);
        receive("how", "?");
        assert_int_equal(sent.n, 1);
}

static void refuse_oddly(struct muster *m, struct muster_message *message, void *data) {
        struct muster_reply *reply;

        assert_int_equal(muster_message_refuse(message, 0), -EINVAL);
        assert_int_equal(muster_message_refuse(message, -5000), -EINVAL);
        reply = muster_message_reply_later(message);
        assert_non_null(reply);
        assert_int_equal(muster_reply_send(reply, INT_MIN, NULL, 0), -EINVAL);
}

static void test_an_error_that_is_none_is_not_sent(void **state) {
        const struct message_envelope question = {
                .target = ENVELOPE_PID, .target_pid = getpid(), .flags = ENVELOPE_ASKS, .id = 77
        };

        assert_int_equal(muster_on(muster, "how", refuse_oddly, NULL), 0);
        receive_full(question, "how", "?", NULL, 0);
        assert_int_equal(sent.n, 0);
}

/* ---- What was lost on its way out ---- */

static void on_failure(struct muster *m, int error, const char *action, pid_t pid, unsigned int count,
                       void *data) {
        char text[128];

        (void) snprintf(text, sizeof(text), "%s %d %s ", action, pid, strerrorname_np(-error));
        note(text);
        assert_int_equal(count, 2);
}

static void on_lost(struct channel *channel, const struct message *message, void *userdata) {
        messenger_lost(muster, message);
}

/* A descriptor by itself: it is under way until it is closed. */
static ssize_t send_own(int fd) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {
                .header = {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(sizeof(int)),
                },
        };
        struct iovec bytes = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
        const struct msghdr datagram = {
                .msg_iov = &bytes,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        return sendmsg(fd, &datagram, MSG_DONTWAIT);
}

/* Sends what waits while the kernel lets this user have no descriptors under way but one, which is. */
static void flush_without_descriptors(void) {
        struct rlimit before, none;
        int ends[2];

        assert_int_equal(channel_pair(ends), 0);
        assert_int_equal(seteuid(NOBODY), 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){ 0, before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        (void) send_own(ends[0]); /* where others of this user have none under way */
        channel_hold(muster->channel, false);
        channel_flush(muster->channel);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(seteuid(0), 0);
        fd_close(ends[0]);
        fd_close(ends[1]);
}

static void test_what_is_lost_for_its_descriptor_is_told(void **state) {
        static char large[2 * MESSAGE_DATA_MAX];
        struct muster_message question = {
                .muster = muster,
                .head = &(struct message_envelope){ .flags = ENVELOPE_ASKS, .sender_pid = OTHER, .id = 3 },
                .action = "asked",
        };

        if (geteuid() != 0)
                skip();
        muster_on_failure(muster, on_failure, NULL);
        channel_on_lost(muster->channel, on_lost);
        channel_hold(muster->channel, true);
        assert_int_equal(
                muster_ask(muster, OTHER, "ask", large, sizeof(large), MUSTER_SEC(60), on_answer, NULL), 0);
        assert_int_equal(muster_send_to(muster, OTHER, "news", large, sizeof(large)), 0);
        assert_int_equal(muster_send_to(muster, OTHER, "news", large, sizeof(large)), 0);
        assert_int_equal(muster_message_reply(&question, large, sizeof(large)), 0);
        assert_int_equal(muster_send_to(muster, OTHER, "small", "x", 1), 0);
        flush_without_descriptors();
        assert_string_equal(heard, "");
        run();
        assert_non_null(strstr(heard, "news 4711 ENOBUFS "));
        assert_int_equal(strlen(heard), strlen("news 4711 ENOBUFS ENOBUFS "));
        assert_int_equal(sent.n, 2);
        assert_string_equal(sent.action, "asked");
        assert_int_equal(sent.head.error, -ENOBUFS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_only_who_was_asked_can_reply_and_only_once),
                TEST(test_timeouts_come_when_they_are_due),
                TEST(test_what_did_not_arrive_ends_its_question_or_is_told),
                TEST(test_a_question_gets_one_reply),
                TEST(test_a_question_that_nobody_hears_is_refused),
                TEST(test_an_error_that_is_none_is_not_sent),
                TEST(test_what_is_lost_for_its_descriptor_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
