/* SPDX-License-Identifier: MIT */

/* What the log says of the end of a process. The lines are read from standard error, where they go without a journal. */

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/report.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log-id.h"
#include "util/macro.h"

static const siginfo_t killed = { .si_code = CLD_KILLED, .si_status = SIGKILL };

static struct process worker_with(uint64_t oom_kills, uint64_t oom, uint64_t max) {
        return (struct process){
                .role = PROCESS_WORKER,
                .number = 3,
                .pid = 4711,
                .memory = { .oom_kills = oom_kills, .oom = oom, .peak = max, .max = max },
        };
}

/* What report_end() logs; the caller frees it. */
static char *said(const struct process *process, const char *route, const siginfo_t *status) {
        struct slot *slot = calloc(1, sizeof(*slot));
        int file = memfd_create("log", MFD_CLOEXEC), before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        char *text = NULL;

        assert_non_null(slot);
        assert_true(file >= 0 && before >= 0);
        (void) snprintf(slot->route, sizeof(slot->route), "%s", route);
        assert_true(dup2(file, STDERR_FILENO) >= 0);
        report_end(process, slot, status);
        assert_true(dup2(before, STDERR_FILENO) >= 0);
        fd_close(before);
        assert_int_equal(lseek(file, 0, SEEK_SET), 0);
        assert_int_equal(fd_read(file, 65536, &text, NULL), 0);
        fd_close(file);
        free(slot);
        return text;
}

static void assert_says(const char *text, const char *words) {
        if (!strstr(text, words))
                fail_msg("\"%s\" is not in: %s", words, text);
}

static void a_kill_for_memory_names_the_workers_own_limit(void **state) {
        struct process process = worker_with(1, 1, 512U << 20);
        _cleanup_free_ char *text = said(&process, "GET /leak", &killed);

        assert_says(text, "The worker 3 (pid 4711) was killed for want of memory, in GET /leak: "
                          "it needed more than its memory_max of 512M");
        assert_says(text, LOG_FIELD_ID(LOG_ID_OOM));
        assert_says(text, "MUSTER_ROUTE=GET /leak");
        assert_says(text, "MUSTER_MEMORY_PEAK=536870912");
        assert_says(text, "MUSTER_MEMORY_MAX=536870912");
}

static void a_kill_for_memory_names_a_limit_above(void **state) {
        struct process process = worker_with(1, 0, UINT64_MAX);
        _cleanup_free_ char *text = said(&process, "", &killed);

        assert_says(text, "was killed for want of memory: the service or the machine had no more");
        assert_null(strstr(text, "MUSTER_MEMORY"));
}

static void a_kill_without_want_of_memory_is_an_ordinary_one(void **state) {
        struct process process = worker_with(0, 0, 512U << 20);
        _cleanup_free_ char *text = said(&process, "", &killed);

        assert_says(text, "was killed by SIGKILL");
        assert_says(text, LOG_FIELD_ID(LOG_ID_KILLED));
        assert_null(strstr(text, "memory_max"));
}

static void what_a_worker_had_started_may_be_what_was_killed(void **state) {
        static const siginfo_t ended = { .si_code = CLD_EXITED, .si_status = 0 };
        struct process process = worker_with(2, 2, 512U << 20);
        _cleanup_free_ char *text = NULL;

        process.asked = true;
        text = said(&process, "", &ended);
        assert_says(text, "Of what the worker 3 (pid 4711) had started, 2 were killed for want of memory");
        assert_says(text, LOG_FIELD_ID(LOG_ID_OOM));
}

static void what_was_said_is_not_said_again_nor_taken_for_the_workers_own_end(void **state) {
        struct process process = worker_with(2, 2, 512U << 20);
        _cleanup_free_ char *text = NULL;

        process.oom_kills_said = 2;
        text = said(&process, "", &killed);
        assert_says(text, "was killed by SIGKILL");
        assert_null(strstr(text, "want of memory"));
}

static void a_start_that_fails_for_memory_says_so(void **state) {
        struct process process = worker_with(1, 1, 1U << 20);
        struct slot *slot = calloc(1, sizeof(*slot));
        _cleanup_free_ char *reason = NULL;

        assert_non_null(slot);
        reason = report_start_failure(&process, slot, &killed);
        assert_string_equal(reason, "worker 3 was killed for want of memory before it was ready");
        free(slot);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_kill_for_memory_names_the_workers_own_limit),
                cmocka_unit_test(a_kill_for_memory_names_a_limit_above),
                cmocka_unit_test(a_kill_without_want_of_memory_is_an_ordinary_one),
                cmocka_unit_test(what_a_worker_had_started_may_be_what_was_killed),
                cmocka_unit_test(what_was_said_is_not_said_again_nor_taken_for_the_workers_own_end),
                cmocka_unit_test(a_start_that_fails_for_memory_says_so),
        };

        (void) log_setup("master", "test", -1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
