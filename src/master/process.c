/* SPDX-License-Identifier: MIT */

/*
 * One child: started, listened to, and collected.
 *
 * Every child is exec'd, so it begins with its own address space layout and the binary that is installed
 * now. What it inherits is the heritage and nothing else. It is asked to die with the master
 * (PR_SET_PDEATHSIG), and looks once more whether its parent is still the master, since the master may have
 * died in between.
 *
 * Three things tell that a process is lost: it says so (SUICIDE, LEAVING), its channel ends, or it ends.
 * Whichever comes first counts, the others are the same event seen again. The end is seen through a pidfd,
 * whose priority is below the channel's, so that last words are read first.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/process.h"
#include "master/refused.h"
#include "master/watch-exit.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/nofile.h"
#include "util/text.h"

#define CRASH_RECORD_DELAY                                                                                  \
        (10 * USEC_PER_MSEC) /* the handler is still walking the stack when it announces */

const char *process_role_name(enum process_role role) {
        static const char *const names[] = {
                [PROCESS_AGENT] = "agent", [PROCESS_WORKER] = "worker", [PROCESS_COMPUTE] = "compute"
        };

        return names[role];
}

char *process_name(const struct process *process, char *buffer, size_t size) {
        if (process->role == PROCESS_AGENT)
                (void) snprintf(buffer, size, "agent");
        else
                (void) snprintf(buffer, size, "%s %d",
                                process->role == PROCESS_WORKER ? "worker" : "compute process",
                                process->number);
        return buffer;
}

/* ---- In the new process ---- */

void process_reset_signals(void) {
        struct sigaction action = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int signal = 1; signal < NSIG; signal++)
                (void) sigaction(signal, &action, NULL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The master logs what goes wrong here: it gets the reason by the channel. */
static void tell_failure(int channel_fd, const char *program, int error) {
        char reason[512], buffer[sizeof(struct message_header) + sizeof(reason) + MESSAGE_ALIGN];
        int n;

        (void) snprintf(reason, sizeof(reason), "Cannot execute %s: %s", program, strerror(-error));
        n = message_encode(buffer, sizeof(buffer), MESSAGE_FAILED, reason, strlen(reason));
        if (n > 0)
                (void) !write(channel_fd, buffer, (size_t) n);
}

_noreturn_ static void become_child(const struct process_options *options, const struct heritage *heritage) {
        int channel_fd = heritage->channel_fd, r;
        char title[128];
        char *argv[] = { title, NULL };

        if (options->role == PROCESS_AGENT)
                (void) snprintf(title, sizeof(title), "muster-agent: %s", heritage->instance);
        else
                (void) snprintf(title, sizeof(title), "muster-%s: %s/%d", process_role_name(options->role),
                                heritage->instance, heritage->number);

        cgroup_enter(options->cgroup_procs_fd);
        process_reset_signals();
        nofile_restore();
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != heritage->master)
                _exit(EXIT_FAILURE);

        /* A copy for the last words, above all that is being arranged; exec closes it. */
        channel_fd = fcntl(channel_fd, F_DUPFD_CLOEXEC, HERITAGE_FLOOR(heritage));
        r = heritage_bequeath(heritage);
        if (r >= 0) {
                execv(options->program, argv);
                r = -errno;
        }
        tell_failure(channel_fd, options->program, r);
        _exit(127);
}

/* ---- In the master ---- */

static int start_timer(struct process *process, sd_event_source **timer, usec_t span,
                       sd_event_time_handler_t handler) {
        usec_t when = usec_add(now_monotonic(), span);

        *timer = sd_event_source_disable_unref(*timer);
        if (when == USEC_NEVER)
                return 0;
        return sd_event_add_time(process->event, timer, CLOCK_MONOTONIC, when, USEC_PER_MSEC, handler,
                                 process);
}

static int dispatch_kill(sd_event_source *source, uint64_t when, void *userdata) {
        struct process *process = userdata;
        char name[32];

        log_warning(0, "The %s (pid %d) has not ended in time, killing it",
                    process_name(process, name, sizeof(name)), process->pid);
        process_kill(process, SIGKILL);
        return 0;
}

/* It leaves, be it that we asked or that it must. Whatever it does then, it ends; one that hangs in its start has a timer
 * for that already. */
static void begin_leaving(struct process *process) {
        process->state = PROCESS_LEAVING;
        if (!process->overdue)
                (void) start_timer(process, &process->timer, process->leave_timeout, dispatch_kill);
}

static void process_lost(struct process *process) {
        if (process->state != PROCESS_LEAVING)
                begin_leaving(process);
        if (process->asked || process->announced)
                return;
        process->announced = true;
        process->events.lost(process, process->events.userdata);
}

/* The crash handler announces itself before it has walked the stack. When it is not done yet, look again later. */
static int dispatch_crash_timer(sd_event_source *source, uint64_t when, void *userdata) {
        struct process *process = userdata;

        process->events.crashed(process, process->events.userdata);
        if (process->reported)
                return 0;
        process->crash_delay *= 2;
        return start_timer(process, &process->crash_timer, process->crash_delay, dispatch_crash_timer);
}

