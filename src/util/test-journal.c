/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "util/fd.h"
#include "util/journal.h"
#include "util/macro.h"

#define ENTRY_MAX  ((size_t) 64 * 1024)
#define MANY       10000 /* more than any queue holds, and than what may wait */
#define A_KILOBYTE 1024

struct fixture {
        char directory[32];
        char path[64];
        int fd; /* journald's end */
        struct journal *journal;
        char received[ENTRY_MAX];
};

static void open_receiver(struct fixture *fixture) {
        union {
                struct sockaddr sa;
                struct sockaddr_un un;
        } address = { .un.sun_family = AF_UNIX };

        (void) snprintf(address.un.sun_path, sizeof(address.un.sun_path), "%s", fixture->path);
        fixture->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fixture->fd >= 0);
        assert_int_equal(bind(fixture->fd, &address.sa, sizeof(address.un)), 0);
}

static void close_receiver(struct fixture *fixture) {
        fixture->fd = fd_close(fixture->fd);
        (void) unlink(fixture->path);
}

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        if (!fixture)
                return -1;
        (void) stpcpy(fixture->directory, "/tmp/muster-journal-XXXXXX");
        if (!mkdtemp(fixture->directory))
                return -1;
        (void) snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->directory);
        open_receiver(fixture);
        *state = fixture;
        return journal_new(&fixture->journal, fixture->path);
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        journal_free(fixture->journal);
        if (fixture->fd >= 0)
                close_receiver(fixture);
        (void) rmdir(fixture->directory);
        free(fixture);
        return 0;
}

static int say(struct fixture *fixture, const char *first, const char *second) {
        struct iovec fields[] = { { (char *) first, strlen(first) },
                                  { (char *) second, second ? strlen(second) : 0 } };

        return journal_send(fixture->journal, fields, second ? 2 : 1);
}

/* The next entry that has come; NULL when there is none. Its size is returned beside. */
static const char *next(struct fixture *fixture, size_t *ret_size) {
        ssize_t n = recv(fixture->fd, fixture->received, ENTRY_MAX - 1, 0);

        if (n < 0)
                return NULL;
        fixture->received[n] = '\0';
        if (ret_size)
                *ret_size = (size_t) n;
        return fixture->received;
}

static void an_entry_is_a_line_for_each_field(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(say(fixture, "MESSAGE=Ready", "PRIORITY=6"), 0);
        assert_string_equal(next(fixture, NULL), "MESSAGE=Ready\nPRIORITY=6\n");
}

static void a_value_of_several_lines_has_its_size_in_front(void **state) {
        static const char expected[] = "MESSAGE\n\7\0\0\0\0\0\0\0one\ntwo\nPRIORITY=6\n";
        struct fixture *fixture = *state;
        size_t size = 0;
        const char *entry;

        assert_int_equal(say(fixture, "MESSAGE=one\ntwo", "PRIORITY=6"), 0);
        entry = next(fixture, &size);
        assert_non_null(entry);
        assert_int_equal(size, sizeof(expected) - 1);
        assert_memory_equal(entry, expected, size);
}

/* Receives the descriptor of an entry that has come without bytes. */
static int next_memfd(struct fixture *fixture) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };
        int fd;

        assert_int_equal(recvmsg(fixture->fd, &message, MSG_CMSG_CLOEXEC), 0);
        assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        return fd;
}

static void an_entry_too_large_for_a_datagram_comes_as_a_sealed_file(void **state) {
        const size_t size = (size_t) 8 * A_KILOBYTE * A_KILOBYTE;
        struct fixture *fixture = *state;
        _cleanup_free_ char *text = malloc(size + 1);
        _cleanup_fd_ int fd = -1;
        char begin[10];

        assert_non_null(text);
        memset(text, 'x', size);
        text[size] = '\0';
        memcpy(text, "MESSAGE=", strlen("MESSAGE="));
        assert_int_equal(say(fixture, text, NULL), 0);
        fd = next_memfd(fixture);
        assert_int_equal(lseek(fd, 0, SEEK_END), size + 1);
        assert_int_equal(pread(fd, begin, sizeof(begin), 0), sizeof(begin));
        assert_memory_equal(begin, "MESSAGE=xx", sizeof(begin));
        assert_int_equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK),
                         F_SEAL_WRITE | F_SEAL_SHRINK);
}

