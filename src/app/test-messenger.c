/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/messenger.h"
#include "util/fd.h"
#include "util/macro.h"

#define OTHER  4711
#define NOBODY 65534

/* A process, and a channel of which the test is the master's end. */
static struct muster *muster;
static struct channel *master;
static char heard[4096];

static void on_frame(struct channel *channel, const struct message *message, void *userdata) {
        messenger_receive(muster, channel, message);
}

/* What the process has sent last. */
static struct {
        unsigned int n;
        struct message_envelope head;
        char action[MESSAGE_ACTION_MAX + 1];
        char data[256];
        unsigned int n_fds;
} sent;

static void on_sent(struct channel *channel, const struct message *message, void *userdata) {
        struct envelope envelope;
        int fd;

        assert_int_equal(envelope_read(message->payload, message->size, &envelope), 0);
        sent.n++;
        sent.head = envelope.head;
        (void) snprintf(sent.action, sizeof(sent.action), "%s", envelope.action);
        if (envelope.data)
                (void) snprintf(sent.data, sizeof(sent.data), "%s", envelope.data);
        for (sent.n_fds = 0; (fd = channel_take_fd(channel)) >= 0; sent.n_fds++)
                fd_close(fd);
}

static void on_closed(struct channel *channel, int error, void *userdata) {
        fail();
}

static int set_up(void **state) {
        int fds[2];

        heard[0] = '\0';
        memset(&sent, 0, sizeof(sent));
        assert_int_equal(muster_process_new(&muster, MUSTER_ROLE_AGENT, "test", -1, NULL, NULL), 0);
        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_new(&muster->channel, muster->event, fds[0], SENDER_MASTER, on_frame,
                                     on_closed, NULL),
                         0);
        return channel_new(&master, muster->event, fds[1], SENDER_AGENT, on_sent, on_closed, NULL);
}

static int tear_down(void **state) {
        muster->channel = channel_free(muster->channel);
        master = channel_free(master);
        muster_process_free(muster);
        return 0;
}

static void run(void) {
        while (sd_event_run(muster->event, 0) > 0)
                ;
}

static void note(const char *text) {
        (void) strncat(heard, text, sizeof(heard) - strlen(heard) - 1);
}

/* The master passes on what another process has sent. */
static void receive_full(struct message_envelope head, const char *action, const char *data, const int *fds,
                         unsigned int n_fds) {
        char payload[512];

        head.action_size = (uint8_t) strlen(action);
        head.sender_pid = head.sender_pid ?: OTHER;
        if (!(head.flags & ENVELOPE_SHARED))
                head.data_size = (uint32_t) strlen(data);
        envelope_write(payload, &head, action, data);
        assert_int_equal(channel_send_fds(master, MESSAGE_APP, payload, envelope_size(&head), fds, n_fds),
                         0);
        run();
}

static void receive(const char *action, const char *data) {
        receive_full((struct message_envelope){ .target = ENVELOPE_APP }, action, data, NULL, 0);
}

/* ---- Listening ---- */

static void on_note(struct muster *m, struct muster_message *message, void *data) {
        note(data);
        note(muster_message_data(message, NULL));
        note(" ");
}

static void test_handlers_are_called_in_the_order_they_were_registered(void **state) {
        static char a[] = "a", b[] = "b", c[] = "c";

        assert_int_equal(muster_on(muster, "news", on_note, a), 0);
        assert_int_equal(muster_once(muster, "news", on_note, b), 0);
        assert_int_equal(muster_on(muster, "news", on_note, c), 0);
        receive("news", "1");
        receive("other", "-");
        receive("news", "2");
        assert_string_equal(heard, "a1 b1 c1 a2 c2 ");
        assert_int_equal(muster_off(muster, "news", on_note, a), 1);
        assert_int_equal(muster_off(muster, "news", on_note, b), 0);
        receive("news", "3");
        assert_string_equal(heard, "a1 b1 c1 a2 c2 c3 ");
        assert_int_equal(muster_off(muster, "news", NULL, NULL), 1);
        assert_int_equal(muster_off(muster, "news", NULL, NULL), 0);
        receive("news", "4");
        assert_string_equal(heard, "a1 b1 c1 a2 c2 c3 ");
}

