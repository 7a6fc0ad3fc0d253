/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/process.h"

/* What an offloaded function gives back. See result.c. */

struct muster_result {
        struct muster *muster; /* not owned */
        bool shared;           /* what is large goes to memory that can be sent */
        char *bytes;           /* owned; NULL: nothing */
        size_t size;
        size_t room; /* without the NUL behind it */
        int fd;      /* of shared memory, which `bytes` maps; -1: it is on the heap */
};

#define RESULT_NULL                                                                                         \
        { .fd = -1 }

/* Frees what it holds, and makes it empty. */
void result_clear(struct muster_result *result);

/* The bytes with their NUL, never NULL. */
const char *result_bytes(struct muster_result *result);

/* Seals shared memory: the descriptor is the caller's and the bytes are not there any more. -1 where they are on the heap;
 * a negative errno below that. */
int result_seal(struct muster_result *result, int *ret_fd);
