/* SPDX-License-Identifier: MIT */

/*
 * The page of the quarantine: behind the slots of the scoreboard, written by the master alone, read by the
 * workers for each request.
 *
 * It must cost nothing while nothing is in quarantine, reach workers that start later too, and hold nobody
 * up. So it is memory and no message: a counter that is 0 mostly, and behind it marks. A mark is the id of what
 * is in quarantine, a request or a whole route, and the time when that ends; it ends by itself, even if the
 * master were stopped.
 *
 * There is no lock. A mark is taken away by its time, and is given an id before it is given a time again; who reads
 * the time first and the id after can at worst take an id that has just been set with the time of the one
 * before, and refuse for a wrong span what is to be refused anyway.
 *
 * An id is a hash with a key that each service draws anew: two requests have the same one by chance never, and nobody
 * outside can look for two. A client that knows how to crash one path so can't have another one refused.
 * The path goes in with its segments told apart, since "/a/b" and "/a%2Fb" are two.
 */

#include <errno.h>
#include <string.h>

#include "ipc/quarantine-page.h"
#include "util/macro.h"
#include "util/siphash.h"

#define METHOD_MAX 64U /* more of a method is not looked at */

enum kind {
        KIND_REQUEST = 1,
        KIND_ROUTE,
};

static uint64_t make_id(const struct quarantine_page *page, enum kind kind, const char *method,
                        const char *name, size_t size) {
        const uint64_t outer[2] = { page->key[0] ^ kind, page->key[1] };
        const uint64_t inner[2] = {
                outer[0] ^ siphash24(outer, method, strnlen(method, METHOD_MAX)),
                outer[1],
        };

        return siphash24(inner, name, size) ?: 1;
}

uint64_t quarantine_request_id(const struct quarantine_page *page,
                               const struct quarantine_request *request) {
        return make_id(page, KIND_REQUEST, request->method, request->segments, request->size);
}

uint64_t quarantine_route_id(const struct quarantine_page *page, const char *method, const char *path) {
        return make_id(page, KIND_ROUTE, method, path, strlen(path));
}

usec_t quarantine_left(const struct quarantine_page *page, const struct quarantine_request *request,
                       usec_t now) {
        uint32_t n = MIN(atomic_load_explicit(&page->n, memory_order_acquire), QUARANTINE_MARKS_MAX);
        uint64_t own, route;
        usec_t left = 0;

        if (n == 0)
                return 0;
        own = quarantine_request_id(page, request);
        route = quarantine_route_id(page, request->route_method, request->route_path);
        for (uint32_t i = 0; i < n; i++) {
                usec_t until = atomic_load_explicit(&page->marks[i].until, memory_order_acquire);
                uint64_t id = atomic_load_explicit(&page->marks[i].id, memory_order_relaxed);

                if (until > now && (id == own || id == route))
                        left = MAX(left, until - now);
        }
        return left;
}

/* After a mark has been set or taken away. */
static void update_number(struct quarantine_page *page) {
        uint32_t n = QUARANTINE_MARKS_MAX;

        while (n > 0 && atomic_load_explicit(&page->marks[n - 1].until, memory_order_relaxed) == 0)
                n--;
        atomic_store_explicit(&page->n, n, memory_order_release);
}

void quarantine_mark(struct quarantine_page *page, size_t index, uint64_t id, usec_t until) {
        struct quarantine_mark *mark = &page->marks[index];

        if (atomic_load_explicit(&mark->id, memory_order_relaxed) != id) {
                atomic_store_explicit(&mark->until, 0, memory_order_release);
                atomic_store_explicit(&mark->id, id, memory_order_release);
        }
        atomic_store_explicit(&mark->until, until, memory_order_release);
        update_number(page);
}

/* ---- As text ---- */

static bool is_plain(char c) {
        return c > ' ' && c < 0x7f && !strchr("%/?#", c);
}

/* One byte of a path, whose segments begin with a NUL, as a client would send it. Returns how many there are. */
static size_t format_byte(char target[3], char c) {
        static const char digits[] = "0123456789ABCDEF";

        target[0] = c == '\0' ? '/' : c;
        if (c == '\0' || is_plain(c))
                return 1;
        target[0] = '%';
        target[1] = digits[(unsigned char) c >> 4];
        target[2] = digits[(unsigned char) c & 0xf];
        return 3;
}

static char *format_cut(char *buffer, size_t size, size_t used) {
        used = MIN(used, size - sizeof("..."));
        memcpy(buffer + used, "...", sizeof("..."));
        return buffer;
}

char *quarantine_format(char *buffer, size_t size, const char *method, const char *segments,
                        size_t segments_size) {
        size_t used = 0;

        for (; *method; method++) {
                if (used + 2 >= size)
                        return format_cut(buffer, size, used);
                buffer[used++] = is_plain(*method) ? *method : '?';
        }
        buffer[used++] = ' ';
        for (size_t i = 0; i < segments_size; i++) {
                char bytes[3];
                size_t n = format_byte(bytes, segments[i]);

                if (used + n >= size)
                        return format_cut(buffer, size, used);
                memcpy(buffer + used, bytes, n);
                used += n;
        }
        buffer[used] = '\0';
        return buffer;
}

static int hex_value(char c) {
        const char *digits = "0123456789abcdef", *found;

        found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
        return found ? (int) (found - digits) : -1;
}

int quarantine_parse_path(const char *text, char *segments) {
        char *p = segments;

        if (*text != '/')
                return -EINVAL;
        for (; *text; text++) {
                if (*text == '%') {
                        int high = hex_value(text[1]), low = high < 0 ? -1 : hex_value(text[2]);

                        if (low < 0 || high + low == 0)
                                return -EINVAL;
                        *p++ = (char) (high * 16 + low);
                        text += 2;
                } else if (is_plain(*text) || *text == '/' || (unsigned char) *text >= 0x80)
                        *p++ = *text == '/' ? '\0' : *text;
                else
                        return -EINVAL;
        }
        return (int) (p - segments);
}
