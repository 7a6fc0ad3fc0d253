/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "app/arena.h"

/* The request target taken apart. See target.c. */

struct target {
        const char *path;     /* decoded, dot segments removed: "/a/b c" */
        const char *segments; /* the same bytes, but each segment ends with a NUL instead of the slash that
                                 follows it */
        size_t size;          /* of the path, without its NUL */
        const char
                *query; /* what stood behind the question mark, as it was sent; NULL where there was none */
        const char *authority; /* of an absolute-form, which goes before the Host; otherwise NULL */
        bool asterisk;         /* the target was "*" */
};

/* Takes apart an origin-form ("/a?b"), an absolute-form ("http://host/a?b") or "*". The results live in the
 * arena, or point into the text, which must last as long. -EINVAL for anything else, for a bad percent triplet,
 * for an encoded NUL and for "." or ".." beside an encoded slash; -ENOMEM. */
int target_parse(struct target *ret, struct arena *arena, const char *text);

/* Walks the segments: the first one, and the one after (NULL at the end). There is always one, be it empty.
 */
const char *target_first(const struct target *target);
const char *target_next(const struct target *target, const char *segment);

/* The path from a segment on, with its slashes. */
const char *target_rest(const struct target *target, const char *segment);

/* Cuts the next name and value out of a query, decoding them where they stand. *cursor begins at the text
 * and is moved on. Returns false at the end. A bad percent triplet stays as it is. */
bool query_next(char **cursor, char **ret_name, char **ret_value);
