/* SPDX-License-Identifier: MIT */

/*
 * What an offloaded function gives back: bytes on the heap, or, where they are too many for a message and go to
 * another process, in memory that can be sent as it is. So a large output is written once and copied never.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "app/result.h"
#include "ipc/job.h"
#include "util/fd.h"

void result_clear(struct muster_result *result) {
        if (result->fd >= 0)
                job_memory_unmap(result->bytes, result->room);
        else
                free(result->bytes);
        result->fd = fd_close(result->fd);
        result->bytes = NULL;
        result->size = result->room = 0;
}

const char *result_bytes(struct muster_result *result) {
        if (!result->bytes)
                return "";
        result->bytes[result->size] = '\0';
        return result->bytes;
}

int result_seal(struct muster_result *result, int *ret_fd) {
        int r;

        *ret_fd = -1;
        if (result->fd < 0)
                return 0;
        r = job_memory_seal(result->fd, result->bytes, result->room, result->size);
        if (r < 0)
                result->fd = fd_close(result->fd);
        *ret_fd = TAKE_FD(result->fd);
        result->bytes = NULL;
        result->room = 0;
        return r;
}

struct muster *muster_result_muster(const struct muster_result *result) {
        return result->muster;
}

static int make_room(struct muster_result *result, size_t size) {
        result_clear(result);
        if (size > JOB_DATA_MAX)
                return -EMSGSIZE;
        if (result->shared && size > JOB_INLINE_MAX) {
                int fd = job_memory_new(size, &result->bytes);

                if (fd < 0) {
                        result->bytes = NULL;
                        return fd;
                }
                result->fd = fd;
        } else {
                result->bytes = malloc(size + 1);
                if (!result->bytes)
                        return -ENOMEM;
        }
        result->size = result->room = size;
        return 0;
}

void *muster_result_buffer(struct muster_result *result, size_t size) {
        int r;

        r = make_room(result, size);
        if (r < 0) {
                errno = -r;
                return NULL;
        }
        return result->bytes;
}

void muster_result_trim(struct muster_result *result, size_t size) {
        result->size = MIN(size, result->size);
}

/* The old output may be where the bytes come from. */
int muster_result_set(struct muster_result *result, const void *bytes, size_t size) {
        struct muster_result fresh = { .muster = result->muster, .shared = result->shared, .fd = -1 };
        int r;

        r = make_room(&fresh, size);
        if (r < 0)
                return r;
        if (size > 0)
                memcpy(fresh.bytes, bytes, size);
        result_clear(result);
        *result = fresh;
        return 0;
}

int muster_result_text(struct muster_result *result, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return muster_result_set(result, text, (size_t) n);
}
