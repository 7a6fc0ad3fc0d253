/* SPDX-License-Identifier: MIT */

/*
 * Children of the application: muster_spawn(), and what all children have in common.
 *
 * The end is seen by a pidfd, so it is never mistaken for that of another, and nothing waits. A child is gone when it has
 * ended and all it has written was handed over; a grandchild that holds a pipe open, perhaps for ever, is waited for a
 * while only.
 *
 * Signals go to the child's process group, since a command is often more than one process. That is safe as long as the
 * child itself was not collected: until then nobody else can get its number. So what is left of a group that we have told
 * to end is killed right before that, and after it there is nothing that could be sent a signal.
 *
 * With this process its children end: asked first if it ends in order, by the kernel if not (see spawn-start.c).
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/spawn.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/text.h"

#define LINGER      (2 * USEC_PER_SEC)
#define TRACED_WAIT (10 * USEC_PER_MSEC)
#define ACCURACY    USEC_PER_MSEC

static const struct guard_context child_context = { .route = "child" };

void child_run(struct muster_child *child, guard_function_t function, void *argument) {
        child->muster->event_changed = true;
        (void) muster_process_run(child->muster, &child_context, function, argument);
}

static struct muster_child *muster_child_free(struct muster_child *child) {
        if (!child)
                return NULL;
        list_remove(&child->node);
        sd_event_source_disable_unref(child->exit_source);
        sd_event_source_disable_unref(child->timer);
        fd_close(child->pidfd);
        input_close(&child->input);
        output_close(&child->outputs[0]);
        output_close(&child->outputs[1]);
        collector_free(child->collector);
        fork_free(child->fork);
        free(child->name);
        free(child);
        return NULL;
}

DEFINE_CLEANUP(struct muster_child *, muster_child_free);

static int set_timer(struct muster_child *child, usec_t span, sd_event_time_handler_t handler) {
        usec_t when = usec_add(now_monotonic(), span);

        child->timer = sd_event_source_disable_unref(child->timer);
        child->muster->event_changed = true;
        return when == USEC_NEVER ? 0
                                  : sd_event_add_time(child->muster->event, &child->timer, CLOCK_MONOTONIC,
                                                      when, ACCURACY, handler, child);
}

/* ---- The end ---- */

static void call_close(void *argument) {
        struct muster_child *child = argument;

        child->on_close(child, child->code, child->signal, child->data);
}

/* Whether more of it may come. */
static bool is_open(const struct muster_child *child) {
        return child->outputs[0].fd >= 0 || child->outputs[1].fd >= 0 || fork_is_open(child->fork);
}

void child_look_for_end(struct muster_child *child) {
        if (!child->ended || is_open(child))
                return;
        child->timer = sd_event_source_disable_unref(child->timer);
        input_close(&child->input);
        if (child->collector)
                collector_finish(child);
        else if (child->on_close)
                child_run(child, call_close, child);
        muster_child_free(child);
}

/* Somebody else holds its output open. As long as the application does not want to read it is not late. */
static int dispatch_linger(sd_event_source *source, uint64_t when, void *userdata) {
        struct muster_child *child = userdata;
        bool first, second;

        fork_close(child->fork);
        first = output_finish(&child->outputs[0]);
        second = output_finish(&child->outputs[1]);
        if (first && second)
                child_look_for_end(child);
        else if (set_timer(child, child->linger, dispatch_linger) < 0) {
                output_close(&child->outputs[0]);
                output_close(&child->outputs[1]);
                child_look_for_end(child);
        }
        return 0;
}

/* Collects it. What it has left in its group has no parent that would tell it to end. */
static void collect(struct muster_child *child, const siginfo_t *status) {
        siginfo_t ignored;

        if (child->terminated)
                (void) kill(-child->pid, SIGKILL);
        (void) waitid(P_PIDFD, (id_t) child->pidfd, &ignored, WEXITED | WNOHANG);
        child->exit_source = sd_event_source_disable_unref(child->exit_source);
        child->pidfd = fd_close(child->pidfd);
        child->timer = sd_event_source_disable_unref(child->timer);
        child->ended = true;
        child->code = status->si_code == CLD_EXITED ? status->si_status : -1;
        child->signal = status->si_code == CLD_EXITED ? 0 : status->si_status;
}

