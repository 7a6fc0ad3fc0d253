/* SPDX-License-Identifier: MIT */

/*
 * muster_fork(): a function of the module as a process of its own, from the side of its parent.
 *
 * It is executed afresh like every process of ours: the program muster-child loads the module and calls the function.
 * What it gets is a heritage like that of a worker, without listening sockets, whose channel ends here and not at the
 * master. The master does not know of it; the parent is its supervisor, and the application decides what its end means.
 *
 * It has a scoreboard for itself, of which the crash handler in it fills the only slot. So a crash is reported as precisely
 * as that of a worker, in whatever state the process was; and what it has counted is there for the parent to take.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/counter.h"
#include "app/link.h"
#include "app/spawn.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log-id.h"

#define SLOT          1U /* the first is that of a master */
#define VARIABLES_MAX 16U
#define VARIABLE_SIZE 64U
#define ARGUMENTS_MAX 4096U
#define FIRST_FD      3 /* of what it gets beside its streams */

struct fork {
        struct muster_child *child; /* NULL before it was started */
        struct link *link;
        struct scoreboard scoreboard;
        muster_child_message_handler_t on_message;
};

/* ---- What it says ---- */

struct incoming {
        struct fork *fork;
        const void *bytes;
        size_t size;
        int fd;
};

static void call_message(void *argument) {
        const struct incoming *incoming = argument;
        struct fork *fork = incoming->fork;

        fork->on_message(fork->child, incoming->bytes, incoming->size, incoming->fd, fork->child->data);
}

static void on_message(const void *bytes, size_t size, int fd, void *userdata) {
        struct incoming incoming = { userdata, bytes, size, fd };

        if (incoming.fork->on_message)
                child_run(incoming.fork->child, call_message, &incoming);
}

static void call_drain(void *argument) {
        struct muster_child *child = argument;

        child->on_drain(child, child->data);
}

static void on_room(void *userdata) {
        struct fork *fork = userdata;

        if (fork->child->on_drain)
                child_run(fork->child, call_drain, fork->child);
}

static void on_closed(int error, void *userdata) {
        struct fork *fork = userdata;

        if (error == -EBADMSG) {
                log_warning(0, "The child %s (pid %d) has sent what is no message, killing it",
                            fork->child->name, fork->child->pid);
                (void) muster_child_kill(fork->child, SIGKILL);
        }
        child_look_for_end(fork->child);
}

bool fork_is_open(const struct fork *fork) {
        return fork && link_is_open(fork->link);
}

void fork_close(struct fork *fork) {
        if (fork)
                link_close(fork->link);
}

struct fork *fork_free(struct fork *fork) {
        if (!fork)
                return NULL;
        link_free(fork->link);
        scoreboard_deinit(&fork->scoreboard);
        free(fork);
        return NULL;
}

DEFINE_CLEANUP(struct fork *, fork_free);

/* ---- What became of it ---- */

static void report_crash(const struct muster_child *child) {
        char pid[32], signal[32], route[96], backtrace[2100], frames[2048], place[80];
        const char *const fields[] = {
                LOG_FIELD_ID(LOG_ID_CHILD_CRASH), pid, signal, route, backtrace, NULL
        };
        struct slot slot;

        if (scoreboard_read(&child->fork->scoreboard, SLOT, &slot) < 0 || slot.crash.stage == CRASH_NONE ||
            slot.crash.signal != child->signal)
                return;
        (void) snprintf(pid, sizeof(pid), "MUSTER_PID=%d", child->pid);
        (void) snprintf(signal, sizeof(signal), "MUSTER_SIGNAL=SIG%s", sigabbrev_np(child->signal));
        (void) snprintf(route, sizeof(route), "MUSTER_ROUTE=%s", slot.crash.route);
        (void) snprintf(backtrace, sizeof(backtrace), "MUSTER_BACKTRACE=%s",
                        slot_format_backtrace(&slot, frames, sizeof(frames)));
        (void) log_fields(LOG_ERR, 0, fields, "The child %s (pid %d) crashed with SIG%s, code at %s",
                          child->name, child->pid, sigabbrev_np(child->signal),
                          slot_format_place(&slot, place, sizeof(place)));
}

