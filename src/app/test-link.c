/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/link.h"
#include "util/fd.h"

struct end {
        struct link *link;
        unsigned int n;
        size_t size;
        char first, last;
        bool ended; /* by a NUL */
        ino_t inode;
        unsigned int rooms, closes;
        int error;
};

static struct {
        sd_event *event;
        struct end parent, forked;
} scene;

static void on_message(const void *bytes, size_t size, int fd, void *userdata) {
        const char *text = bytes;
        struct end *end = userdata;
        struct stat st;

        end->n++;
        end->size = size;
        end->ended = text[size] == '\0';
        end->first = text[0];
        end->last = size > 0 ? text[size - 1] : '\0';
        end->inode = fd >= 0 && fstat(fd, &st) >= 0 ? st.st_ino : 0;
}

static void on_room(void *userdata) {
        ((struct end *) userdata)->rooms++;
}

static void on_closed(int error, void *userdata) {
        struct end *end = userdata;

        end->closes++;
        end->error = error;
}

static void open_end(struct end *end, int fd, enum message_sender peer) {
        const struct link_callbacks callbacks = { on_message, on_room, on_closed, end };

        *end = (struct end){};
        assert_int_equal(link_new(&end->link, scene.event, fd, peer, &callbacks), 0);
}

static int set_up(void **state) {
        int fds[2];

        assert_int_equal(sd_event_new(&scene.event), 0);
        assert_int_equal(channel_pair(fds), 0);
        open_end(&scene.parent, fds[0], SENDER_FORKED);
        open_end(&scene.forked, fds[1], SENDER_PARENT);
        return 0;
}

static int tear_down(void **state) {
        link_free(scene.parent.link);
        link_free(scene.forked.link);
        sd_event_unref(scene.event);
        return 0;
}

static void run(void) {
        while (sd_event_run(scene.event, 0) > 0)
                ;
}

static void a_message_of_any_size_arrives_with_a_nul_behind_it(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096, 65535, 65536, 65537, 1 << 20, LINK_SIZE_MAX };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                char *bytes = calloc(1, sizes[i] + 1);

                assert_non_null(bytes);
                memset(bytes, 'm', sizes[i]);
                if (sizes[i] > 0)
                        bytes[sizes[i] - 1] = 'z';
                assert_int_equal(link_send(scene.parent.link, bytes, sizes[i], -1), 0);
                run();
                assert_int_equal(scene.forked.n, i + 1);
                assert_int_equal(scene.forked.size, sizes[i]);
                assert_int_equal(scene.forked.last, sizes[i] > 0 ? 'z' : '\0');
                assert_true(scene.forked.ended);
                free(bytes);
        }
        assert_int_equal(link_send(scene.parent.link, "", LINK_SIZE_MAX + 1, -1), -EMSGSIZE);
}

static void a_descriptor_arrives_with_small_and_large_messages_in_both_directions(void **state) {
        static const char large[100000];
        struct stat st;
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(fstat(ends[0], &st), 0);
        assert_int_equal(link_send(scene.parent.link, "x", 1, ends[0]), 0);
        assert_int_equal(link_send(scene.forked.link, large, sizeof(large), ends[0]), 0);
        run();
        assert_int_equal(scene.forked.inode, st.st_ino);
        assert_int_equal(scene.parent.inode, st.st_ino);
        assert_int_equal(link_send(scene.parent.link, "x", 1, 999), -EBADF);
        assert_true(link_is_open(scene.parent.link));
        fd_close(ends[0]);
        fd_close(ends[1]);
}

static void a_parent_is_told_when_there_is_no_room_and_when_there_is_again(void **state) {
        static const char piece[32768];
        unsigned int sent = 0;
        int r;

        link_pause(scene.forked.link, true);
        while ((r = link_send(scene.parent.link, piece, sizeof(piece), -1)) == 0)
                sent++;
        assert_int_equal(r, -ENOBUFS);
        assert_true(sent > 30);
        assert_int_equal(scene.parent.rooms, 0);
        run();
        assert_int_equal(scene.forked.n, 0);
        link_pause(scene.forked.link, false);
        run();
        assert_int_equal(scene.forked.n, sent);
        assert_int_equal(scene.parent.rooms, 1);
        assert_int_equal(link_send(scene.parent.link, piece, sizeof(piece), -1), 0);
}

