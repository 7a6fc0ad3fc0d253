/* SPDX-License-Identifier: MIT */

/*
 * The data: a JSON object, kept as what it was read into, so that an answer is a look-up and no request waits for anything.
 *
 * It is replaced whole or not at all: what is no JSON object (half an answer, a page that says "error", a key twice)
 * leaves what was there. Its version is a digest of its bytes, so that two workers that have the same data say the same, whatever
 * the origin sends along, and data that comes again is known to be the same. It guards against no one: who can choose the data
 * has no need to forge it.
 *
 * Data is stale when nobody knows whether the origin still has it: the latest try to find out failed, or it is longer ago
 * than `fresh_for`. It is served all the same.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cache.h"

void cache_deinit(struct cache *cache) {
        json_decref(cache->values);
        free(cache->doubt);
        cache->values = NULL;
        cache->doubt = NULL;
}

/* FNV-1a of 64 bits */
void cache_digest(const char *bytes, size_t size, char *version) {
        uint64_t hash = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ (unsigned char) bytes[i]) * UINT64_C(1099511628211);
        (void) snprintf(version, CACHE_VERSION_SIZE, "%016" PRIx64, hash);
}

static uint64_t real_time(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000U + (uint64_t) now.tv_nsec / 1000U;
}

static int refuse(char **ret_reason, const json_error_t *error) {
        int n;

        n = error ? asprintf(ret_reason, "no JSON that can be used: %s, line %d", error->text, error->line)
                  : asprintf(ret_reason, "no JSON object");
        if (n < 0)
                *ret_reason = NULL;
        return -EBADMSG;
}

int cache_set(struct cache *cache, const char *json, size_t size, uint64_t now, char **ret_reason) {
        char version[CACHE_VERSION_SIZE];
        json_error_t error;
        json_t *values;

        cache_digest(json, size, version);
        if (cache->values && strcmp(version, cache->version) == 0) {
                cache_confirm(cache, now);
                return 0;
        }
        values = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
        if (!values)
                return refuse(ret_reason, &error);
        if (!json_is_object(values)) {
                json_decref(values);
                return refuse(ret_reason, NULL);
        }
        json_decref(cache->values);
        cache->values = values;
        memcpy(cache->version, version, sizeof(version));
        cache->changed = real_time();
        cache_confirm(cache, now);
        return 1;
}

void cache_confirm(struct cache *cache, uint64_t now) {
        cache->confirmed = now;
        cache->doubtful = false;
        free(cache->doubt);
        cache->doubt = NULL;
}

void cache_doubt(struct cache *cache, const char *reason) {
        char *copy = strdup(reason);

        free(cache->doubt);
        cache->doubt = copy;
        cache->doubtful = true; /* without memory for the reason too */
}

bool cache_is_loaded(const struct cache *cache) {
        return cache->values != NULL;
}

uint64_t cache_age(const struct cache *cache, uint64_t now) {
        uint64_t age = now - cache->confirmed; /* may have been before the clock began */

        return age <= INT64_MAX ? age : 0;
}

bool cache_is_stale(const struct cache *cache, uint64_t now) {
        return cache->doubtful || cache_age(cache, now) > cache->fresh_for;
}

const json_t *cache_get(const struct cache *cache, const char *key) {
        return json_object_get(cache->values, key);
}
