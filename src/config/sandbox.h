/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* What each role may do. See sandbox.c. */

enum sandbox_role {
        SANDBOX_MASTER = 1 << 0,
        SANDBOX_AGENT = 1 << 1,
        SANDBOX_WORKER = 1 << 2,
        SANDBOX_COMPUTE = 1 << 3,
        SANDBOX_CHILD = SANDBOX_AGENT | SANDBOX_WORKER | SANDBOX_COMPUTE,
        SANDBOX_ALL = SANDBOX_MASTER | SANDBOX_CHILD,
};

struct sandbox {
        bool calls;   /* system calls are filtered */
        int landlock; /* the ABI by which files are restricted, or 0 */
        int listener; /* gets what starts a process; the caller closes it; -1 for none */
};

#define SANDBOX_NULL                                                                                        \
        { .listener = -1 }

/* Whether this build and this configuration have a sandbox at all. */
bool sandbox_wanted(const struct config *config);

/* Puts the calling process under the rules of its role, for good. `inherited`: a master is under its own, so that only
 * what a child has less is missing. `programs` is the folder the master starts programs from, NULL in a child.
 * What the kernel can't do is left out, and ret says so. Before it SIGSYS must have a handler that calls
 * seccomp_refuse(). Returns 0 or a negative errno. */
int sandbox_enter(struct sandbox *ret, enum sandbox_role role, const struct config *config, bool inherited,
                  const char *programs);
