/* SPDX-License-Identifier: MIT */

/*
 * From the request target to a path that can be routed.
 *
 * What a path means must be the same for everyone who looks at it: the router, the application and whoever
 * stands in front of this server. So it is split at the slashes first and decoded segment by segment after,
 * which keeps an encoded slash inside its segment; and dot segments, encoded or not, are removed before
 * anything is matched (RFC 3986, 5.2.4), so that no path climbs. ".." at the root stays at the root. An encoded
 * slash would bring them back, in the decoded path and in whatever an application makes of a parameter, so a segment
 * in which "." or ".." stands between slashes is no path of ours.
 *
 * Most targets have nothing in them that must be decoded or removed, which one look tells: their path is what they
 * say, and only its segments are made.
 *
 * The decoded path is made twice, with slashes for people and with NULs for the router, so that a segment is
 * a string where it stands and parameters need no copies. Both have the same offsets.
 */

#include <errno.h>
#include <string.h>

#include "app/target.h"
#include "util/macro.h"

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The byte a percent triplet stands for, or -1. */
static int triplet_value(const char *text, const char *end) {
        int high, low;

        if (end - text < 3)
                return -1;
        high = hex_value(text[1]);
        low = hex_value(text[2]);
        return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decodes one segment to `target`. Returns the size, or -EINVAL. */
static ssize_t decode_segment(char *target, const char *text, const char *end) {
        char *p = target;

        while (text < end) {
                int c = (unsigned char) *text;

                if (c == '%') {
                        c = triplet_value(text, end);
                        if (c <= 0)
                                return -EINVAL;
                        text += 2;
                }
                text++;
                *p++ = (char) c;
        }
        return p - target;
}

static bool is_dots(const char *segment, size_t size, size_t dots) {
        return size == dots && memcmp(segment, "..", dots) == 0;
}

/* Whether a decoded segment, which has slashes only where they were encoded, would climb as a path. */
static bool hides_dots(const char *segment, size_t size) {
        const char *end = segment + size, *part = segment;

        if (!memchr(segment, '/', size))
                return false;
        for (;;) {
                const char *slash = memchr(part, '/', (size_t) (end - part));
                size_t n = (size_t) ((slash ? slash : end) - part);

                if (is_dots(part, n, 1) || is_dots(part, n, 2))
                        return true;
                if (!slash)
                        return false;
                part = slash + 1;
        }
}

/* Takes the last segment away again. `segments` begins with a NUL that stands for the root's slash. */
static size_t drop_last(const char *segments, size_t size) {
        while (size > 0 && segments[size - 1] != '\0')
                size--;
        return size > 0 ? size - 1 : 0;
}

/* Writes every segment, each behind a NUL. Returns the size, or -EINVAL. */
static ssize_t decode_segments(char *segments, const char *text, const char *end) {
        size_t size = 0;

        while (text < end) {
                const char *slash = memchr(text + 1, '/', (size_t) (end - text - 1));
                const char *stop = slash ? slash : end;
                bool last = !slash, dots = false;
                ssize_t n;

                segments[size] = '\0';
                n = decode_segment(segments + size + 1, text + 1, stop);
                if (n < 0)
                        return n;
                if (hides_dots(segments + size + 1, (size_t) n))
                        return -EINVAL;
                if (is_dots(segments + size + 1, (size_t) n, 2)) {
                        size = drop_last(segments, size);
                        dots = true;
                } else if (is_dots(segments + size + 1, (size_t) n, 1))
                        dots = true;
                else
                        size += (size_t) n + 1;
                if (dots && last)
                        segments[size++] = '\0'; /* "/a/.." is "/", "/a/." is "/a/" */
                text = stop;
        }
        segments[size] = '\0';
        return (ssize_t) size;
}

/* The size of a path that is what it says: no dot segments, nothing to be decoded, no query behind it. Otherwise 0. */
static size_t plain_size(const char *text) {
        const char *p = text;

        if (*p != '/')
                return 0;
        for (; *p; p++)
                if (*p == '%' || *p == '?' || *p == '#' || (*p == '/' && p[1] == '.'))
                        return 0;
        return (size_t) (p - text);
}

static int take_plain(struct target *ret, struct arena *arena, const char *text, size_t size) {
        char *segments = arena_alloc(arena, size + 1);

        if (!segments)
                return -ENOMEM;
        for (size_t i = 0; i < size; i++)
                segments[i] = text[i] == '/' ? '\0' : text[i];
        segments[size] = '\0';
        *ret = (struct target){ .path = text, .segments = segments, .size = size };
        return 0;
}

/* Where the authority of an absolute-form begins. NULL where the text is none, or has an empty one. */
static const char *find_authority(const char *text) {
        const char *p;

        if (strncasecmp(text, "http://", 7) == 0)
                p = text + 7;
        else if (strncasecmp(text, "https://", 8) == 0)
                p = text + 8;
        else
                return NULL;
        return *p == '/' || *p == '?' || *p == ':' || *p == '\0' ? NULL : p;
}

int target_parse(struct target *ret, struct arena *arena, const char *text) {
        const char *path = text, *authority = NULL, *end;
        char *segments, *copy;
        size_t plain = plain_size(text);
        ssize_t size;

        if (plain > 0)
                return take_plain(ret, arena, text, plain);
        *ret = (struct target){ .path = "*", .segments = "*", .size = 1, .asterisk = true };
        if (streq(text, "*"))
                return 0;
        if (*path != '/') {
                authority = find_authority(text);
                if (!authority)
                        return -EINVAL;
                path = authority + strcspn(authority, "/?#");
        }
        end = path + strcspn(path, "?#");
        if (*end == '#')
                return -EINVAL;
        if (path == end)
                path = "/", size = 1;
        else
                size = end - path;

        /* One more than the path: the last segment's dots may leave a slash behind. */
        segments = arena_alloc(arena, 2 * ((size_t) size + 2));
        if (!segments)
                return -ENOMEM;
        copy = segments + size + 2;
        size = decode_segments(segments, path, path + size);
        if (size < 0)
                return (int) size;
        for (ssize_t i = 0; i < size; i++)
                copy[i] = segments[i] == '\0' ? '/' : segments[i];
        copy[size] = '\0';
        if (authority) {
                authority = arena_strndup(arena, authority, strcspn(authority, "/?"));
                if (!authority)
                        return -ENOMEM;
        }
        *ret = (struct target){
                .authority = authority,
                .path = copy,
                .segments = segments,
                .size = (size_t) size,
                .query = *end == '?' ? end + 1 : NULL,
        };
        return 0;
}

const char *target_first(const struct target *target) {
        return target->asterisk ? target->segments : target->segments + 1;
}

const char *target_next(const struct target *target, const char *segment) {
        const char *end = segment + strlen(segment);

        return end < target->segments + target->size ? end + 1 : NULL;
}

const char *target_rest(const struct target *target, const char *segment) {
        return target->path + (segment - target->segments);
}

/* Decodes in place what ends at `end`, and ends it with a NUL. */
static void decode_query(char *text, const char *end) {
        char *p = text;

        for (; text < end; text++) {
                int c = *text == '%' ? triplet_value(text, end) : -1;

                if (c >= 0)
                        text += 2;
                else
                        c = *text == '+' ? ' ' : (unsigned char) *text;
                *p++ = (char) c;
        }
        *p = '\0';
}

bool query_next(char **cursor, char **ret_name, char **ret_value) {
        char *text = *cursor + strspn(*cursor, "&");
        char *end = text + strcspn(text, "&"), *equals;
        bool more = *end == '&';

        if (text == end)
                return false;
        *cursor = more ? end + 1 : end;
        equals = memchr(text, '=', (size_t) (end - text));
        *end = '\0';
        *ret_name = text;
        *ret_value = equals ? equals + 1 : end;
        if (equals)
                decode_query(equals + 1, end);
        decode_query(text, equals ? equals : end);
        return true;
}
