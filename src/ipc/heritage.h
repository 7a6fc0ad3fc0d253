/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All that a child gets from the master, in one place. See heritage.c. */

struct heritage {
        int channel_fd;
        int scoreboard_fd;
        int config_fd;
        int detached_fd; /* by which detached children enter their cgroup, or -1 */
        size_t slot;     /* of the scoreboard */
        int number;      /* of the worker, -1 for the agent */
        uint64_t generation;
        pid_t master; /* 0 when there is none: started alone, for debugging */
        char *instance;
        size_t n_listeners;
        int *listener_fds;
        char **listener_names;
};

#define HERITAGE_NULL                                                                                       \
        { .channel_fd = -1, .scoreboard_fd = -1, .config_fd = -1, .detached_fd = -1, .number = -1 }

/* Descriptors from here on are not in the way of what heritage_bequeath() arranges. */
#define HERITAGE_FLOOR(heritage) (3 + (int) (heritage)->n_listeners + 4)

/* In the new process between fork() and exec: puts the descriptors where the child will look for them,
 * writes the environment, and marks every other descriptor above standard error close-on-exec. Owns nothing.
 * Returns 0 or a negative errno; the process can then only end. */
int heritage_bequeath(const struct heritage *heritage);

/* In the child after exec: reads it back and removes it from the environment, so that nothing the child
 * starts inherits it. Without a master (no MUSTER_CHANNEL_FD) everything but the listening sockets is empty,
 * and that is no error. All descriptors are close-on-exec and owned by the caller from then on. Returns 0,
 * -EBADMSG for an environment that makes no sense, another negative errno. */
int heritage_read(struct heritage *ret);

/* Closes and frees what is left in it. */
void heritage_deinit(struct heritage *heritage);
