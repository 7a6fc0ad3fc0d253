/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Which files a process may touch, by Landlock. See landlock.c. */

enum landlock_access {
        LANDLOCK_READ = 1 << 0,    /* files and directories */
        LANDLOCK_EXECUTE = 1 << 1, /* start as a program; loading a library is reading */
        LANDLOCK_MODIFY = 1 << 2,  /* write to files that are there */
        LANDLOCK_CREATE = 1 << 3,  /* make, rename and remove files, directories, sockets; no devices */
        LANDLOCK_BIND = 1 << 4,    /* make sockets, and remove them (or other files) */
};

/* What may be done with a file, or with a directory and all below it. */
struct landlock_grant {
        const char *path;
        unsigned int access; /* enum landlock_access */
};

/* Takes from the calling thread, and whatever it starts, for good every access of `restricted` that no grant
 * gives; a path that is not there is skipped. It can then no longer trace a process that is not under the same
 * restriction, nor send it a signal, where the kernel can tell (ABI 6).
 * Returns the kernel's ABI version from 1 on, -EOPNOTSUPP where it can't, another negative errno. */
int landlock_restrict(unsigned int restricted, const struct landlock_grant *grants, size_t n);
