/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Memory for the small strings of one request; all of it goes at once. See arena.c. */

#define ARENA_INLINE_SIZE 1024U

struct arena_chunk;

struct arena {
        char *at;
        size_t left;
        struct arena_chunk *chunks;
        _Alignas(16) char first[ARENA_INLINE_SIZE];
};

/* Makes an arena empty; it must have been zeroed or reset before it is used the first time. */
void arena_reset(struct arena *arena);

/* Zero-length requests get a pointer too. NULL only when there is no memory. Aligned for anything. */
void *arena_alloc(struct arena *arena, size_t size);

/* Copies of texts, ended by NUL. */
char *arena_strndup(struct arena *arena, const char *text, size_t size);
char *arena_strdup(struct arena *arena, const char *text);

/* The rest of the current chunk, to be written to in place; arena_commit() keeps the first `size` bytes. */
char *arena_room(struct arena *arena, size_t *ret_size);
void arena_commit(struct arena *arena, size_t size);
