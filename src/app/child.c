/* SPDX-License-Identifier: MIT */

/*
 * A child of the master: the part that worker, agent and compute process share.
 *
 * It begins with the heritage and the guard, loads the application, calls its start function and tells the
 * master that it is ready or why it is not. Then it listens to the channel until it is time to leave: the
 * master asks, the master dies (the channel ends, or the kernel sends SIGTERM by PR_SET_PDEATHSIG), somebody
 * sends SIGTERM, or a callback faults. Leaving happens once, and always against a deadline that holds even
 * if the application hangs in a callback: SIGTERM is caught by a real handler, which arms it, not by a
 * signalfd that a hung loop never reads. So no child outlives its master for long.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/child-config.h"
#include "app/child.h"
#include "app/heartbeat.h"
#include "app/job.h"
#include "app/messenger.h"
#include "app/offload.h"
#include "app/sandbox.h"
#include "app/spawn.h"
#include "app/store.h"
#include "app/termination.h"
#include "app/timetable.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log-id.h"

/* What the orderly end may take beyond drain_timeout: the server cuts the last connections a second after it, then the
 * application's stop function is called. */
#define DEADLINE_EXTRA (2 * USEC_PER_SEC)

/* At the end, for messages that have come and were not read yet: */
#define REST_PATIENCE (500 * USEC_PER_MSEC)

/* and for children of the application to end in order. */
#define CHILDREN_PATIENCE USEC_PER_SEC

/* The application's functions for this role; each may be NULL. */
struct hooks {
        int (*start)(struct muster *muster);
        void (*ready)(struct muster *muster);
        void (*stop)(struct muster *muster);
};

struct child {
        struct heritage heritage;
        struct config *config;
        struct scoreboard scoreboard;
        struct muster *muster;
        struct channel *channel;
        struct module *module;
        struct hooks hooks;
        struct child_callbacks callbacks;
        sd_event_source *heartbeat;
        struct termination termination;
        bool started; /* the start function succeeded: the stop function is owed */
        bool ready_told;
        bool leaving;
        bool failed;
};

static const char *role_name(enum muster_role role) {
        return role == MUSTER_ROLE_WORKER ? "worker" : role == MUSTER_ROLE_AGENT ? "agent" : "compute";
}

/* ---- Beginning ---- */

bool child_has_master(const struct child *child) {
        return child->heritage.channel_fd >= 0 || child->channel;
}

static int read_configuration(struct child *child, enum muster_role role, int argc, char **argv) {
        int r;

        r = child_has_master(child) ? child_config_inherit(&child->config, &child->heritage)
                                    : child_config_load(&child->config, &child->heritage, argc, argv);
        if (r < 0)
                return r;
        if (role != MUSTER_ROLE_AGENT && child->heritage.number < 0)
                child->heritage.number = 0;
        r = log_setup(role_name(role), child->heritage.instance, child->heritage.number);
        if (r < 0)
                return log_error(r, "Failed to set up the log: %m");
        log_set_level(child->config->log.level);
        return 0;
}

static int attach_slot(struct child *child) {
        struct slot *slot;
        int r;

        if (child->heritage.scoreboard_fd < 0)
                return 0;
        r = scoreboard_attach(&child->scoreboard, TAKE_FD(child->heritage.scoreboard_fd),
                              child->heritage.slot);
        if (r < 0)
                return log_error(r, "Failed to map the scoreboard: %m");
        slot = child->scoreboard.own;
        slot->pid = getpid();
        slot->number = child->heritage.number;
        slot->generation = child->heritage.generation;
        slot->started = slot->heartbeat = now_monotonic();
        slot->state = SLOT_STARTING;
        return 0;
}

static int set_up_guard(struct child *child, enum muster_role role) {
        const struct config *config = child->config;
        bool agent = role == MUSTER_ROLE_AGENT;
        struct guard_options options = {
                .slot = child->muster->slot,
                .quarantine = child->muster->quarantine,
                .channel_fd = child->heritage.channel_fd,
                .announce = !agent,
                .core = config->worker.core,
                .drain = agent || config->worker.drain,
                .survive = agent,
                .master = child->heritage.master,
                .hung = agent ? NULL : termination_begin,
                .deadline = usec_add(config->worker.drain_timeout, DEADLINE_EXTRA),
        };
        int r;

        r = guard_setup(&options);
        return r < 0 ? log_error(r, "Failed to set up the crash guard: %m") : 0;
}

