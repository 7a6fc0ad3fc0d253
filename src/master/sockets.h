/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* The listening sockets of the service. See sockets.c. */

struct sockets {
        size_t n;
        int *fds;     /* owned */
        char **names; /* systemd's FileDescriptorName=, "http" for our own; owned */
        char **paths; /* of AF_UNIX sockets we have bound and must unlink, or NULL; owned */
};

#define SOCKETS_NULL                                                                                        \
        { 0 }

/* Takes what systemd has passed (LISTEN_FDS), or binds the addresses in `listen` when it has passed nothing.
 * Logs what it takes, what it closes and what fails. Returns 0, or a negative errno when there is
 * nothing to listen on; then *ret_reason says why (the caller frees it). */
int sockets_open(struct sockets *sockets, char *const *listen, char **ret_reason);

/* Closes them, and removes the files of those we have bound. */
void sockets_deinit(struct sockets *sockets);
