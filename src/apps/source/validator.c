/* SPDX-License-Identifier: MIT */

/*
 * Conditional requests (RFC 9110, 13). An ETag is taken before a Last-Modified, which counts whole seconds and so is
 * blind to a second change within one: it is only believed where the answer was made at least a second after it (8.8.2.2).
 * Until then there is no condition, and the origin sends the data once more.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "validator.h"

/* A field that does not fit whole is worth nothing. */
static void keep(char *target, size_t size, const char *value) {
        size_t length = value ? strlen(value) : size;

        target[0] = '\0';
        if (length < size)
                memcpy(target, value, length + 1);
}

/* Whether nothing can have changed any more in the second that it names. */
static bool is_over(const char *last_modified, const char *date) {
        time_t modified = last_modified ? curl_getdate(last_modified, NULL) : -1;
        time_t made = date ? curl_getdate(date, NULL) : -1;

        return modified >= 0 && made > modified;
}

void validator_read(struct validator *validator, const char *etag, const char *last_modified,
                    const char *date) {
        *validator = (struct validator){};
        keep(validator->etag, sizeof(validator->etag), etag);
        if (is_over(last_modified, date))
                keep(validator->last_modified, sizeof(validator->last_modified), last_modified);
}

const char *validator_field(const struct validator *validator, char *buffer, size_t size) {
        bool tag = validator->etag[0] != '\0';
        int n;

        if (!tag && validator->last_modified[0] == '\0')
                return NULL;
        n = snprintf(buffer, size, "%s: %s", tag ? "If-None-Match" : "If-Modified-Since",
                     tag ? validator->etag : validator->last_modified);
        return n > 0 && (size_t) n < size ? buffer : NULL;
}
