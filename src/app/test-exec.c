/* SPDX-License-Identifier: MIT */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/spawn.h"
#include "util/fd.h"

static struct config *config;
static struct muster *muster;

/* What a handler was told. */
static struct {
        unsigned int calls;
        int error, code, signal;
        char output[512], errors[512];
        size_t output_size, errors_size;
        unsigned int ends; /* of streams */
        size_t bytes;
        struct muster_child *child;
} told;

static unsigned int count_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned int n = 0;

        assert_non_null(directory);
        /* cppcheck-suppress readdirCalled -- it is this thread's own */
        while (readdir(directory))
                n++;
        (void) closedir(directory);
        return n;
}

static unsigned int descriptors;

static int set_up(void **state) {
        descriptors = count_descriptors();
        assert_int_equal(config_new(&config), 0);
        config->worker.children = true;
        config->worker.kill_timeout = 100 * USEC_PER_MSEC;
        assert_int_equal(muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, config, NULL), 0);
        memset(&told, 0, sizeof(told));
        return 0;
}

/* Whatever a test has done: nothing stays open, and no process is left, be it a dead one. */
static int tear_down(void **state) {
        muster_process_free(muster);
        config_free(config);
        assert_int_equal(count_descriptors(), descriptors);
        assert_int_equal(waitpid(-1, NULL, 0), -1);
        assert_int_equal(errno, ECHILD);
        return 0;
}

static void run_until(const unsigned int *counter, unsigned int n) {
        while (*counter < n)
                assert_true(sd_event_run(muster->event, 30 * USEC_PER_SEC) > 0);
}

static void on_exec(struct muster_child *child, int error, const struct muster_exec_result *result,
                    void *data) {
        told.calls++;
        told.error = error;
        told.code = result->code;
        told.signal = result->signal;
        (void) snprintf(told.output, sizeof(told.output), "%s", result->output);
        (void) snprintf(told.errors, sizeof(told.errors), "%s", result->errors);
        told.output_size = result->output_size;
        told.errors_size = result->errors_size;
        assert_int_equal(strnlen(result->output, result->output_size + 1), result->output_size);
        assert_ptr_equal(data, &told);
        assert_int_equal(muster_child_pid(child), 0);
        assert_int_equal(muster_child_kill(child, SIGTERM), -ESRCH);
}

static void expect(const char *command, const struct muster_spawn_options *options, int error, int code,
                   int signal) {
        assert_non_null(muster_exec(muster, command, options, on_exec, &told));
        run_until(&told.calls, told.calls + 1);
        assert_int_equal(told.error, error);
        assert_int_equal(told.code, code);
        assert_int_equal(told.signal, signal);
        assert_true(list_empty(&muster->children));
}

static void exec_hands_over_both_streams_with_code_or_signal(void **state) {
        expect("echo out; echo err >&2; exit 3", NULL, 0, 3, 0);
        assert_string_equal(told.output, "out\n");
        assert_string_equal(told.errors, "err\n");
        expect("kill -KILL $$", NULL, 0, -1, SIGKILL);
        expect("true", NULL, 0, 0, 0);
        assert_int_equal(told.output_size, 0);
}

static void output_is_kept_up_to_max_buffer_and_not_a_byte_further(void **state) {
        static const struct muster_spawn_options ten = { .max_buffer = 10 };

        expect("printf 1234567890", &ten, 0, 0, 0);
        expect("printf 12345678901; exec sleep 100", &ten, -ENOBUFS, -1, SIGTERM);
        assert_string_equal(told.output, "1234567890");
        expect("printf 12345678901 >&2; exec sleep 100", &ten, -ENOBUFS, -1, SIGTERM);
        assert_int_equal(told.errors_size, 10);
        /* it may have ended by itself before that is seen: what is told is half of it all the same */
        assert_non_null(muster_exec(muster, "printf 12345678901", &ten, on_exec, &told));
        run_until(&told.calls, told.calls + 1);
        assert_int_equal(told.error, -ENOBUFS);
}

static void one_that_takes_too_long_is_told_and_then_killed(void **state) {
        static const struct muster_spawn_options soon = { .timeout = 50 * USEC_PER_MSEC };
        static const struct muster_spawn_options usr1 = { .timeout = 50 * USEC_PER_MSEC,
                                                          .kill_signal = SIGUSR1 };

        expect("exec sleep 100", &soon, -ETIMEDOUT, -1, SIGTERM);
        expect("exec sleep 100", &usr1, -ETIMEDOUT, -1, SIGUSR1);
        expect("trap '' TERM; sleep 100; sleep 100", &soon, -ETIMEDOUT, -1, SIGKILL);
        expect("kill -STOP $$", &soon, -ETIMEDOUT, -1, SIGTERM);
}

static void on_output(struct muster_child *child, const void *bytes, size_t size, void *data) {
        told.bytes += size;
        told.ends += !bytes;
        if (bytes && data)
                muster_child_pause(child, STDOUT_FILENO);
}

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        told.calls++;
        told.code = code;
        told.signal = signal;
}