static void on_termination(void *userdata) {
        child_leave(userdata, true);
}

/* ---- The channel ---- */

struct hook_call {
        struct muster *muster;
        void (*function)(struct muster *muster);
};

static void call_hook(void *argument) {
        const struct hook_call *call = argument;

        call->function(call->muster);
}

/* Calls a function of the application that returns nothing, if there is one. */
static void run_hook(struct child *child, const char *route, void (*function)(struct muster *muster)) {
        const struct guard_context context = { .route = route };
        struct hook_call call = { child->muster, function };

        if (function)
                (void) muster_process_run(child->muster, &context, call_hook, &call);
}

static void tell_ready(struct child *child) {
        if (child->ready_told)
                return;
        child->ready_told = true;
        log_debug("Muster is ready");
        if (child->channel)
                channel_hold(child->channel, false);
        if (child->callbacks.ready)
                child->callbacks.ready(child, child->callbacks.userdata);
        run_hook(child, "ready", child->hooks.ready);
        messenger_ready(child->muster);
        timetable_start(child->muster);
}

static void on_message(struct channel *channel, const struct message *message, void *userdata) {
        struct child *child = userdata;

        switch (message->type) {
        case MESSAGE_MUSTER_READY:
                tell_ready(child);
                break;
        case MESSAGE_APP:
                messenger_receive(child->muster, channel, message);
                break;
        case MESSAGE_UNDELIVERED:
                messenger_undelivered(child->muster, message);
                break;
        case MESSAGE_DRAIN:
        case MESSAGE_STOP:
                child_leave(child, false);
                break;
        case MESSAGE_RUN:
                if (child->muster->role == MUSTER_ROLE_WORKER && child->started)
                        job_receive(child->muster, message, child->leaving);
                break;
        case MESSAGE_SINCE:
                timetable_receive(child->muster, message);
                break;
        case MESSAGE_JOB:
                if (child->callbacks.job)
                        child->callbacks.job(child, message, channel_take_fd(channel),
                                             child->callbacks.userdata);
                break;
        case MESSAGE_RESULT:
                offload_receive(child->muster, message, channel_take_fd(channel));
                break;
        default:
                break;
        }
}

static void on_closed(struct channel *channel, int error, void *userdata) {
        struct child *child = userdata;

        if (!child->leaving)
                log_notice("The master is gone, leaving");
        guard_forget_channel();
        child_leave(child, false);
}

/* A message that has waited and can't be sent, for the descriptor beside it. */
static void on_lost(struct channel *channel, const struct message *message, void *userdata) {
        const struct child *child = userdata;

        if (message->type == MESSAGE_APP)
                messenger_lost(child->muster, message);
        else if (message->type == MESSAGE_JOB)
                offload_lost(child->muster, message);
        else if (message->type == MESSAGE_RESULT && child->callbacks.lost)
                child->callbacks.lost(child->muster, message);
}

static int set_up_channel(struct child *child) {
        int r;

        if (child->heritage.channel_fd < 0)
                return 0;
        r = channel_new(&child->channel, child->muster->event, TAKE_FD(child->heritage.channel_fd),
                        SENDER_MASTER, on_message, on_closed, child);
        if (r < 0)
                return log_error(r, "Failed to watch the channel: %m");
        child->muster->channel = child->channel;
        channel_on_lost(child->channel, on_lost);
        channel_hold(child->channel, true); /* messages wait until everything has started */
        if (getppid() != child->heritage.master)
                return log_error(-ESRCH, "The master is gone already");
        return 0;
}

