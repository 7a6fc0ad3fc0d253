/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/messenger-fixture.h"
#include "util/fd.h"
#include "util/macro.h"

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
                TEST(test_data_that_cannot_be_read_leaves_nothing_half_sent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