/* SIGABRT first: the crash handler then says where it hangs. */
static int dispatch_overdue(sd_event_source *source, uint64_t when, void *userdata) {
        struct process *process = userdata;

        process->overdue = true;
        process_kill(process, SIGABRT);
        return start_timer(process, &process->timer, process->kill_timeout, dispatch_kill);
}

static void on_message(struct channel *channel, const struct message *message, void *userdata) {
        struct process *process = userdata;

        switch (message->type) {
        case MESSAGE_READY:
                if (process->state != PROCESS_STARTING)
                        break;
                process->state = PROCESS_READY;
                process->was_ready = true;
                process->has_tasks = message->size > 0 && message->payload[0];
                process->timer = sd_event_source_disable_unref(process->timer);
                process->events.ready(process, process->events.userdata);
                break;
        case MESSAGE_FAILED:
                free(process->failure);
                process->failure = text_fold(strndup(message->payload, message->size));
                break;
        case MESSAGE_APP:
        case MESSAGE_SCHEDULE:
        case MESSAGE_TICK:
        case MESSAGE_NEXT:
        case MESSAGE_DONE:
                process->events.message(process, message, process->events.userdata);
                break;
        case MESSAGE_SUICIDE:
                process->faulted = true;
                process->crash_delay = CRASH_RECORD_DELAY;
                (void) start_timer(process, &process->crash_timer, process->crash_delay,
                                   dispatch_crash_timer);
                process_lost(process);
                break;
        case MESSAGE_LISTENER:
                refused_listen(process, channel_take_fd(channel));
                break;
        case MESSAGE_REFUSED:
                refused_receive(process, message);
                break;
        case MESSAGE_JOB:
        case MESSAGE_RESULT:
        case MESSAGE_CANCEL:
                process->events.job(process, message, channel_take_fd(channel), process->events.userdata);
                break;
        case MESSAGE_LEAVING:
                process->said_leaving = true;
                process_lost(process);
                break;
        default:
                break;
        }
}

static void on_unsent(struct channel *channel, const struct message *message, void *userdata) {
        struct process *process = userdata;

        process->events.unsent(process, message, -ESRCH, process->events.userdata);
}

static void on_lost(struct channel *channel, const struct message *message, void *userdata) {
        struct process *process = userdata;

        process->events.unsent(process, message, -ENOBUFS, process->events.userdata);
}

static void on_room(struct channel *channel, void *userdata) {
        struct process *process = userdata;

        process->events.room(process, process->events.userdata);
}

/* Usually it has ended, and this is the first we hear of it. One that lives on without its channel is no use: it is asked
 * to leave by the way that is left. */
static void on_closed(struct channel *channel, int error, void *userdata) {
        struct process *process = userdata;

        channel_each_unsent(channel, on_unsent, process);
        process->misbehaved = error == -EBADMSG;
        process_kill(process, process->misbehaved ? SIGKILL : SIGTERM);
        process_lost(process);
}

static int dispatch_exit(sd_event_source *source, const siginfo_t *status, void *userdata) {
        struct process *process = userdata;
        siginfo_t copy = *status;

        process_lost(process);
        process->events.gone(process, &copy, process->events.userdata);
        return 0;
}

static int open_channel(struct process *process, int fd) {
        static const enum message_sender senders[] = { [PROCESS_AGENT] = SENDER_AGENT,
                                                       [PROCESS_WORKER] = SENDER_WORKER,
                                                       [PROCESS_COMPUTE] = SENDER_COMPUTE };
        int r;

        r = channel_new(&process->channel, process->event, fd, senders[process->role], on_message, on_closed,
                        process);
        if (r < 0)
                return r;
        channel_on_lost(process->channel, on_lost);
        channel_on_room(process->channel, on_room);
        channel_hold(process->channel, !process->told_ready);
        return 0;
}

/* Without a watch there is no way to know its end: better to have no process. */
static int watch(struct process *process, int channel_fd, usec_t ready_timeout) {
        int r;

        r = open_channel(process, channel_fd);
        if (r >= 0)
                r = watch_exit(process->event, process->pid, dispatch_exit, process, &process->exit_source);
        if (r >= 0)
                r = start_timer(process, &process->timer, ready_timeout, dispatch_overdue);
        if (r < 0) {
                (void) kill(process->pid, SIGKILL);
                (void) waitpid(process->pid, NULL, 0);
        }
        return r;
}

int process_spawn(struct process **ret, const struct process_options *options) {
        struct heritage heritage = *options->heritage;
        struct process *process;
        int fds[2], r;

        process = calloc(1, sizeof(*process));
        if (!process)
                return -ENOMEM;
        *process = (struct process){
                .role = options->role,
                .number = heritage.number,
                .slot = heritage.slot,
                .generation = heritage.generation,
                .started = now_monotonic(),
                .ready_timeout = options->ready_timeout,
                .leave_timeout = options->leave_timeout,
                .hang_timeout = options->hang_timeout,
                .kill_timeout = options->kill_timeout,
                .events = options->events,
                .event = options->event,
        };
        list_init(&process->node);
        (void) stpncpy(process->cgroup, options->cgroup, sizeof(process->cgroup) - 1);

        r = channel_pair(fds);
        if (r < 0)
                goto fail;
        heritage.channel_fd = fds[1];
        heritage.master = getpid();
        process->pid = fork();
        if (process->pid == 0)
                become_child(options, &heritage);
        r = process->pid < 0 ? -errno : 0;
        fd_close(fds[1]);
        if (r < 0) {
                fd_close(fds[0]);
                goto fail;
        }
        r = watch(process, fds[0], options->ready_timeout);
        if (r < 0)
                goto fail;
        *ret = process;
        return 0;
fail:
        process_free(process);
        return r;
}