int child_new(struct child **ret, enum muster_role role, int argc, char **argv) {
        _cleanup_(cleanup_child_free) struct child *child = NULL;
        int r;

        child = calloc(1, sizeof(*child));
        if (!child)
                return log_oom();
        child->heritage = (struct heritage) HERITAGE_NULL;
        child->scoreboard = (struct scoreboard) SCOREBOARD_NULL;
        child->termination = (struct termination) TERMINATION_NULL;
        (void) log_setup(role_name(role), "?", -1);

        r = heritage_read(&child->heritage);
        if (r < 0)
                return log_error(r, "The environment is not one a master would have made: %m");
        r = read_configuration(child, role, argc, argv);
        if (r < 0)
                return r;
        r = attach_slot(child);
        if (r < 0)
                return r;
        r = muster_process_new(&child->muster, role, child->heritage.instance, child->heritage.number,
                               child->config, child->scoreboard.own);
        if (r < 0)
                return log_error(r, "Failed to set up the process: %m");
        if (child->scoreboard.memory)
                child->muster->scoreboard = &child->scoreboard;
        child->muster->detached_fd = TAKE_FD(child->heritage.detached_fd);
        child->muster->quarantine = scoreboard_quarantine(&child->scoreboard);
        r = set_up_guard(child, role);
        if (r < 0)
                return r;
        r = termination_watch(&child->termination, child->muster->event, child_has_master(child),
                              on_termination, child);
        if (r < 0)
                return log_error(r, "Failed to set up signals: %m");
        r = set_up_channel(child);
        if (r < 0)
                return r;
        r = heartbeat_start(child->muster, &child->heartbeat);
        if (r < 0)
                return log_error(r, "Failed to start the heartbeat: %m");
        *ret = TAKE_PTR(child);
        return 0;
}

struct child *child_free(struct child *child) {
        static struct child *left _unused_; /* so that it is not taken for a leak */

        if (!child)
                return NULL;
        /* A thread that is still at work may use all of it: the process just ends. */
        if (child->muster && offload_is_busy(child->muster)) {
                left = child;
                return NULL;
        }
        guard_forget_channel();
        channel_free(child->channel);
        sd_event_source_disable_unref(child->heartbeat);
        termination_deinit(&child->termination);
        muster_process_free(child->muster);
        module_free(child->module);
        config_free(child->config);
        /* The scoreboard stays mapped: the crash handler writes to it as long as the process lives. */
        heritage_deinit(&child->heritage);
        free(child);
        return NULL;
}

/* ---- Starting ---- */

/* Tells the master, which logs it and repeats it to systemd, why this process gives up; without one, logs it. */
static int start_failed(struct child *child, int error, const char *reason) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_START_FAILED), NULL };

        child->failed = true;
        if (child->channel)
                (void) channel_send(child->channel, MESSAGE_FAILED, reason, MIN(strlen(reason), 1024U));
        else
                (void) log_fields(LOG_ERR, error, fields, "Failed to start: %s", reason);
        return error;
}

static struct hooks hooks_of(const struct muster_application *application, enum muster_role role) {
        if (role == MUSTER_ROLE_WORKER)
                return (struct hooks){ application->worker_start, application->worker_ready,
                                       application->worker_stop };
        if (role == MUSTER_ROLE_COMPUTE)
                return (struct hooks){ application->compute_start, NULL, application->compute_stop };
        return (struct hooks){ application->agent_start, application->agent_ready, application->agent_stop };
}

static int load_module(struct child *child) {
        _cleanup_free_ char *reason = NULL;
        int r;

        slot_record_maps(child->muster->slot);
        r = process_enter_sandbox(child->muster, child->channel, &reason);
        if (r >= 0 && child->callbacks.prepare)
                r = child->callbacks.prepare(child, child->callbacks.userdata);
        if (r >= 0)
                r = module_load(&child->module, child->config->muster.module, &reason);
        if (r < 0)
                return start_failed(child, r, reason ?: child->muster->failure ?: strerror(-r));
        log_debug("Loaded %s", module_path(child->module));
        child->muster->application = module_application(child->module);
        child->hooks = hooks_of(child->muster->application, child->muster->role);
        slot_record_maps(child->muster->slot);
        r = timetable_set_up(child->muster, &reason);
        return r < 0 ? start_failed(child, r, reason ?: strerror(-r)) : 0;
}

struct start_call {
        struct muster *muster;
        int (*function)(struct muster *muster);
        int result;
};

static void call_start(void *argument) {
        struct start_call *call = argument;

        call->result = call->function(call->muster);
}

