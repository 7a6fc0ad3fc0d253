/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The memory in which the state of a service outlives its master. No I/O: see state-file.c. */

#define STATE_FILE_VERSION 1U
#define STATE_FILE_SIZE    ((size_t) 132 * 1024)
#define STATE_CONTENT_MAX  ((size_t) 64 * 1024)

/* Makes an empty one out of STATE_FILE_SIZE bytes. They must be aligned as malloc() and mmap() do. */
void state_file_format(void *memory);

/* Checks it and finds the content that was last written whole; *ret points into the memory and is good until the next
 * write. -EBADMSG where it is none or damaged, -EPROTONOSUPPORT where it is of another version. */
int state_file_read(const void *memory, const void **ret, size_t *ret_size);

/* Replaces the content, so that whoever reads after this was broken off finds the old or the new one. -EFBIG past
 * STATE_CONTENT_MAX. */
int state_file_write(void *memory, const void *content, size_t size);

/* The content is records. The number of a type is never given to another. */
enum state_type {
        STATE_TOTALS = 1,     /* struct state_totals */
        STATE_QUARANTINE = 2, /* as the quarantine itself has written it */
};

/* Appends a record at *size. -ENOBUFS where it does not fit. */
int state_record_add(void *content, size_t room, size_t *size, uint32_t type, const void *bytes, size_t n);

/* Finds the first record of a type. -ENOENT where there is none, -EBADMSG where the records before it make no sense. */
int state_record_find(const void *content, size_t size, uint32_t type, const void **ret, size_t *ret_size);

/* What is counted for as long as the service exists. New members come at the end: an older record is shorter, a
 * newer one longer. */
struct state_totals {
        uint64_t since;    /* realtime */
        uint64_t starts;   /* of the master */
        uint64_t restarts; /* of processes */
        uint64_t crashes;  /* of processes */
        uint64_t requests; /* answered */
};

/* Reads a record of any length. -EBADMSG for one that begins with nothing. */
int state_totals_read(const void *bytes, size_t size, struct state_totals *ret);
