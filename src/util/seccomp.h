/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/filter.h>

/* Filters of system calls. See seccomp.c; which calls, in seccomp-calls.h. */

enum seccomp_program {
        SECCOMP_COMMON_TRAP,        /* what no process does: SIGSYS, for seccomp_refuse() */
        SECCOMP_COMMON_ERRNO,       /* the same: -EPERM */
        SECCOMP_NO_CHILDREN_NOTIFY, /* no process is started: whoever holds the listener answers */
        SECCOMP_NO_CHILDREN_ERRNO,  /* the same: -EPERM */
        SECCOMP_CHILDREN,           /* processes are started, but not past the other filters */
        _SECCOMP_PROGRAM_MAX,
};

/* A system call that some program refuses. */
struct seccomp_call {
        int number;
        const char *name;
};

/* Made while muster is built, by write-seccomp.c. */
extern const struct sock_fprog seccomp_programs[_SECCOMP_PROGRAM_MAX];
extern const struct seccomp_call seccomp_calls[];
extern const size_t seccomp_n_calls;

/* Puts the calling thread, and whatever it starts, under a program, for good. `ret_listener` gets the
 * descriptor of SECCOMP_NO_CHILDREN_NOTIFY and is NULL for the others. Returns 0, -EBUSY where the process is
 * listened to already, -EOPNOTSUPP where the kernel can't, another negative errno. */
int seccomp_load(enum seccomp_program program, int *ret_listener);

/* In a handler of SIGSYS: if a filter has raised it, makes the call return -EPERM and returns its number;
 * -ENOENT if it was not. Async-signal-safe. */
int seccomp_refuse(const siginfo_t *info, void *context);

/* Whether seccomp_refuse() can do that here. */
bool seccomp_can_refuse(void);

/* The place of a call in seccomp_calls, or -ENOENT. Async-signal-safe. */
int seccomp_find_call(int number);