static int call_start_function(struct child *child) {
        static const char *const names[] = { [MUSTER_ROLE_WORKER] = "worker_start",
                                             [MUSTER_ROLE_AGENT] = "agent_start",
                                             [MUSTER_ROLE_COMPUTE] = "compute_start" };
        const struct guard_context context = { .route = names[child->muster->role] };
        struct start_call call = { .muster = child->muster, .function = child->hooks.start };
        char reason[128];
        int signal;

        if (!call.function)
                return 0;
        signal = muster_process_run(child->muster, &context, call_start, &call);
        if (signal != 0) {
                (void) snprintf(reason, sizeof(reason), "%s of the application faulted with SIG%s",
                                context.route, sigabbrev_np(signal));
                return start_failed(child, -EFAULT, reason);
        }
        if (call.result < 0) {
                (void) snprintf(reason, sizeof(reason), "%s of the application failed: %s", context.route,
                                strerror(-call.result));
                return start_failed(child, call.result, child->muster->failure ?: reason);
        }
        return 0;
}

/* With whether the module has anything to offload. */
static int tell_started(struct child *child) {
        const struct muster_task *tasks = child->muster->application->tasks;
        bool has_tasks = tasks && tasks->name;

        return channel_send(child->channel, MESSAGE_READY, &has_tasks, sizeof(has_tasks));
}

int child_start(struct child *child, const struct child_callbacks *callbacks) {
        int r;

        child->callbacks = *callbacks;
        r = load_module(child);
        if (r < 0)
                return r;
        r = call_start_function(child);
        if (r < 0)
                return r;
        child->started = true;
        slot_record_maps(child->muster->slot); /* it may have loaded libraries */
        if (callbacks->open) {
                r = callbacks->open(child, callbacks->userdata);
                if (r < 0)
                        return start_failed(child, r, child->muster->failure ?: strerror(-r));
        }
        child->muster->slot->state = SLOT_READY;
        if (!child->channel) {
                tell_ready(child);
                return 0;
        }
        r = tell_started(child);
        if (r < 0)
                return log_error(r, "Failed to tell the master: %m");
        channel_flush(child->channel);
        return 0;
}

struct muster *child_muster(const struct child *child) {
        return child->muster;
}

struct heritage *child_heritage(struct child *child) {
        return &child->heritage;
}

const struct config *child_config(const struct child *child) {
        return child->config;
}

const struct muster_application *child_application(const struct child *child) {
        return child->muster->application;
}

bool child_is_leaving(const struct child *child) {
        return child->leaving;
}

/* ---- Ending ---- */

void child_leave(struct child *child, bool announce) {
        if (child->leaving)
                return;
        child->leaving = true;
        guard_start_deadline();
        child->muster->slot->state = SLOT_DRAINING;
        if (announce && child->channel)
                (void) channel_send(child->channel, MESSAGE_LEAVING, NULL, 0);
        if (child->callbacks.leave)
                child->callbacks.leave(child, child->callbacks.userdata);
}

/* The agent lives on after a fault, and ends in good order. */
static bool has_faulted(const struct child *child) {
        return child->muster->role != MUSTER_ROLE_AGENT && guard_faulted();
}

static void empty_store(struct muster *muster) {
        store_empty(muster->store);
}

/* What was sent to this process reaches it, or its sender is told: nothing stays unread between the two. */
static void read_rest(struct child *child) {
        bool listens = child->started && child->muster->role != MUSTER_ROLE_COMPUTE && !has_faulted(child);

        if (child->channel && listens)
                channel_read_rest(child->channel, usec_add(now_monotonic(), REST_PATIENCE));
}

int child_finish(struct child *child) {
        if (child->failed)
                return EXIT_FAILURE;
        child->muster->slot->state = SLOT_STOPPING;
        read_rest(child);
        if (child->started && !has_faulted(child))
                run_hook(child, "stop", child->hooks.stop);
        if (child->started && !has_faulted(child))
                run_hook(child, "store", empty_store);
        children_end(child->muster, CHILDREN_PATIENCE);
        return has_faulted(child) ? EXIT_FAILURE : EXIT_SUCCESS;
}
