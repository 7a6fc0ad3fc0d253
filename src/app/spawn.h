/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "util/time.h"

/* A child that the application has started: struct muster_child. See spawn.c. */

/* A stream of output, 1 or 2; see spawn-output.c. */
struct output {
        struct muster_child *child;
        int number;
        int fd; /* ours of the pipe; -1: there is none, or it has ended */
        sd_event_source *source;
        muster_child_bytes_handler_t handler; /* NULL: what comes is dropped */
        bool paused;
};

/* What is written to it; see spawn-input.c. */
struct input {
        struct muster_child *child;
        int fd; /* likewise */
        sd_event_source *source;
        char *bytes; /* what the pipe has not taken yet: from `begin`, `size` of them */
        size_t begin;
        size_t size;
        bool ending; /* when all is taken it is closed */
        bool owed;   /* not all could be taken: the application is to hear when there is room */
};

struct collector;
struct fork;

struct muster_child {
        struct list node;
        struct muster *muster;
        char *name; /* for the log */
        pid_t pid;
        int pidfd;
        sd_event_source *exit_source;
        sd_event_source *timer; /* what is due: its timeout, SIGKILL, or the end of waiting for its output */
        bool ended;
        int code; /* with `ended` */
        int signal;
        int error;       /* why it was killed by us, or 0 */
        bool terminated; /* it was told to end by us: so are those of its group */
        bool detached;
        int kill_signal;
        usec_t linger;
        muster_child_handler_t on_drain;
        muster_child_close_handler_t on_close;
        void *data;
        struct input input;
        struct output outputs[2];
        struct collector *collector; /* of muster_exec(), or NULL */
        struct fork *fork;           /* of muster_fork(), or NULL */
};

/* How to start one beside what the application says. */
struct spawn_extra {
        const char *name;             /* for the log */
        const char *const *argv;      /* instead of the application's */
        const char *const *variables; /* changes to the environment after all others; NULL: none */
        const int *fds;               /* what it gets from descriptor 3 on */
        size_t n_fds;
};

/* spawn.c. `extra` may be NULL. Returns 0 or a negative errno. */
int child_spawn(struct muster_child **ret, struct muster *muster, const struct muster_spawn_options *options,
                const struct spawn_extra *extra);

/* Tells it to end, for that reason, and kills it when it does not. */
void child_terminate(struct muster_child *child, int error);

/* To be called when something of it has come to its end, as the last thing with it: when all has, it is gone. */
void child_look_for_end(struct muster_child *child);

/* Calls a handler of the application. */
void child_run(struct muster_child *child, guard_function_t function, void *argument);

/* All children end but for those that are detached; they are given some time. Part of the end of the process. */
void children_end(struct muster *muster, usec_t patience);

/* spawn-start.c: from what the application says to a process. Sets pid, pidfd, and our ends of the pipes. */
int child_start_program(struct muster_child *child, const struct muster_spawn_options *options,
                        const struct spawn_extra *extra);

/* spawn-output.c. The descriptor is taken over, also when it fails. */
int output_open(struct output *output, struct muster_child *child, int number, int fd,
                muster_child_bytes_handler_t handler);
void output_close(struct output *output);

/* Hands over what is in the pipe now and closes it; not while it is paused: returns whether it is closed. */
bool output_finish(struct output *output);

/* spawn-input.c. Likewise. */
int input_open(struct input *input, struct muster_child *child, int fd);
void input_close(struct input *input);

/* exec.c: what was collected is handed over, and freed. */
void collector_finish(struct muster_child *child);
struct collector *collector_free(struct collector *collector);

/* fork.c: what a function of the module has besides. All take NULL. */
bool fork_is_open(const struct fork *fork); /* messages may come */
void fork_close(struct fork *fork);
void fork_ended(struct muster_child *child); /* takes what it has counted, logs a crash */
struct fork *fork_free(struct fork *fork);