void fork_ended(struct muster_child *child) {
        counters_take(child->muster, &child->fork->scoreboard, SLOT);
        if (child->signal != 0)
                report_crash(child);
}

/* ---- Starting ---- */

static bool knows(const struct muster *muster, const char *name) {
        const struct muster_fork *row = muster->application ? muster->application->forks : NULL;

        for (; row && row->name; row++)
                if (streq(row->name, name))
                        return true;
        return false;
}

/* What all children of this process get, made once. */
static int share_config(struct muster *muster) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (muster->config_fd >= 0)
                return 0;
        r = config_serialize(muster->config, &text, &size);
        r = r < 0 ? r : fd_memfd_sealed("muster-config", text, size);
        if (r < 0)
                return r;
        muster->config_fd = r;
        return 0;
}

static char *find_program(void) {
        const char *directory = getenv("MUSTER_LIBEXEC_DIR");
        char *path = NULL;

        if (!directory || !*directory)
                directory = MUSTER_LIBEXEC_DIR_DEFAULT;
        return asprintf(&path, "%s/muster-child", directory) < 0 ? NULL : path;
}

struct variables {
        char texts[VARIABLES_MAX][VARIABLE_SIZE];
        char *owned[3]; /* those that may be longer */
        const char *list[VARIABLES_MAX + 4];
        size_t n_texts, n_owned, n;
};

static void variables_deinit(struct variables *variables) {
        for (size_t i = 0; i < variables->n_owned; i++)
                free(variables->owned[i]);
}

static void set_number(struct variables *variables, const char *name, int64_t value) {
        char *text = variables->texts[variables->n_texts++];

        (void) snprintf(text, VARIABLE_SIZE, "%s=%" PRId64, name, value);
        variables->list[variables->n++] = text;
}

static int set_text(struct variables *variables, const char *name, const char *value) {
        char *text;

        if (!value)
                return 0;
        if (asprintf(&text, "%s=%s", name, value) < 0)
                return -ENOMEM;
        variables->owned[variables->n_owned++] = text;
        variables->list[variables->n++] = text;
        return 0;
}

/* The heritage as ipc/heritage.c reads it, and where programs and modules are, which no other child is told. */
static int make_variables(struct variables *variables, const struct muster *muster) {
        int r;

        set_number(variables, "MUSTER_CHANNEL_FD", FIRST_FD);
        set_number(variables, "MUSTER_SCOREBOARD_FD", FIRST_FD + 1);
        set_number(variables, "MUSTER_CONFIG_FD", FIRST_FD + 2);
        if (muster->detached_fd >= 0)
                set_number(variables, "MUSTER_DETACHED_FD", FIRST_FD + 3);
        set_number(variables, "MUSTER_SLOT", SLOT);
        set_number(variables, "MUSTER_GENERATION", (int64_t) muster->slot->generation);
        set_number(variables, "MUSTER_MASTER", getpid());
        if (muster->number >= 0)
                set_number(variables, "MUSTER_WORKER", muster->number);
        variables->list[variables->n++] = "LISTEN_FDS"; /* there are none, whatever the application says */
        r = set_text(variables, "MUSTER_INSTANCE", muster->instance);
        r = r < 0 ? r : set_text(variables, "MUSTER_LIBEXEC_DIR", getenv("MUSTER_LIBEXEC_DIR"));
        return r < 0 ? r : set_text(variables, "MUSTER_MODULE_DIR", getenv("MUSTER_MODULE_DIR"));
}

