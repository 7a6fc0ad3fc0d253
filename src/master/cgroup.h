/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/cgroup-path.h"
#include "util/list.h"

/* The part of the cgroup tree that is ours, with a cgroup for each process. See cgroup.c. */

struct cgroup {
        int fd;      /* the directory that is delegated to us, -1: there is none */
        char *path;  /* as /proc/self/cgroup has it, for the log */
        bool memory; /* the memory controller is there for the processes */
        uint64_t serial;
        struct list leaving; /* cgroups of processes that have ended */
};

#define CGROUP_NULL                                                                                         \
        { .fd = -1 }

/* What the memory controller says of a process. Zeros where there is none. */
struct cgroup_memory {
        uint64_t oom_kills; /* how many processes of the cgroup the kernel has killed for memory */
        uint64_t oom;       /* how often the cgroup's own limit was what had been reached */
        uint64_t peak;      /* UINT64_MAX: unknown */
        uint64_t max;       /* UINT64_MAX: no limit */
};

/* Finds the cgroup that is delegated to us, below `root` ("" outside of tests), and moves the calling process to a child
 * of it. Returns 0; -ENOENT where there are no cgroups of version 2, -EPERM where ours is not delegated, another negative
 * errno where it can't be used. `cgroup` then stays CGROUP_NULL, and all the calls below do nothing. */
int cgroup_open(struct cgroup *cgroup, const char *root);

/* Lets go of it, after having removed what can be. */
void cgroup_deinit(struct cgroup *cgroup);

/* Makes a cgroup for a process (`number` -1: its role has one only) and writes its name to `name`, of CGROUP_NAME_MAX bytes; "" where
 * there is nothing delegated. */
int cgroup_create(struct cgroup *cgroup, const char *role, int number, uint64_t generation, char *name);

/* Sets memory.high and memory.max, UINT64_MAX for no limit. Without the controller there is nothing to set. */
int cgroup_limit_memory(const struct cgroup *cgroup, const char *name, uint64_t high, uint64_t max);

/* Opens the file by which a process enters: see cgroup_enter(). -1 for "" or a failure, which is in errno. */
int cgroup_open_procs(const struct cgroup *cgroup, const char *name);

/* Makes the cgroup of detached children, where it is not there yet, and opens the same file. -1 where there is nothing
 * delegated, or for a failure, which is in errno. */
int cgroup_open_detached(const struct cgroup *cgroup);

/* Puts the calling process into the cgroup; async-signal-safe, for between fork() and exec. */
void cgroup_enter(int procs_fd);

/* Whether anybody is in it; true where it can't be known. */
bool cgroup_is_populated(const struct cgroup *cgroup, const char *name);

void cgroup_read_memory(const struct cgroup *cgroup, const char *name, struct cgroup_memory *ret);

/* The process of the cgroup has ended: what it left behind there is killed, and the cgroup removed, at once or by
 * cgroup_sweep(). `core_pid`, if it is still there, is given time to write its core dump first; 0 for none. */
void cgroup_release(struct cgroup *cgroup, const char *name, pid_t core_pid);

/* Tells of those that were released and are still there. */
void cgroup_each_leaving(const struct cgroup *cgroup,
                         void (*function)(const char *name, pid_t core_pid, void *userdata), void *userdata);

/* Goes on with what was released. Call it when children have ended, and now and then. */
void cgroup_sweep(struct cgroup *cgroup);