static void change_everything(struct muster *m, struct muster_message *message, void *data) {
        static char later[] = "later";

        note("change ");
        assert_int_equal(muster_off(m, "news", NULL, NULL), 3);
        assert_int_equal(muster_on(m, "news", on_note, later), 0);
}

static void test_what_a_handler_removes_is_not_called_and_what_it_adds_the_next_time(void **state) {
        static char before[] = "before", after[] = "after";

        assert_int_equal(muster_on(muster, "news", on_note, before), 0);
        assert_int_equal(muster_on(muster, "news", change_everything, NULL), 0);
        assert_int_equal(muster_on(muster, "news", on_note, after), 0);
        receive("news", "1");
        assert_string_equal(heard, "before1 change ");
        receive("news", "2");
        assert_string_equal(heard, "before1 change later2 ");
}

static void test_thousands_of_actions_are_told_apart(void **state) {
        static char names[3000][16];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(names[i], sizeof(names[i]), "action-%zu ", i);
                assert_int_equal(muster_on(muster, names[i], on_note, names[i]), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(names); i += 371) {
                heard[0] = '\0';
                receive(names[i], "x");
                assert_memory_equal(heard, names[i], strlen(names[i]));
        }
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(muster_off(muster, names[i], on_note, names[i]), 1);
        assert_int_equal(muster->messenger->n_topics, 0);
}

static void test_ready_is_heard_by_who_listens(void **state) {
        static char ready[] = "ready";

        messenger_ready(muster);
        assert_int_equal(muster_once(muster, "muster-ready", on_note, ready), 0);
        messenger_ready(muster);
        messenger_ready(muster);
        assert_string_equal(heard, "ready ");
}

__attribute__((__noreturn__)) static void fault(struct muster *m, struct muster_message *message,
                                                void *data) {
        note("fault ");
        abort();
}

static void on_fault(struct muster *m, const struct guard_context *context, int signal) {
        note(context->route);
        note(" ");
}

static void test_a_handler_that_faults_is_named_and_the_others_are_called(void **state) {
        static char after[] = "after";
        const struct guard_options options = {
                .slot = muster->slot, .channel_fd = -1, .drain = true, .survive = true
        };

        assert_int_equal(guard_setup(&options), 0);
        muster->on_fault = on_fault;
        assert_int_equal(muster_on(muster, "news", fault, NULL), 0);
        assert_int_equal(muster_on(muster, "news", on_note, after), 0);
        receive("news", "1");
        assert_string_equal(heard, "fault message news after1 ");
}

/* Two pages, of which the second cannot be read. */
static void send_beyond_the_end(struct muster *m, struct muster_message *message, void *data) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);
        char *memory;

        memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        assert_int_equal(mprotect(memory + page, page, PROT_NONE), 0);
        memset(memory, 'x', page);
        (void) muster_broadcast(m, "bad", memory + page - 100, 200);
        note("sent ");
}

static void test_data_that_cannot_be_read_leaves_nothing_half_sent(void **state) {
        const struct guard_options options = {
                .slot = muster->slot, .channel_fd = -1, .drain = true, .survive = true
        };

        assert_int_equal(guard_setup(&options), 0);
        muster->on_fault = on_fault;
        assert_int_equal(muster_on(muster, "news", send_beyond_the_end, NULL), 0);
        receive("news", "1");
        assert_string_equal(heard, "message news ");
        assert_int_equal(sent.n, 0);
        assert_int_equal(muster_broadcast(muster, "good", "x", 1), 0);
        run();
        assert_int_equal(sent.n, 1);
        assert_string_equal(sent.action, "good");
}

/* ---- Sending ---- */

static void test_a_message_says_to_whom_it_goes(void **state) {
        static const struct {
                int (*call)(struct muster *m, const char *action, const void *data, size_t size);
                enum envelope_target target;
        } calls[] = {
                { muster_broadcast, ENVELOPE_BROADCAST },
                { muster_send_to_app, ENVELOPE_APP },
                { muster_send_to_agent, ENVELOPE_AGENT },
                { muster_send_random, ENVELOPE_RANDOM },
        };

        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                assert_int_equal(calls[i].call(muster, "news", "hello", 5), 0);
                run();
                assert_int_equal(sent.n, i + 1);
                assert_int_equal(sent.head.target, calls[i].target);
                assert_int_equal(sent.head.flags, 0);
                assert_string_equal(sent.action, "news");
                assert_string_equal(sent.data, "hello");
        }
        assert_int_equal(muster_send_to(muster, OTHER, "news", NULL, 0), 0);
        run();
        assert_int_equal(sent.head.target, ENVELOPE_PID);
        assert_int_equal(sent.head.target_pid, OTHER);
}