/* Sends numbered entries, a kilobyte each, which nobody reads. */
static void flood(struct fixture *fixture, unsigned int n) {
        char text[A_KILOBYTE];

        for (unsigned int i = 0; i < n; i++) {
                (void) snprintf(text, sizeof(text), "N=%u %0900u", i, 0U);
                assert_int_equal(say(fixture, text, NULL), 0);
        }
}

/* Reads until nothing comes, letting the journal send again. Returns how many numbered entries came, in order from 0. */
static unsigned int drain(struct fixture *fixture, bool *ret_lost) {
        unsigned int n = 0;
        const char *entry;

        *ret_lost = false;
        for (;;) {
                entry = next(fixture, NULL);
                if (!entry) {
                        (void) journal_flush(fixture->journal, 0);
                        entry = next(fixture, NULL);
                }
                if (!entry)
                        return n;
                if (strncmp(entry, "N=", 2) == 0)
                        assert_int_equal(strtoul(entry + 2, NULL, 10), n++);
                else
                        *ret_lost = strstr(entry, "log entries were lost") != NULL;
        }
}

static void a_journal_that_does_not_read_holds_nobody_up_and_gets_all_later(void **state) {
        struct fixture *fixture = *state;
        bool lost;

        /* Each queue takes a part: the socket's what it can, then ours. */
        flood(fixture, 200);
        assert_int_equal(drain(fixture, &lost), 200);
        assert_false(lost);
        assert_true(journal_flush(fixture->journal, 0));
}

static void past_the_bound_the_newest_are_lost_and_counted(void **state) {
        struct fixture *fixture = *state;
        unsigned int n;
        bool lost;

        flood(fixture, MANY);
        assert_false(journal_flush(fixture->journal, 0));
        n = drain(fixture, &lost);
        assert_in_range(n, 200, MANY - 1);
        assert_true(lost);
        assert_int_equal(say(fixture, "MESSAGE=after", NULL), 0);
        assert_string_equal(next(fixture, NULL), "MESSAGE=after\n");
}

static void waiting_for_the_journal_has_an_end(void **state) {
        struct fixture *fixture = *state;

        flood(fixture, MANY);
        assert_false(journal_flush(fixture->journal, 20 * USEC_PER_MSEC));
}

static void a_journal_that_was_started_anew_gets_the_next_entry(void **state) {
        struct fixture *fixture = *state;

        assert_int_equal(say(fixture, "MESSAGE=one", NULL), 0);
        close_receiver(fixture);
        open_receiver(fixture);
        assert_int_equal(say(fixture, "MESSAGE=two", NULL), 0);
        assert_string_equal(next(fixture, NULL), "MESSAGE=two\n");
}

static void without_a_journal_the_caller_is_told(void **state) {
        struct fixture *fixture = *state;

        close_receiver(fixture);
        assert_int_equal(say(fixture, "MESSAGE=one", NULL), -ENOENT);
}

#define WITH_JOURNAL(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                WITH_JOURNAL(an_entry_is_a_line_for_each_field),
                WITH_JOURNAL(a_value_of_several_lines_has_its_size_in_front),
                WITH_JOURNAL(an_entry_too_large_for_a_datagram_comes_as_a_sealed_file),
                WITH_JOURNAL(a_journal_that_does_not_read_holds_nobody_up_and_gets_all_later),
                WITH_JOURNAL(past_the_bound_the_newest_are_lost_and_counted),
                WITH_JOURNAL(waiting_for_the_journal_has_an_end),
                WITH_JOURNAL(a_journal_that_was_started_anew_gets_the_next_entry),
                WITH_JOURNAL(without_a_journal_the_caller_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
