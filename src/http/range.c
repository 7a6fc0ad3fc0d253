/* SPDX-License-Identifier: MIT */

/*
 * Ranges of bytes: RFC 9110, section 14, as a pure function.
 *
 * A Range may always be ignored; whoever asked gets the whole with 200, and that is never wrong. So it is ignored
 * when it can't be read, and when it asks for what only a broken client or an attacker wants: more than RANGES_MAX
 * ranges, ranges that overlap more than once, or more bytes in all than there are. Hence no answer to a Range is
 * larger than the whole, but for the headers of its parts.
 *
 * A range outside of what there is is left out, but counts. Ranges are not joined: they are sent as they were asked
 * for, in that order.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http/range.h"
#include "util/macro.h"

static int read_number(const char **text, uint64_t *ret) {
        const char *p = *text;
        uint64_t value = 0;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++) {
                unsigned int digit = (unsigned int) (*p - '0');

                if (value > (UINT64_MAX - digit) / 10)
                        value = UINT64_MAX; /* beyond every file, and it stays there */
                else
                        value = value * 10 + digit;
        }
        *text = p;
        *ret = value;
        return 0;
}

/* "-N": the last N bytes. */
static int read_suffix(const char **text, uint64_t size, struct byte_range *ret) {
        uint64_t n;

        if (read_number(text, &n) < 0)
                return -EINVAL;
        if (n == 0 || size == 0)
                return -ERANGE;
        ret->size = MIN(n, size);
        ret->start = size - ret->size;
        return 0;
}

/* "FIRST-" or "FIRST-LAST". */
static int read_span(const char **text, uint64_t size, struct byte_range *ret) {
        uint64_t first, last = UINT64_MAX;

        if (read_number(text, &first) < 0 || **text != '-')
                return -EINVAL;
        ++*text;
        if (**text >= '0' && **text <= '9' && read_number(text, &last) < 0)
                return -EINVAL;
        if (last < first)
                return -EINVAL;
        if (first >= size)
                return -ERANGE;
        ret->start = first;
        ret->size = MIN(last, size - 1) - first + 1;
        return 0;
}

/* Moves the text behind one range and the comma that follows. */
static int read_range(const char **text, uint64_t size, struct byte_range *ret) {
        int r;

        if (**text == '-') {
                ++*text;
                r = read_suffix(text, size, ret);
        } else
                r = read_span(text, size, ret);
        if (r == -EINVAL)
                return r;
        *text += strspn(*text, " \t");
        if (**text && **text != ',')
                return -EINVAL;
        *text += strspn(*text, ", \t"); /* a list may have empty places */
        return r;
}

static bool overlap(const struct byte_range *a, const struct byte_range *b) {
        return a->start < b->start + b->size && b->start < a->start + a->size;
}

static bool is_reasonable(const struct byte_range *ranges, size_t n, uint64_t size) {
        unsigned int overlaps = 0;
        uint64_t left = size;

        for (size_t i = 0; i < n; i++) {
                if (ranges[i].size > left)
                        return false;
                left -= ranges[i].size;
                for (size_t k = 0; k < i; k++)
                        overlaps += overlap(&ranges[i], &ranges[k]);
        }
        return overlaps <= 1;
}

int range_parse(const char *text, uint64_t size, struct byte_range ret[RANGES_MAX], size_t *ret_n) {
        struct byte_range ranges[RANGES_MAX];
        size_t n = 0, asked = 0;

        if (strncasecmp(text, "bytes=", 6) != 0)
                return -EINVAL;
        text += 6;
        text += strspn(text, ", \t");
        for (; *text; asked++) {
                int r;

                if (asked == RANGES_MAX)
                        return -EINVAL;
                r = read_range(&text, size, &ranges[n]);
                if (r == -EINVAL)
                        return r;
                n += r == 0;
        }
        if (asked == 0 || !is_reasonable(ranges, n, size))
                return -EINVAL;
        if (n == 0)
                return -ERANGE;
        memcpy(ret, ranges, n * sizeof(*ranges));
        *ret_n = n;
        return 0;
}
