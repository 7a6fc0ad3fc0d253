/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/time.h"

/* The page by which the workers know what is in quarantine. See quarantine-page.c. */

#define QUARANTINE_MARKS_MAX 64U

struct quarantine_mark {
        _Atomic uint64_t id;
        _Atomic uint64_t until; /* monotonic; 0: this one is not in use */
};

struct quarantine_page {
        _Atomic uint32_t n; /* marks from here on are not in use; mostly 0 */
        uint64_t key[2];    /* of the ids; does not change while there are children */
        struct quarantine_mark marks[QUARANTINE_MARKS_MAX];
};

/* What a request is called here. Pointers, so that it costs nothing until somebody wants the ids. */
struct quarantine_request {
        const char *method;   /* by which the route is called: GET also for HEAD */
        const char *segments; /* of the path: struct target */
        size_t size;
        const char *route_method; /* of the route, as they were declared */
        const char *route_path;
};

/* The ids of a request and of its route, never 0. Both are the same in all processes of a service.
 * Async-signal-safe. */
uint64_t quarantine_request_id(const struct quarantine_page *page, const struct quarantine_request *request);
uint64_t quarantine_route_id(const struct quarantine_page *page, const char *method, const char *path);

/* Whether there is anything in quarantine at all: all that most requests cost. */
static inline bool quarantine_in_use(const struct quarantine_page *page) {
        return page && atomic_load_explicit(&page->n, memory_order_acquire) > 0;
}

/* How long a request is to be refused yet, for itself or for its route; 0: it is not. */
usec_t quarantine_left(const struct quarantine_page *page, const struct quarantine_request *request,
                       usec_t now);

/* The master's side: sets a mark, or with `until` 0 takes it away. */
void quarantine_mark(struct quarantine_page *page, size_t index, uint64_t id, usec_t until);

/* Writes "GET /a/b%20c": a method and a path as a client would send it, visible ASCII only. What does not fit is
 * cut, and ends in "...". Async-signal-safe. Returns buffer. */
char *quarantine_format(char *buffer, size_t size, const char *method, const char *segments,
                        size_t segments_size);

/* The other way for the path: its segments, which take no more room than the text. Returns their size, or -EINVAL
 * for what is no path. */
int quarantine_parse_path(const char *text, char *segments);