static void test_large_data_and_handles_travel_beside_it(void **state) {
        static char large[MESSAGE_DATA_MAX + 1];

        assert_int_equal(muster_broadcast(muster, "news", large, sizeof(large)), 0);
        run();
        assert_int_equal(sent.head.flags, ENVELOPE_SHARED);
        assert_int_equal(sent.head.data_size, sizeof(large));
        assert_int_equal(sent.n_fds, 1);
        assert_int_equal(muster_send_handle(muster, OTHER, "news", STDERR_FILENO, large, sizeof(large)), 0);
        run();
        assert_int_equal(sent.n_fds, 2);
        assert_int_equal(muster_send_handle(muster, OTHER, "news", STDERR_FILENO, large, sizeof(large) - 1),
                         0);
        run();
        assert_int_equal(sent.n_fds, 1);
        assert_int_equal(sent.head.flags, ENVELOPE_HANDLE);
}

static void test_without_a_master_nothing_can_be_sent(void **state) {
        struct channel *channel = TAKE_PTR(muster->channel);

        assert_int_equal(muster_broadcast(muster, "news", NULL, 0), -ENOTCONN);
        muster->channel = channel;
        master = channel_free(master);
        channel_flush(channel);
        assert_int_equal(muster_broadcast(muster, "news", NULL, 0), 0); /* it is not known yet */
        channel_flush(channel);
        assert_int_equal(muster_broadcast(muster, "news", NULL, 0), -ENOTCONN);
}

/* ---- Memory that others have made ---- */

static const struct message_envelope shared = {
        .target = ENVELOPE_APP,
        .flags = ENVELOPE_SHARED,
        .data_size = 100000,
};

static int memfd(off_t size, int seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_int_equal(ftruncate(fd, size), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

static void test_shared_data_is_read_only_where_it_cannot_change(void **state) {
        const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        static char got[] = "got";
        const struct {
                int fd;
                bool good;
        } rows[] = {
                { memfd(100001, all), true },
                { memfd(100001, all & ~F_SEAL_WRITE), false },
                { memfd(100001, all & ~F_SEAL_SHRINK), false },
                { memfd(100001, all & ~F_SEAL_GROW), false },
                { memfd(100000, all), false },
                { memfd(0, all), false },
                { open("/dev/zero", O_RDONLY | O_CLOEXEC), false },
        };

        assert_int_equal(muster_on(muster, "news", on_note, got), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                heard[0] = '\0';
                receive_full(shared, "news", NULL, &rows[i].fd, 1);
                assert_string_equal(heard, rows[i].good ? "got " : "");
                fd_close(rows[i].fd);
        }
        receive_full(shared, "news", NULL, NULL, 0); /* it got lost */
        assert_string_equal(heard, "");
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_handlers_are_called_in_the_order_they_were_registered),
                TEST(test_what_a_handler_removes_is_not_called_and_what_it_adds_the_next_time),
                TEST(test_thousands_of_actions_are_told_apart),
                TEST(test_ready_is_heard_by_who_listens),
                TEST(test_a_handler_that_faults_is_named_and_the_others_are_called),
                TEST(test_a_message_says_to_whom_it_goes),
                TEST(test_large_data_and_handles_travel_beside_it),
                TEST(test_without_a_master_nothing_can_be_sent),
                TEST(test_shared_data_is_read_only_where_it_cannot_change),
                TEST(test_only_who_was_asked_can_reply_and_only_once),
                TEST(test_timeouts_come_when_they_are_due),
                TEST(test_what_did_not_arrive_ends_its_question_or_is_told),
                TEST(test_what_is_lost_for_its_descriptor_is_told),
                TEST(test_a_question_gets_one_reply),
                TEST(test_a_question_that_nobody_hears_is_refused),
                TEST(test_an_error_that_is_none_is_not_sent),
                TEST(test_data_that_cannot_be_read_leaves_nothing_half_sent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