static void a_paused_stream_is_read_to_its_end_before_the_close_event(void **state) {
        const struct muster_spawn_options options = {
                .command = "head -c 300000 /dev/zero",
                .on_output = on_output,
                .on_close = on_close,
                .linger = 20 * USEC_PER_MSEC,
                .data = &told,
        };
        struct muster_child *child = muster_spawn(muster, &options);

        assert_non_null(child);
        while (told.ends == 0) {
                size_t before = told.bytes;

                for (unsigned int i = 0; i < 10; i++) /* longer than `linger` */
                        assert_true(sd_event_run(muster->event, 10 * USEC_PER_MSEC) >= 0);
                assert_int_equal(told.calls, 0);
                assert_true(told.bytes <= before + 65536);
                muster_child_resume(child, STDOUT_FILENO);
                (void) sd_event_run(muster->event, 10 * USEC_PER_SEC);
        }
        run_until(&told.calls, 1);
        assert_int_equal(told.bytes, 300000);
        assert_int_equal(told.ends, 1);
}

static void what_a_child_does_not_read_is_the_writers_to_keep(void **state) {
        static const char bytes[1024 * 1024];
        const struct muster_spawn_options options = { .command = "exec sleep 100",
                                                      .on_close = on_close,
                                                      .input = { .type = MUSTER_STDIO_PIPE } };
        struct muster_child *child = muster_spawn(muster, &options);
        ssize_t n;

        assert_non_null(child);
        n = muster_child_write(child, bytes, sizeof(bytes));
        assert_true(n > 65536 && n < (ssize_t) sizeof(bytes));
        assert_int_equal(muster_child_write(child, bytes, 1), -EAGAIN);
        muster_child_end_input(child);
        assert_int_equal(muster_child_write(child, bytes, 1), -EPIPE);
        assert_int_equal(muster_child_kill(child, SIGKILL), 0);
        run_until(&told.calls, 1);
}

static void who_has_no_pipe_is_not_written_to(void **state) {
        const struct muster_spawn_options options = { .command = "true", .on_close = on_close };
        struct muster_child *child = muster_spawn(muster, &options);

        assert_non_null(child);
        assert_int_equal(muster_child_write(child, "x", 1), -EINVAL);
        assert_int_equal(muster_child_send(child, "x", 1, -1), -EINVAL);
        assert_int_equal(muster_child_kill(child, 1000), -EINVAL);
        muster_child_end_input(child);
        muster_child_disconnect(child);
        run_until(&told.calls, 1);
}

static void what_cannot_be_started_leaves_nothing(void **state) {
        static const char *const nowhere[] = { "/nowhere/program", NULL }, *const none[] = { NULL };
        static const char *const bad[] = { "=", NULL };
        const struct {
                struct muster_spawn_options options;
                int error;
        } cases[] = {
                { { .argv = nowhere }, ENOENT },
                { { .argv = none }, EINVAL },
                { {}, EINVAL },
                { { .command = "true", .directory = "/nowhere" }, ENOENT },
                { { .command = "true", .kill_signal = -1 }, EINVAL },
                { { .command = "true", .output = { MUSTER_STDIO_FD, 999 } }, EBADF },
                { { .command = "true", .set = bad }, EINVAL },
                { { .command = "true", .output = { (enum muster_stdio_type) 77, 0 } }, EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                errno = 0;
                assert_null(muster_spawn(muster, &cases[i].options));
                assert_int_equal(errno, cases[i].error);
        }
        assert_null(muster_exec(muster, "true", NULL, NULL, NULL));
        assert_int_equal(errno, EINVAL);
        config->worker.children = false;
        assert_null(muster_exec(muster, "true", NULL, on_exec, NULL));
        assert_int_equal(errno, EPERM);
        assert_null(muster_fork(muster, "nobody", NULL, NULL));
        assert_int_equal(errno, ENOENT);
}

static void children_end_with_their_process_whatever_they_do(void **state) {
        static const char *const commands[] = { "exec sleep 100", "trap '' TERM; sleep 100; sleep 100",
                                                "kill -STOP $$; sleep 100", "sleep 100 & sleep 100",
                                                "true" };
        usec_t began = now_monotonic();

        for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
                const struct muster_spawn_options options = { .command = commands[i],
                                                              .on_output = on_output };

                assert_non_null(muster_spawn(muster, &options));
        }
        children_end(muster, 200 * USEC_PER_MSEC);
        assert_true(list_empty(&muster->children));
        assert_true(now_monotonic() - began < 10 * USEC_PER_SEC);
        /* tear_down() finds no process */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(exec_hands_over_both_streams_with_code_or_signal, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(output_is_kept_up_to_max_buffer_and_not_a_byte_further,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_takes_too_long_is_told_and_then_killed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_paused_stream_is_read_to_its_end_before_the_close_event,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_a_child_does_not_read_is_the_writers_to_keep, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(who_has_no_pipe_is_not_written_to, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_cannot_be_started_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(children_end_with_their_process_whatever_they_do, set_up,
                                                tear_down),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