/* Title, name, arguments. */
static int make_argv(const char *title, const char *name, const char *const *arguments, const char ***ret) {
        const char **argv;
        size_t n = 0;

        while (arguments && arguments[n])
                n++;
        if (n > ARGUMENTS_MAX)
                return -E2BIG;
        argv = calloc(n + 3, sizeof(*argv));
        if (!argv)
                return -ENOMEM;
        argv[0] = title;
        argv[1] = name;
        for (size_t i = 0; i < n; i++)
                argv[2 + i] = arguments[i];
        *ret = argv;
        return 0;
}

static int start(struct muster_child **ret, struct muster *muster, struct fork *fork, int channel_fd,
                 const char *name, const char *const *arguments,
                 const struct muster_spawn_options *options) {
        const int fds[] = { channel_fd, fork->scoreboard.fd, muster->config_fd, muster->detached_fd };
        _cleanup_(variables_deinit) struct variables variables = {};
        _cleanup_free_ char *program = find_program();
        struct muster_spawn_options complete = *options;
        struct spawn_extra extra = {
                .name = name,
                .variables = variables.list,
                .fds = fds,
                .n_fds = muster->detached_fd >= 0 ? 4 : 3,
        };
        const char **argv = NULL;
        char title[128];
        int r;

        (void) snprintf(title, sizeof(title), "muster-child: %s/%s", muster->instance, name);
        r = program ? make_variables(&variables, muster) : -ENOMEM;
        r = r < 0 ? r : make_argv(title, name, arguments, &argv);
        if (r < 0)
                return r;
        extra.argv = argv;
        complete.file = program;
        complete.command = NULL;
        r = child_spawn(ret, muster, &complete, &extra);
        free((void *) argv);
        return r;
}

static int open_fork(struct fork *fork, struct muster *muster, int fd) {
        const struct link_callbacks callbacks = { on_message, on_room, on_closed, fork };
        int r;

        r = link_new(&fork->link, muster->event, fd, SENDER_FORKED, &callbacks);
        r = r < 0 ? r : share_config(muster);
        r = r < 0 ? r : scoreboard_create(&fork->scoreboard, SLOT + 1);
        if (r < 0)
                return r;
        scoreboard_clear(&fork->scoreboard, SLOT);
        scoreboard_slot(&fork->scoreboard, SCOREBOARD_MASTER)->slots_end = SLOT + 1;
        return 0;
}

static int fork_spawn(struct muster_child **ret, struct muster *muster, const char *name,
                      const char *const *arguments, const struct muster_spawn_options *options) {
        _cleanup_(cleanup_fork_free) struct fork *fork = NULL;
        int ends[2], r;

        if (!name || !knows(muster, name))
                return -ENOENT;
        fork = calloc(1, sizeof(*fork));
        if (!fork)
                return -ENOMEM;
        fork->scoreboard = (struct scoreboard) SCOREBOARD_NULL;
        fork->on_message = options->on_message;
        r = channel_pair(ends);
        if (r < 0)
                return r;
        r = open_fork(fork, muster, ends[0]);
        r = r < 0 ? r : start(ret, muster, fork, ends[1], name, arguments, options);
        fd_close(ends[1]);
        if (r < 0)
                return r;
        muster->event_changed = true;
        fork->child = *ret;
        (*ret)->fork = TAKE_PTR(fork);
        return 0;
}

/* ---- Calls of the application ---- */

struct muster_child *muster_fork(struct muster *muster, const char *name, const char *const *arguments,
                                 const struct muster_spawn_options *options) {
        static const struct muster_spawn_options nothing;
        struct muster_child *child = NULL;
        int r;

        r = fork_spawn(&child, muster, name, arguments, options ? options : &nothing);
        if (r < 0)
                errno = -r;
        return child;
}

int muster_child_send(struct muster_child *child, const void *bytes, size_t size, int fd) {
        child->muster->event_changed = true;
        return child->fork ? link_send(child->fork->link, bytes, size, fd) : -EINVAL;
}

void muster_child_disconnect(struct muster_child *child) {
        fork_close(child->fork);
}
