/* SPDX-License-Identifier: MIT */

/*
 * Text to numbers, all or nothing.
 *
 * strtoul() and its kin skip blanks, take a minus sign for an unsigned number, stop at the first byte
 * they do not know, and follow the locale. A configuration that is read that way says `12abc` and gets
 * 12. Here a text is of the kind as a whole or it is refused, and a number that does not fit is told
 * apart from a text that is none, so that the error can say which.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "util/macro.h"
#include "util/parse.h"

static int parse_digits(const char *text, size_t length, uint64_t *ret) {
        uint64_t value = 0;
        bool over = false;

        if (length == 0)
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                over |= __builtin_mul_overflow(value, UINT64_C(10), &value);
                over |= __builtin_add_overflow(value, (uint64_t) (text[i] - '0'), &value);
        }
        if (over)
                return -ERANGE;
        *ret = value;
        return 0;
}

int parse_uint64(const char *text, uint64_t *ret) {
        return parse_digits(text, strlen(text), ret);
}

int parse_size(const char *text, uint64_t *ret) {
        static const char suffixes[] = "KMGT";
        size_t length = strlen(text);
        uint64_t value, unit = 1;
        const char *suffix;
        int r;

        suffix = length > 0 ? strchr(suffixes, text[length - 1]) : NULL;
        if (suffix) {
                unit = UINT64_C(1) << (10 * (suffix - suffixes + 1));
                length--;
        }

        r = parse_digits(text, length, &value);
        if (r < 0)
                return r;
        if (__builtin_mul_overflow(value, unit, &value))
                return -ERANGE;
        *ret = value;
        return 0;
}

int parse_bool(const char *text, bool *ret) {
        static const struct {
                const char *name;
                bool value;
        } names[] = {
                { "yes", true }, { "true", true },   { "on", true },   { "1", true },
                { "no", false }, { "false", false }, { "off", false }, { "0", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcasecmp(text, names[i].name) == 0) {
                        *ret = names[i].value;
                        return 0;
                }
        return -EINVAL;
}

char *format_size(uint64_t size, char *buffer, size_t room) {
        static const char *const suffixes[] = { "", "K", "M", "G", "T" };
        size_t i = 0;

        while (size > 0 && size % 1024 == 0 && i + 1 < ELEMENTSOF(suffixes)) {
                size /= 1024;
                i++;
        }
        (void) snprintf(buffer, room, "%" PRIu64 "%s", size, suffixes[i]);
        return buffer;
}
