/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "http/range.h"

/* Conditional requests, without any I/O. See conditional.c. */

#define HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL */
#define ETAG_SIZE      48

/* What is asked for. Headers that were not sent are NULL. */
struct condition {
        const char *if_match;
        const char *if_none_match;
        const char *if_modified_since;
        const char *if_unmodified_since;
        const char *if_range;
        const char *range;
        bool is_get;  /* only GET has ranges */
        bool is_head; /* what GET and HEAD are answered 304 fails for others, with 412 */
};

/* What there is. */
struct representation {
        const char *etag;
        time_t modified;
        uint64_t size;
};

/* Which bytes to send: all with 200, which is the first range then; those of the ranges with 206; none with 304, 412
 * and 416. */
struct selection {
        unsigned int status;
        size_t n; /* of the ranges, with 206 */
        struct byte_range ranges[RANGES_MAX];
};

/* Evaluates in the order of RFC 9110, 13.2.2. */
struct selection condition_evaluate(const struct condition *condition,
                                    const struct representation *representation);

/* Whether a list of entity tags, or "*", has this one. Strong comparison takes no weak tags. */
bool etag_listed(const char *list, const char *etag, bool strong);

/* Dates as HTTP writes them; all three forms are read, -EINVAL for anything else. */
char *http_date_format(time_t time, char buffer[HTTP_DATE_SIZE]);
int http_date_parse(const char *text, time_t *ret);
