/* SPDX-License-Identifier: MIT */

/*
 * The memory of one request.
 *
 * A request needs a handful of short strings: its target, the decoded path, parameters, a text to answer
 * with. They are cut from one piece that lies inside the request object, so that an ordinary request
 * allocates nothing; what does not fit gets chunks of its own. Nothing is freed singly.
 *
 * The application's calls allocate here, and the application may fault at any point of them. Therefore a
 * chunk is linked before anything of it is used: whatever a jump leaves behind, arena_reset() finds it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/arena.h"
#include "util/macro.h"

#define ALIGNMENT  16U
#define CHUNK_SIZE 4096U

struct arena_chunk {
        struct arena_chunk *next;
        _Alignas(ALIGNMENT) char bytes[];
};

void arena_reset(struct arena *arena) {
        struct arena_chunk *chunk = arena->chunks;

        arena->chunks = NULL;
        while (chunk) {
                struct arena_chunk *next = chunk->next;

                free(chunk);
                chunk = next;
        }
        arena->at = arena->first;
        arena->left = sizeof(arena->first);
}

static struct arena_chunk *chunk_new(struct arena *arena, size_t size) {
        struct arena_chunk *chunk;

        if (size > SIZE_MAX - sizeof(*chunk))
                return NULL;
        chunk = malloc(sizeof(*chunk) + size);
        if (!chunk)
                return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        return chunk;
}

static size_t aligned(size_t size) {
        return (size + ALIGNMENT - 1) & ~(size_t) (ALIGNMENT - 1);
}

void *arena_alloc(struct arena *arena, size_t size) {
        struct arena_chunk *chunk;
        size_t need;

        if (size > SIZE_MAX / 2)
                return NULL;
        need = aligned(size);
        if (need <= arena->left) {
                char *p = arena->at;

                arena->at += need;
                arena->left -= need;
                return p;
        }

        /* What is large gets a chunk to itself, so that the current one stays in use for what is small. */
        chunk = chunk_new(arena, need > CHUNK_SIZE / 4 ? need : CHUNK_SIZE);
        if (!chunk)
                return NULL;
        if (need <= CHUNK_SIZE / 4) {
                arena->at = chunk->bytes + need;
                arena->left = CHUNK_SIZE - need;
        }
        return chunk->bytes;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size) {
        char *copy;

        if (size == SIZE_MAX)
                return NULL;
        copy = arena_alloc(arena, size + 1);
        if (!copy)
                return NULL;
        if (size > 0)
                memcpy(copy, text, size);
        copy[size] = '\0';
        return copy;
}

char *arena_strdup(struct arena *arena, const char *text) {
        return arena_strndup(arena, text, strlen(text));
}

char *arena_room(struct arena *arena, size_t *ret_size) {
        *ret_size = arena->left;
        return arena->at;
}

void arena_commit(struct arena *arena, size_t size) {
        size_t need = MIN(aligned(size), arena->left);

        arena->at += need;
        arena->left -= need;
}