static void on_exit_seen(struct muster_child *child, const siginfo_t *status) {
        collect(child, status);
        if (child->fork)
                fork_ended(child);
        if (is_open(child) && set_timer(child, child->linger, dispatch_linger) < 0)
                (void) dispatch_linger(NULL, 0, child);
        else
                child_look_for_end(child);
}

/* While somebody traces the dead process there is nothing to collect yet, though its descriptor says so. */
static int dispatch_exit_again(sd_event_source *source, uint64_t when, void *userdata) {
        struct muster_child *child = userdata;
        siginfo_t status = {};

        if (waitid(P_PIDFD, (id_t) child->pidfd, &status, WEXITED | WNOHANG | WNOWAIT) < 0)
                status = (siginfo_t){ .si_pid = child->pid, .si_code = CLD_KILLED };
        if (status.si_pid != 0) {
                on_exit_seen(child, &status);
                return 0;
        }
        child->exit_source = sd_event_source_disable_unref(child->exit_source);
        return sd_event_add_time_relative(child->muster->event, &child->exit_source, CLOCK_MONOTONIC,
                                          TRACED_WAIT, ACCURACY, dispatch_exit_again, child);
}

static int dispatch_exit(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        return dispatch_exit_again(source, 0, userdata);
}

/* ---- Telling it to end ---- */

static int dispatch_kill(sd_event_source *source, uint64_t when, void *userdata) {
        struct muster_child *child = userdata;

        (void) kill(-child->pid, SIGKILL);
        return 0;
}

/* One that is stopped would not hear it. */
static void ask_to_end(struct muster_child *child) {
        child->terminated = true;
        (void) kill(-child->pid, child->kill_signal);
        (void) kill(-child->pid, SIGCONT);
}

void child_terminate(struct muster_child *child, int error) {
        if (child->error == 0)
                child->error = error;
        if (child->ended || child->terminated)
                return;
        ask_to_end(child);
        if (set_timer(child, child->muster->config->worker.kill_timeout, dispatch_kill) < 0)
                (void) kill(-child->pid, SIGKILL);
}

static int dispatch_timeout(sd_event_source *source, uint64_t when, void *userdata) {
        child_terminate(userdata, -ETIMEDOUT);
        return 0;
}

static bool has_ended(const struct muster_child *child, usec_t patience) {
        struct pollfd poll_fd = { .fd = child->pidfd, .events = POLLIN };

        return child->ended || poll(&poll_fd, 1, (int) (patience / USEC_PER_MSEC)) > 0;
}

static bool goes_with_us(const struct muster_child *child) {
        return !child->detached && !child->ended;
}

void children_end(struct muster *muster, usec_t patience) {
        usec_t end = usec_add(now_monotonic(), patience);

        LIST_FOREACH(node, &muster->children) {
                struct muster_child *child = container_of(node, struct muster_child, node);

                if (goes_with_us(child))
                        ask_to_end(child);
        }
        LIST_FOREACH_SAFE(node, &muster->children) {
                struct muster_child *child = container_of(node, struct muster_child, node);
                usec_t now = now_monotonic();

                if (goes_with_us(child)) {
                        (void) has_ended(child, end > now ? end - now : 0);
                        (void) kill(-child->pid, SIGKILL);
                        (void) has_ended(child, TRACED_WAIT);
                        (void) waitpid(child->pid, NULL, WNOHANG);
                }
                if (child->fork && !child->ended)
                        fork_ended(child);
                muster_child_free(child);
        }
}

/* ---- Starting ---- */

/* Once a process: it does not change while the process lives. */
static int refuse(void) {
        static bool said;

        if (!said)
                log_error(
                        0,
                        "The application wants to start a process, which only [worker] children = yes allows");
        said = true;
        return -EPERM;
}

