/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Starting a program. See spawn.c. */

#define SPAWN_FDS_MAX 8U

struct spawn {
        const char *const *paths; /* ended by NULL; the first that can be executed is it */
        const char *const *argv;
        const char *const *environment;
        const char *directory;  /* NULL: the caller's */
        int fds[SPAWN_FDS_MAX]; /* what the program finds at 0, 1, 2 …; all below n_fds are valid */
        size_t n_fds;
        bool session;      /* in a session of its own; otherwise in a process group of its own */
        int parent_signal; /* what it gets when the calling thread ends; 0: nothing */
        int cgroup_fd;     /* of a file cgroup.procs that it enters; -1: none */
};

/* Starts it. Returns 0, with its pid and a pidfd that the caller owns, or a negative errno, also those of exec and
 * chdir; then there is no process left. */
int spawn_program(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd);

/* The places where a program of that name may be, by the value of PATH (NULL: the usual one): the name itself if it has a
 * slash. Ended by NULL, and one piece of memory, that the caller frees. -ENOENT for an empty name. */
int spawn_find(const char *name, const char *path, char ***ret);