static void the_other_end_hears_of_the_end_once_and_after_all_messages(void **state) {
        assert_int_equal(link_send(scene.forked.link, "last", 4, -1), 0);
        assert_true(link_drain(scene.forked.link, 0));
        scene.forked.link = link_free(scene.forked.link);
        run();
        assert_int_equal(scene.parent.n, 1);
        assert_int_equal(scene.parent.closes, 1);
        assert_int_equal(scene.parent.error, 0);
        assert_false(link_is_open(scene.parent.link));
        assert_int_equal(link_send(scene.parent.link, "x", 1, -1), -EPIPE);
}

static void who_waits_for_a_reader_that_is_gone_waits_no_longer(void **state) {
        static const char piece[32768];
        int r = 0;

        for (unsigned int i = 0; i < 4 && r == 0; i++)
                r = link_send(scene.forked.link, piece, sizeof(piece), -1);
        assert_int_equal(r, 0);
        scene.parent.link = link_free(scene.parent.link);
        for (unsigned int i = 0; i < 1000 && r == 0; i++)
                r = link_send(scene.forked.link, piece, sizeof(piece), -1);
        assert_int_equal(r, -EPIPE);
}

static void ignore_message(struct channel *channel, const struct message *message, void *userdata) {
}

static void ignore_closed(struct channel *channel, int error, void *userdata) {
}

/* What the other end could only do by mistake, or by malice. */
static struct channel *replace_forked(void) {
        struct channel *channel = NULL;
        int fds[2];

        scene.forked.link = link_free(scene.forked.link);
        scene.parent.link = link_free(scene.parent.link);
        assert_int_equal(channel_pair(fds), 0);
        open_end(&scene.parent, fds[0], SENDER_FORKED);
        assert_int_equal(channel_new(&channel, scene.event, fds[1], SENDER_PARENT, ignore_message,
                                     ignore_closed, NULL),
                         0);
        return channel;
}

static void what_is_no_message_is_not_delivered(void **state) {
        struct channel *channel = replace_forked();
        uint64_t size = 100000;
        int memory = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(memory >= 0 && ftruncate(memory, 100001) == 0);
        assert_int_equal(channel_send(channel, MESSAGE_DATA, "no nul", 6), 0);
        assert_int_equal(channel_send(channel, MESSAGE_MEMORY, &size, sizeof(size)), 0); /* without it */
        assert_int_equal(channel_send_fd(channel, MESSAGE_MEMORY, &size, sizeof(size), memory),
                         0); /* not sealed */
        run();
        assert_int_equal(
                fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
        size = 200000;
        assert_int_equal(channel_send_fd(channel, MESSAGE_MEMORY, &size, sizeof(size), memory),
                         0); /* too short */
        size = UINT64_MAX;
        assert_int_equal(channel_send_fd(channel, MESSAGE_MEMORY, &size, sizeof(size), memory), 0);
        run();
        assert_int_equal(scene.parent.n, 0);
        size = 100000;
        assert_int_equal(channel_send_fd(channel, MESSAGE_MEMORY, &size, sizeof(size), memory), 0);
        run();
        assert_int_equal(scene.parent.n, 1);
        channel_free(channel);
        fd_close(memory);
}

static void what_only_others_may_send_closes_the_channel(void **state) {
        struct channel *channel = replace_forked();

        assert_int_equal(channel_send(channel, MESSAGE_MUSTER_READY, NULL, 0), 0);
        run();
        assert_int_equal(scene.parent.closes, 1);
        assert_int_equal(scene.parent.error, -EBADMSG);
        channel_free(channel);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_message_of_any_size_arrives_with_a_nul_behind_it, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(
                        a_descriptor_arrives_with_small_and_large_messages_in_both_directions, set_up,
                        tear_down),
                cmocka_unit_test_setup_teardown(
                        a_parent_is_told_when_there_is_no_room_and_when_there_is_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_other_end_hears_of_the_end_once_and_after_all_messages,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(who_waits_for_a_reader_that_is_gone_waits_no_longer, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_message_is_not_delivered, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_only_others_may_send_closes_the_channel, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
