/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* The data, in the memory of a worker. See cache.c. */

#define CACHE_VERSION_SIZE 17

struct cache {
        json_t *values;                   /* an object; NULL before the first */
        char version[CACHE_VERSION_SIZE]; /* the same for the same bytes; "" before the first */
        uint64_t confirmed;               /* when the origin was last known to have this very data */
        uint64_t changed;                 /* when it was put here, in microseconds since 1970 */
        uint64_t fresh_for;               /* how long that is good for */
        bool doubtful;                    /* the latest try to find out failed */
        char *doubt;                      /* why nobody knows whether the origin still has it; NULL */
};

/* CACHE_VERSION_SIZE bytes that stand for these. */
void cache_digest(const char *bytes, size_t size, char *version);

void cache_deinit(struct cache *cache);

/* Reads the origin's answer, a JSON object. Returns 1 when the data is new, 0 when it is what was there, or a negative
 * errno (-EBADMSG for what is no such thing, with the reason), and then what was there stays. */
int cache_set(struct cache *cache, const char *json, size_t size, uint64_t now, char **ret_reason);

/* The origin still has what is here; or it could not be asked. A reason is copied. */
void cache_confirm(struct cache *cache, uint64_t now);
void cache_doubt(struct cache *cache, const char *reason);

bool cache_is_loaded(const struct cache *cache);
bool cache_is_stale(const struct cache *cache, uint64_t now);
uint64_t cache_age(const struct cache *cache, uint64_t now);

/* The value of a key, the cache's own; NULL for none. */
const json_t *cache_get(const struct cache *cache, const char *key);
