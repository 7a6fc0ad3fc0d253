/* SPDX-License-Identifier: MIT */

/*
 * From what the application says to a running child: its streams, its environment, where its program may be.
 *
 * What can fail is done before there is a process, as far as it can be; what fails there (exec, the directory) is known
 * when spawn_program() returns. So a child that was started has started.
 *
 * It dies with us: the kernel sends SIGKILL when this thread ends, in whatever way. A detached child does not, and
 * leaves our cgroup, which the master kills when we have ended; the descriptor for that is part of the heritage.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/environment.h"
#include "app/spawn.h"
#include "util/fd.h"
#include "util/spawn.h"

#define N_STREAMS 3

struct plan {
        int theirs[SPAWN_FDS_MAX]; /* what the child finds at 0, 1, 2 … */
        bool owned[N_STREAMS];     /* of those, what is to be closed here */
        int ours[N_STREAMS];       /* our ends of pipes, or -1 */
        const char **environment;
        char **paths;
};

static void plan_deinit(struct plan *plan) {
        for (size_t i = 0; i < N_STREAMS; i++) {
                if (plan->owned[i])
                        fd_close(plan->theirs[i]);
                fd_close(plan->ours[i]);
        }
        free((void *) plan->environment);
        free((void *) plan->paths);
}

/* ---- Streams ---- */

static enum muster_stdio_type resolve(const struct muster_spawn_options *options, size_t stream) {
        const struct muster_stdio *const all[N_STREAMS] = { &options->input, &options->output,
                                                            &options->errors };
        const muster_child_bytes_handler_t handlers[N_STREAMS] = { NULL, options->on_output,
                                                                   options->on_errors };

        if (all[stream]->type != MUSTER_STDIO_AUTO)
                return all[stream]->type;
        if (handlers[stream])
                return MUSTER_STDIO_PIPE;
        return stream == STDIN_FILENO || options->detached ? MUSTER_STDIO_NULL : MUSTER_STDIO_INHERIT;
}

static int plan_pipe(struct plan *plan, size_t stream) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        plan->theirs[stream] = ends[stream != STDIN_FILENO];
        plan->ours[stream] = ends[stream == STDIN_FILENO];
        plan->owned[stream] = true;
        return 0;
}

static int plan_null(struct plan *plan, size_t stream) {
        plan->theirs[stream] = open("/dev/null", O_RDWR | O_CLOEXEC);
        plan->owned[stream] = plan->theirs[stream] >= 0;
        return plan->owned[stream] ? 0 : -errno;
}

static int plan_fd(struct plan *plan, size_t stream, int fd) {
        if (fcntl(fd, F_GETFD) < 0)
                return -errno;
        plan->theirs[stream] = fd;
        return 0;
}

static int plan_stream(struct plan *plan, const struct muster_spawn_options *options, size_t stream) {
        const int given[N_STREAMS] = { options->input.fd, options->output.fd, options->errors.fd };

        switch (resolve(options, stream)) {
        case MUSTER_STDIO_PIPE:
                return plan_pipe(plan, stream);
        case MUSTER_STDIO_NULL:
                return plan_null(plan, stream);
        case MUSTER_STDIO_INHERIT:
                return plan_fd(plan, stream, (int) stream);
        case MUSTER_STDIO_FD:
                return plan_fd(plan, stream, given[stream]);
        case MUSTER_STDIO_AUTO:
                break;
        }
        return -EINVAL;
}

/* ---- The program ---- */

static int plan_environment(struct plan *plan, const struct muster_spawn_options *options,
                            const char *const *variables) {
        const char **list = NULL;
        int r;

        r = environment_make((const char *const *) environ, options->environment, options->set, &list);
        if (r < 0)
                return r;
        r = environment_make(NULL, list, variables, &plan->environment);
        free((void *) list);
        return r;
}

static int make_plan(struct plan *plan, const struct muster_spawn_options *options, const char *file,
                     const struct spawn_extra *extra) {
        int r = 0;

        for (size_t i = 0; i < N_STREAMS && r >= 0; i++)
                r = plan_stream(plan, options, i);
        for (size_t i = 0; extra && i < extra->n_fds; i++)
                plan->theirs[N_STREAMS + i] = extra->fds[i];
        r = r < 0 ? r : plan_environment(plan, options, extra ? extra->variables : NULL);
        return r < 0 ? r : spawn_find(file, environment_get(plan->environment, "PATH"), &plan->paths);
}

/* What a shell is asked to run, and by what name the shell is called. */
static const char *const *argv_of(const struct muster_spawn_options *options,
                                  const struct spawn_extra *extra, const char *shell[static 4]) {
        if (extra && extra->argv)
                return extra->argv;
        if (!options->command)
                return options->argv;
        shell[0] = "/bin/sh";
        shell[1] = "-c";
        shell[2] = options->command;
        shell[3] = NULL;
        return shell;
}

int child_start_program(struct muster_child *child, const struct muster_spawn_options *options,
                        const struct spawn_extra *extra) {
        _cleanup_(plan_deinit) struct plan plan = { .ours = { -1, -1, -1 } };
        const char *shell[4], *const *argv = argv_of(options, extra, shell);
        const bool named = options->file && !options->command;
        struct spawn spawn;
        int r;

        if (!argv || !argv[0] || (extra && N_STREAMS + extra->n_fds > SPAWN_FDS_MAX))
                return -EINVAL;
        r = make_plan(&plan, options, named ? options->file : argv[0], extra);
        if (r < 0)
                return r;
        spawn = (struct spawn){
                .paths = (const char *const *) plan.paths,
                .argv = argv,
                .environment = plan.environment,
                .directory = options->directory,
                .n_fds = N_STREAMS + (extra ? extra->n_fds : 0),
                .session = options->detached,
                .parent_signal = options->detached ? 0 : SIGKILL,
                .cgroup_fd = options->detached ? child->muster->detached_fd : -1,
        };
        memcpy(spawn.fds, plan.theirs, sizeof(spawn.fds));
        r = spawn_program(&spawn, &child->pid, &child->pidfd);
        if (r < 0)
                return r;
        child->input.fd = TAKE_FD(plan.ours[STDIN_FILENO]);
        child->outputs[0].fd = TAKE_FD(plan.ours[STDOUT_FILENO]);
        child->outputs[1].fd = TAKE_FD(plan.ours[STDERR_FILENO]);
        return 0;
}
