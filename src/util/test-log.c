/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "util/fd.h"
#include "util/log.h"

static char line[8192];
static int saved_stderr = -1, pipe_read = -1;

/* Standard error is a pipe for the time of a test. */
static int redirect(void **state) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -1;
        saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        if (saved_stderr < 0 || dup2(fds[1], STDERR_FILENO) < 0)
                return -1;
        fd_close(fds[1]);
        pipe_read = fds[0];
        log_set_level(LOG_INFO);
        return log_setup("worker", "hello", 3);
}

static int restore(void **state) {
        int r = dup2(saved_stderr, STDERR_FILENO);

        saved_stderr = fd_close(saved_stderr);
        pipe_read = fd_close(pipe_read);
        return r < 0 ? -1 : 0;
}

/* What was written, as one read: a line must come in one piece. */
static const char *written(void) {
        ssize_t n = read(pipe_read, line, sizeof(line) - 1);

        line[n > 0 ? n : 0] = '\0';
        return line;
}

static void a_line_says_who_and_what(void **state) {
        char expected[128];

        log_info("Listening on %s", "127.0.0.1:8080");
        (void) snprintf(expected, sizeof(expected),
                        " muster-worker[%i]: hello/3: Listening on 127.0.0.1:8080\n", (int) getpid());
        assert_non_null(strstr(written(), expected));
}

static void an_error_is_named_passed_on_and_errno_kept(void **state) {
        errno = EPIPE;
        assert_int_equal(log_error(-ENOENT, "Cannot open: %m"), -ENOENT);
        assert_int_equal(errno, EPIPE);
        assert_non_null(strstr(written(), "Cannot open: No such file or directory\n"));
}

static void what_is_above_the_level_is_not_made(void **state) {
        log_debug("Nobody reads this");
        assert_string_equal(written(), "");
        log_set_level(LOG_DEBUG);
        log_debug("Now it is read");
        assert_non_null(strstr(written(), "Now it is read"));
}

static void a_message_cannot_forge_a_second_line(void **state) {
        const char *newline;

        log_info("GET /\r\n2026 muster-master[1]: forged\x1b[0m");
        newline = strchr(written(), '\n');
        assert_non_null(newline);
        assert_string_equal(newline, "\n");
        assert_null(strchr(line, '\x1b'));
}

static void fields_stand_behind_in_brackets(void **state) {
        static const char *const fields[] = { "MUSTER_SIGNAL=SEGV", "MUSTER_WORKER=7", NULL };

        assert_int_equal(log_fields(LOG_ALERT, 0, fields, "A worker crashed"), 0);
        assert_non_null(strstr(written(), "A worker crashed [MUSTER_SIGNAL=SEGV MUSTER_WORKER=7]\n"));
}

static void a_long_message_comes_whole_and_in_one_write(void **state) {
        char text[3000];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        log_info("%s!", text);
        assert_non_null(strstr(written(), text));
        assert_string_equal(line + strlen(line) - 3, "x!\n");
}

static void a_foreign_journal_stream_is_not_believed(void **state) {
        assert_int_equal(setenv("JOURNAL_STREAM", "0:0", 1), 0);
        assert_int_equal(log_setup("master", "hello", -1), 0);
        assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
        log_info("Here");
        assert_non_null(strstr(written(), "]: hello: Here\n"));
}

static void levels_have_names(void **state) {
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++)
                assert_int_equal(log_level_parse(log_level_name(level)), level);
        assert_int_equal(log_level_parse("error"), -EINVAL);
        assert_int_equal(log_level_parse(""), -EINVAL);
}

#define REDIRECTED(f) cmocka_unit_test_setup_teardown(f, redirect, restore)

int main(void) {
        static const struct CMUnitTest tests[] = {
                REDIRECTED(a_line_says_who_and_what),
                REDIRECTED(an_error_is_named_passed_on_and_errno_kept),
                REDIRECTED(what_is_above_the_level_is_not_made),
                REDIRECTED(a_message_cannot_forge_a_second_line),
                REDIRECTED(fields_stand_behind_in_brackets),
                REDIRECTED(a_long_message_comes_whole_and_in_one_write),
                REDIRECTED(a_foreign_journal_stream_is_not_believed),
                cmocka_unit_test(levels_have_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
