/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel says of cgroups, taken apart; and how muster names its own. No I/O: see cgroup-path.c. */

#define CGROUP_NAME_MAX 64U
#define CGROUP_MASTER   "master"   /* where the master itself is; the name for DelegateSubgroup=, too */
#define CGROUP_DETACHED "detached" /* where children of the application are that outlive their parents */

/* /proc/self/cgroup: the path of the own cgroup of version 2. The caller frees it. -ENOENT where there is none, -EBADMSG
 * for a path that leads out of what we see, or for no path at all. */
int cgroup_parse_own(const char *text, char **ret_path);

/* /proc/self/mountinfo: the directory in which a cgroup of version 2 is seen. The caller frees it. -ENOENT where no mount
 * shows it. */
int cgroup_parse_mount(const char *text, const char *path, char **ret_directory);

/* Whether a list like cgroup.controllers has a word. */
bool cgroup_has_word(const char *text, const char *word);

/* Whether a list like cgroup.procs has a pid. */
bool cgroup_has_pid(const char *text, int pid);

/* A file of "KEY NUMBER" lines such as memory.events; 0 where it lacks the key or has no number there. */
uint64_t cgroup_parse_counter(const char *text, const char *key);

/* A file with one number and nothing else, such as memory.peak. UINT64_MAX for "max" and for what is no number. */
uint64_t cgroup_parse_limit(const char *text);

/* How a limit is written: "max" or bytes. Returns buffer. */
char *cgroup_format_limit(uint64_t limit, char *buffer, size_t size);

/* The name of a process's cgroup, "worker-3-1-17" or "agent-1-18": role, number, generation, serial. `number` -1 is left
 * out. Returns buffer. */
char *cgroup_format_name(const char *role, int number, uint64_t generation, uint64_t serial, char *buffer,
                         size_t size);

/* Whether a directory has such a name, whoever has made it. */
bool cgroup_is_name(const char *name);
