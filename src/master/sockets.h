/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The listening sockets of the service. See sockets.c. */

struct sockets {
        size_t n;
        int *fds;         /* owned */
        char **names;     /* systemd's FileDescriptorName=, "http" for our own; owned */
        char **addresses; /* what we have bound, as configured; NULL for those from systemd; owned */
};

#define SOCKETS_NULL                                                                                        \
        { 0 }

/* Takes what systemd has passed (LISTEN_FDS), or binds the addresses in `listen` when it has passed nothing.
 * Logs what it takes, what it closes and what fails. Returns 0, or a negative errno when there is
 * nothing to listen on; then *ret_reason says why (the caller frees it). In any case *ret_state_fd is the descriptor that
 * systemd has kept for us (state.h) and the caller owns from here on, or -1. */
int sockets_open(struct sockets *sockets, char *const *listen, int *ret_state_fd, char **ret_reason);

/* Adds one that another master of this service had open. Takes over the descriptor and the texts with 0. */
int sockets_restore(struct sockets *sockets, int fd, char *name, char *address);

/* The sockets of the next configuration: those of `current` that `listen` still names, and new ones for what it names
 * besides. Those from systemd stay as they are, whatever `listen` says. Logs and returns like sockets_open(). */
int sockets_follow(struct sockets *sockets, const struct sockets *current, char *const *listen,
                   char **ret_reason);

bool sockets_from_systemd(const struct sockets *sockets);

/* Where a socket listens, in words. */
void sockets_describe(int fd, char *buffer, size_t size);

/* Closes them, and removes the files of AF_UNIX sockets we have bound, except those that `heir` (which may be NULL) has
 * too. */
void sockets_deinit(struct sockets *sockets, const struct sockets *heir);