/* ---- From another master ---- */

/* What its timer was for follows from its state. */
static int restore_timers(struct process *process, usec_t deadline, bool crash_open) {
        sd_event_time_handler_t handler =
                process->state == PROCESS_LEAVING || process->overdue ? dispatch_kill : dispatch_overdue;
        int r = 0;

        if (deadline > 0)
                r = sd_event_add_time(process->event, &process->timer, CLOCK_MONOTONIC, deadline,
                                      USEC_PER_MSEC, handler, process);
        if (r >= 0 && crash_open)
                r = start_timer(process, &process->crash_timer, process->crash_delay, dispatch_crash_timer);
        return r;
}

void process_snapshot(const struct process *process, struct process_snapshot *ret) {
        *ret = (struct process_snapshot){
                .process = *process,
                .channel_fd = channel_fd(process->channel),
                .refused_fd = process->refused.listener
                                      ? sd_event_source_get_io_fd(process->refused.listener)
                                      : -1,
                .crash_open = process->crash_timer && !process->reported,
        };
        if (process->timer && sd_event_source_get_time(process->timer, &ret->deadline) < 0)
                ret->deadline = 0;
}

static int attach(struct process *process, const struct process_snapshot *snapshot, int fd) {
        int r = 0;

        if (snapshot->process.failure) {
                process->failure = strdup(snapshot->process.failure);
                if (!process->failure) {
                        fd_close(fd);
                        return -ENOMEM;
                }
        }
        if (fd >= 0)
                r = open_channel(process, fd);
        r = r < 0 ? r
                  : watch_exit(process->event, process->pid, dispatch_exit, process, &process->exit_source);
        return r < 0 ? r : restore_timers(process, snapshot->deadline, snapshot->crash_open);
}

int process_restore(struct process **ret, const struct process_snapshot *snapshot, sd_event *event,
                    const struct process_events *events) {
        struct process *process;
        int r;

        process = malloc(sizeof(*process));
        if (!process) {
                fd_close(snapshot->channel_fd);
                return -ENOMEM;
        }
        *process = snapshot->process;
        process->failure = NULL;
        process->event = event;
        process->events = *events;
        list_init(&process->node);
        refused_restore(process, snapshot->refused_fd);
        r = attach(process, snapshot, snapshot->channel_fd);
        if (r < 0) {
                process_free(process);
                return r;
        }
        *ret = process;
        return 0;
}

struct process *process_free(struct process *process) {
        if (!process)
                return NULL;
        list_remove(&process->node);
        channel_free(process->channel);
        route_forget(process);
        sd_event_source_disable_unref(process->refused.listener);
        sd_event_source_disable_unref(process->exit_source);
        sd_event_source_disable_unref(process->timer);
        sd_event_source_disable_unref(process->crash_timer);
        free(process->failure);
        free(process);
        return NULL;
}

int process_send(struct process *process, enum message_type type) {
        int r;

        if (!process->channel)
                return -EPIPE;
        r = channel_send(process->channel, type, NULL, 0);
        if (r >= 0 && type == MESSAGE_MUSTER_READY) {
                process->told_ready = true;
                channel_hold(process->channel, false);
        }
        return r;
}

void process_leave(struct process *process, enum message_type type) {
        if (process->asked)
                return;
        process->asked = true;
        (void) process_send(process, type);
        if (process->state != PROCESS_LEAVING)
                begin_leaving(process);
}

void process_end(struct process *process) {
        process->asked = true;
        if (process->state != PROCESS_LEAVING)
                begin_leaving(process);
        process_kill(process, SIGKILL);
}

/* The mark tells the handler that this is not the application's own abort(). */
void process_interrupt(struct process *process) {
        siginfo_t info = { .si_signo = SIGABRT, .si_code = SI_QUEUE };

        /* Not in the initializer: they are in different members of a union there. */
        info.si_pid = getpid();
        info.si_uid = getuid();
        info.si_value.sival_int = MESSAGE_SIGNAL_HANG;
        process->silent = process->pulse.hung;
        if (process->exit_source)
                (void) sd_event_source_send_child_signal(process->exit_source, SIGABRT, &info, 0);
        if (process->role != PROCESS_AGENT)
                process_lost(process);
}

void process_kill(struct process *process, int signal) {
        if (signal == SIGKILL && !process->misbehaved)
                process->killed = true;
        if (process->exit_source)
                (void) sd_event_source_send_child_signal(process->exit_source, signal, NULL, 0);
}
