/* SPDX-License-Identifier: MIT */

/*
 * Figures as people read them, and text that others have written as a terminal may get it.
 */

#include <inttypes.h>
#include <stdio.h>

#include "cli/format.h"
#include "util/macro.h"
#include "util/text.h"

char *format_span(usec_t span, char *buffer, size_t size) {
        static const struct {
                usec_t span;
                const char *name;
        } units[] = {
                { 86400 * USEC_PER_SEC, "d" },
                { 3600 * USEC_PER_SEC, "h" },
                { 60 * USEC_PER_SEC, "min" },
                { USEC_PER_SEC, "s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                usec_t whole = span / units[i].span, rest = span % units[i].span;

                if (whole == 0)
                        continue;
                if (i + 1 == ELEMENTSOF(units) || rest / units[i + 1].span == 0)
                        (void) snprintf(buffer, size, "%" PRIu64 "%s", whole, units[i].name);
                else
                        (void) snprintf(buffer, size, "%" PRIu64 "%s %" PRIu64 "%s", whole, units[i].name,
                                        rest / units[i + 1].span, units[i + 1].name);
                return buffer;
        }
        (void) snprintf(buffer, size, "%" PRIu64 "ms", span / USEC_PER_MSEC);
        return buffer;
}

char *format_bytes(uint64_t bytes, char *buffer, size_t size) {
        static const char units[] = "BKMGTPE";
        double value = (double) bytes;
        size_t unit = 0;

        while (value >= 1023.5 && units[unit + 1]) {
                value /= 1024;
                unit++;
        }
        (void) snprintf(buffer, size, unit > 0 && value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
        return buffer;
}

char *format_clean(char *text) {
        for (unsigned char *p = (unsigned char *) text_make_utf8(text_fold(text)); p && *p; p++)
                if (p[0] == 0xc2 && p[1] < 0xa0)
                        p[0] = p[1] = ' ';
        return text;
}

size_t format_width(const char *text) {
        size_t width = 0;

        for (; *text; text++)
                width += ((unsigned char) *text & 0xc0) != 0x80;
        return width;
}
