/* SPDX-License-Identifier: MIT */

/*
 * The program behind muster_fork(): runs one function of the module, with what a worker has but HTTP.
 *
 * Its parent is a worker or the agent, and the master knows nothing of it. It is in the sandbox already, which is inherited.
 * There is no heartbeat and no drain: the function may take as long as it likes, and a fault in it ends the process by its
 * signal, after the crash handler has left a record that the parent logs. SIGTERM ends it at once, as any program.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/child-config.h"
#include "app/forked.h"
#include "app/module.h"
#include "app/spawn.h"
#include "child/child.h"
#include "ipc/heritage.h"
#include "util/fd.h"
#include "util/log.h"

/* How long the parent may take to read what it was sent, and children of this process to end. */
#define SEND_PATIENCE     (30 * USEC_PER_SEC)
#define CHILDREN_PATIENCE USEC_PER_SEC

struct child {
        struct heritage heritage;
        struct config *config;
        struct scoreboard scoreboard;
        struct muster *muster;
        struct forked *forked;
        struct module *module;
};

static void child_deinit(struct child *child) {
        if (child->muster)
                children_end(child->muster, CHILDREN_PATIENCE);
        forked_free(child->forked);
        muster_process_free(child->muster);
        module_free(child->module);
        config_free(child->config);
        heritage_deinit(&child->heritage);
}

static int begin(struct child *child) {
        int r;

        (void) log_setup("child", "?", -1);
        r = heritage_read(&child->heritage);
        if (r < 0 || child->heritage.channel_fd < 0)
                return log_error(r < 0 ? r : -EINVAL,
                                 "This program is started by muster_fork() and nobody else");
        r = child_config_inherit(&child->config, &child->heritage);
        if (r < 0)
                return r;
        r = log_setup("child", child->heritage.instance, child->heritage.number);
        if (r < 0)
                return log_error(r, "Failed to set up the log: %m");
        log_set_level(child->config->log.level);
        return 0;
}

static int attach_slot(struct child *child) {
        struct slot *slot;
        int r;

        r = scoreboard_attach(&child->scoreboard, TAKE_FD(child->heritage.scoreboard_fd),
                              child->heritage.slot);
        if (r < 0)
                return log_error(r, "Failed to map the scoreboard: %m");
        slot = child->scoreboard.own;
        slot->pid = getpid();
        slot->number = child->heritage.number;
        slot->generation = child->heritage.generation;
        slot->started = slot->heartbeat = now_monotonic();
        slot->state = SLOT_READY;
        return 0;
}

static int set_up_guard(const struct child *child) {
        const struct guard_options options = {
                .slot = child->muster->slot,
                .channel_fd = -1,
                .core = child->config->worker.core,
        };

        return guard_setup(&options);
}

static int set_up(struct child *child) {
        const struct heritage *heritage = &child->heritage;
        int r;

        r = attach_slot(child);
        if (r < 0)
                return r;
        r = muster_process_new(&child->muster, MUSTER_ROLE_CHILD, heritage->instance, heritage->number,
                               child->config, child->scoreboard.own);
        if (r < 0)
                return log_error(r, "Failed to set up the process: %m");
        child->muster->scoreboard = &child->scoreboard; /* what it counts */
        child->muster->detached_fd = TAKE_FD(child->heritage.detached_fd);
        r = set_up_guard(child);
        if (r < 0)
                return log_error(r, "Failed to set up the crash guard: %m");
        (void) signal(SIGPIPE, SIG_IGN);
        r = forked_new(&child->forked, child->muster, TAKE_FD(child->heritage.channel_fd));
        if (r < 0)
                return log_error(r, "Failed to watch the channel: %m");
        child->muster->forked = child->forked;
        return 0;
}

static int load_module(struct child *child) {
        _cleanup_free_ char *reason = NULL;
        int r;

        r = module_load(&child->module, child->config->muster.module, &reason);
        if (r < 0) {
                log_error(0, "%s", reason ?: strerror(-r));
                return r;
        }
        child->muster->application = module_application(child->module);
        slot_record_maps(child->muster->slot);
        return 0;
}

static muster_fork_function_t find_function(const struct child *child, const char *name) {
        const struct muster_fork *row = child->muster->application->forks;

        for (; row && row->name; row++)
                if (streq(row->name, name))
                        return row->function;
        return NULL;
}

struct call {
        muster_fork_function_t function;
        struct muster *muster;
        int argc;
        char **argv;
        int result;
};

static void call_function(void *argument) {
        struct call *call = argument;

        call->result = call->function(call->muster, call->argc, call->argv);
}

/* Returns the exit status. */
static int run(struct child *child, int argc, char **argv) {
        char route[SCOREBOARD_ROUTE_SIZE];
        const struct guard_context context = { .route = route };
        struct call call = { find_function(child, argv[0]), child->muster, argc, argv, 0 };
        int r;

        if (!call.function) {
                log_error(0, "The module has no function %s for muster_fork()", argv[0]);
                return EXIT_FAILURE;
        }
        (void) snprintf(route, sizeof(route), "fork %s", argv[0]);
        (void) muster_process_run(child->muster, &context, call_function, &call);
        if (call.result < 0) {
                log_error(call.result, "%s has failed: %s%s%m", argv[0], child->muster->failure ?: "",
                          child->muster->failure ? ": " : "");
                return EXIT_FAILURE;
        }
        if (call.result > 0)
                return call.result & 0xff;
        r = forked_loop(child->forked);
        if (r < 0)
                log_error(r, "The event loop failed: %m");
        return r < 0 ? EXIT_FAILURE : forked_status(child->forked);
}

int child_main(int argc, char **argv) {
        _cleanup_(child_deinit) struct child child = { .heritage = HERITAGE_NULL,
                                                       .scoreboard = SCOREBOARD_NULL };
        int status = EXIT_FAILURE;

        if (begin(&child) >= 0 && argc >= 2 && set_up(&child) >= 0) {
                if (load_module(&child) >= 0)
                        status = run(&child, argc - 1, argv + 1);
                forked_finish(child.forked, SEND_PATIENCE);
        }
        (void) log_flush(LOG_FLUSH_AT_END);
        return status;
}
