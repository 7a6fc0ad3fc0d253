/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

/* Closes a descriptor, keeps errno, takes -1. Returns -1, so that `fd = fd_close(fd)` reads well. */
int fd_close(int fd);

/* Sets or clears a flag (O_NONBLOCK, FD_CLOEXEC). Return 0 or a negative errno. */
int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* Reads to the end into a fresh, NUL-terminated buffer that the caller frees. -EFBIG past max bytes. */
int fd_read(int fd, size_t max, char **ret_text, size_t *ret_size);

/* Reads a whole file into a fresh, NUL-terminated buffer that the caller frees. Files in /proc and /sys,
 * which have no size, are fine. -EFBIG past max bytes, -EISDIR for a directory. */
int fd_read_file(const char *path, size_t max, char **ret_text, size_t *ret_size);

/* Makes a memfd that holds these bytes and is sealed against every change.
 * Returns the descriptor (close-on-exec, owned by the caller) or a negative errno. */
int fd_memfd_sealed(const char *name, const void *bytes, size_t size);

/* The same with a NUL behind them. */
int fd_memfd_sealed_text(const char *name, const void *bytes, size_t size);

/* Makes a memfd of that many zero bytes whose size is sealed but whose contents are not. */
int fd_memfd_shared(const char *name, size_t size);

static inline void cleanup_fd(int *fd) {
        fd_close(*fd);
}

#define _cleanup_fd_ _cleanup_(cleanup_fd)
