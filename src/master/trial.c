/* SPDX-License-Identifier: MIT */

/*
 * A program that is to take over is tried first: run as a child, with the handover to read, and asked whether it could.
 *
 * The answer must be a yes in so many words and a good end. Whatever else it does is a no, be it that it says why not, does
 * not start, dies, or is no master at all; and one that does nothing is not waited for. The loop goes on
 * meanwhile. It has the handover, the master's standard error and a pipe, and nothing of the service.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/handover.h"
#include "master/process.h"
#include "master/trial.h"
#include "master/upgrade.h"
#include "master/watch-exit.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/text.h"

#define TRIAL_TIMEOUT (10 * USEC_PER_SEC)
#define ANSWER_MAX    512U
#define HANDOVER_FD   3 /* in the trial */

void trial_end(struct trial *trial) {
        sd_event_source_disable_unref(trial->exit_source);
        sd_event_source_disable_unref(trial->timer);
        fd_close(trial->answer_fd);
        *trial = (struct trial) TRIAL_NULL;
}

_noreturn_ static void become_trial(const char *program, const char *config, int handover_fd,
                                    int answer_fd) {
        static const char *const removed[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" };
        char number[16];
        char *argv[] = { (char *) program,
                         (char *) "--check",
                         (char *) "--take-over",
                         number,
                         (char *) "--config",
                         (char *) config,
                         NULL };

        (void) snprintf(number, sizeof(number), "%d", HANDOVER_FD);
        process_reset_signals();
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* Above the places they go to, since each may be where the other is. */
        handover_fd = fcntl(handover_fd, F_DUPFD_CLOEXEC, HANDOVER_FD + 1);
        answer_fd = fcntl(answer_fd, F_DUPFD_CLOEXEC, HANDOVER_FD + 1);
        if (dup2(handover_fd, HANDOVER_FD) < 0 || dup2(answer_fd, STDOUT_FILENO) < 0 ||
            close_range(HANDOVER_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < ELEMENTSOF(removed); i++)
                (void) unsetenv(removed[i]);
        (void) execv(argv[0], argv);
        (void) dprintf(STDOUT_FILENO, "Cannot execute %s: %s", argv[0], strerror(errno));
        _exit(EXIT_FAILURE);
}

/* The first line of the answer, or NULL. */
static char *read_answer(int fd) {
        char answer[ANSWER_MAX + 1];
        ssize_t n;

        n = read(fd, answer, ANSWER_MAX);
        if (n <= 0)
                return NULL;
        answer[n] = '\0';
        answer[strcspn(answer, "\n")] = '\0';
        return text_fold(strdup(answer));
}

/* NULL when the program can take over, or why not; the caller frees it. */
static char *judge(const struct trial *trial, const siginfo_t *status) {
        _cleanup_free_ char *answer = read_answer(trial->answer_fd);
        char limit[USEC_FORMAT_MAX], *reason = NULL;
        int n;

        if (trial->expired)
                n = asprintf(&reason, "%s gave no answer within %s", trial->program,
                             usec_format(TRIAL_TIMEOUT, limit, sizeof(limit)));
        else if (status->si_code != CLD_EXITED)
                n = asprintf(&reason, "%s cannot take over: it was killed by signal %d", trial->program,
                             status->si_status);
        else if (status->si_status == 0 && answer && startswith(answer, UPGRADE_ANSWER))
                return NULL;
        else if (answer)
                n = asprintf(&reason, "%s cannot take over: %s", trial->program, answer);
        else
                n = asprintf(&reason, "%s cannot take over: it exited with status %d", trial->program,
                             status->si_status);
        return n < 0 ? strdup("out of memory") : reason;
}

static int dispatch_end(sd_event_source *source, const siginfo_t *status, void *userdata) {
        struct trial *trial = userdata;
        _cleanup_free_ char *reason = judge(trial, status);
        trial_done_t done = trial->done;
        void *owner = trial->userdata;

        trial_end(trial);
        done(reason, owner);
        return 0;
}

static int dispatch_expired(sd_event_source *source, uint64_t when, void *userdata) {
        struct trial *trial = userdata;

        trial->expired = true;
        return sd_event_source_send_child_signal(trial->exit_source, SIGKILL, NULL, 0);
}

/* Whoever is not watched would never be collected. */
static int watch(struct trial *trial, sd_event *event) {
        int r;

        r = watch_exit(event, trial->pid, dispatch_end, trial, &trial->exit_source);
        r = r < 0 ? r
                  : sd_event_add_time(event, &trial->timer, CLOCK_MONOTONIC,
                                      usec_add(now_monotonic(), TRIAL_TIMEOUT), USEC_PER_MSEC,
                                      dispatch_expired, trial);
        if (r < 0) {
                (void) kill(trial->pid, SIGKILL);
                (void) waitpid(trial->pid, NULL, 0);
        }
        return r;
}

static int start(struct trial *trial, sd_event *event, const char *config, int handover_fd) {
        _cleanup_fd_ int answer_fd = -1;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        trial->answer_fd = fds[0];
        answer_fd = fds[1];
        r = fd_set_nonblock(trial->answer_fd, true);
        if (r < 0)
                return r;
        trial->pid = fork();
        if (trial->pid == 0)
                become_trial(trial->program, config, handover_fd, answer_fd);
        return trial->pid < 0 ? -errno : watch(trial, event);
}

int trial_begin(struct trial *trial, sd_event *event, const char *program, const char *config,
                int handover_fd, trial_done_t done, void *userdata) {
        int r;

        *trial = (struct trial){ .answer_fd = -1, .program = program, .done = done, .userdata = userdata };
        r = start(trial, event, config, handover_fd);
        if (r < 0)
                trial_end(trial);
        return r;
}