static char *name_of(const struct muster_spawn_options *options, const struct spawn_extra *extra) {
        if (extra && extra->name)
                return strdup(extra->name);
        return text_make_utf8(text_fold(strdup(options->command ? options->command
                                               : options->file  ? options->file
                                               : options->argv  ? options->argv[0] ?: "?"
                                                                : "?")));
}

static int watch(struct muster_child *child, const struct muster_spawn_options *options) {
        struct output *outputs = child->outputs;
        int r;

        child->muster->event_changed = true;
        r = sd_event_add_io(child->muster->event, &child->exit_source, child->pidfd, EPOLLIN, dispatch_exit,
                            child);
        if (r >= 0 && child->input.fd >= 0)
                r = input_open(&child->input, child, child->input.fd);
        if (r >= 0 && outputs[0].fd >= 0)
                r = output_open(&outputs[0], child, STDOUT_FILENO, outputs[0].fd, options->on_output);
        if (r >= 0 && outputs[1].fd >= 0)
                r = output_open(&outputs[1], child, STDERR_FILENO, outputs[1].fd, options->on_errors);
        if (r >= 0 && options->timeout > 0)
                r = set_timer(child, options->timeout, dispatch_timeout);
        return r;
}

/* Without a watch nobody would know of its end: better to have no child. */
static void give_up(struct muster_child *child) {
        (void) kill(-child->pid, SIGKILL);
        (void) waitpid(child->pid, NULL, 0);
}

static struct muster_child *muster_child_new(struct muster *muster,
                                             const struct muster_spawn_options *options,
                                             const struct spawn_extra *extra) {
        struct muster_child *child;

        child = calloc(1, sizeof(*child));
        if (!child)
                return NULL;
        *child = (struct muster_child){
                .muster = muster,
                .pidfd = -1,
                .detached = options->detached,
                .kill_signal = options->kill_signal ? options->kill_signal : SIGTERM,
                .linger = options->linger ? options->linger : LINGER,
                .on_drain = options->on_drain,
                .on_close = options->on_close,
                .data = options->data,
                .input = { .fd = -1 },
                .outputs = { { .fd = -1 }, { .fd = -1 } },
        };
        list_init(&child->node);
        child->name = name_of(options, extra);
        return child->name ? child : muster_child_free(child);
}

int child_spawn(struct muster_child **ret, struct muster *muster, const struct muster_spawn_options *options,
                const struct spawn_extra *extra) {
        _cleanup_(cleanup_muster_child_free) struct muster_child *child = NULL;
        int r;

        if (!muster->config->worker.children)
                return refuse();
        if (options->kill_signal < 0 || options->kill_signal > SIGRTMAX)
                return -EINVAL;
        child = muster_child_new(muster, options, extra);
        if (!child)
                return -ENOMEM;
        r = child_start_program(child, options, extra);
        if (r < 0)
                return r;
        r = watch(child, options);
        if (r < 0) {
                give_up(child);
                return r;
        }
        list_append(&muster->children, &child->node);
        *ret = TAKE_PTR(child);
        return 0;
}

/* ---- Calls of the application ---- */

struct muster_child *muster_spawn(struct muster *muster, const struct muster_spawn_options *options) {
        struct muster_child *child = NULL;
        int r;

        r = child_spawn(&child, muster, options, NULL);
        if (r < 0)
                errno = -r;
        return child;
}

int muster_child_kill(struct muster_child *child, int signal) {
        if (signal < 0 || signal > SIGRTMAX)
                return -EINVAL;
        if (child->ended)
                return -ESRCH;
        return kill(-child->pid, signal) < 0 ? -errno : 0;
}

pid_t muster_child_pid(const struct muster_child *child) {
        return child->ended ? 0 : child->pid;
}

struct muster *muster_child_muster(const struct muster_child *child) {
        return child->muster;
}

int muster_child_error(const struct muster_child *child) {
        return child->error;
}

void muster_child_set_data(struct muster_child *child, void *data) {
        child->data = data;
}

void *muster_child_data(const struct muster_child *child) {
        return child->data;
}
