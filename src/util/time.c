/* SPDX-License-Identifier: MIT */

/*
 * Clocks, and time spans as people write them.
 *
 * Every time in muster is a usec_t, so that no interface has to say its unit. Spans in the configuration
 * have systemd.time(7)'s syntax, because whoever writes muster.conf writes unit files too; but unlike
 * there nothing is read leniently: no sign, no blanks at the ends, no sum that wraps. What usec_format()
 * writes, usec_parse() reads back to the same number; the sealed configuration relies on it.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/macro.h"
#include "util/time.h"

#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR   (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY    (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK   (7 * USEC_PER_DAY)
#define USEC_PER_YEAR   (UINT64_C(31557600) * USEC_PER_SEC) /* 365.25 days, as systemd has it */
#define USEC_PER_MONTH  (USEC_PER_YEAR / 12)

static const struct unit {
        const char *name;
        usec_t span;
} units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "\xc2\xb5s", 1 }, /* the micro sign */
        { "\xce\xbcs", 1 }, /* the Greek letter */
        { "ms", USEC_PER_MSEC },
        { "msec", USEC_PER_MSEC },
        { "s", USEC_PER_SEC },
        { "sec", USEC_PER_SEC },
        { "second", USEC_PER_SEC },
        { "seconds", USEC_PER_SEC },
        { "m", USEC_PER_MINUTE },
        { "min", USEC_PER_MINUTE },
        { "minute", USEC_PER_MINUTE },
        { "minutes", USEC_PER_MINUTE },
        { "h", USEC_PER_HOUR },
        { "hr", USEC_PER_HOUR },
        { "hour", USEC_PER_HOUR },
        { "hours", USEC_PER_HOUR },
        { "d", USEC_PER_DAY },
        { "day", USEC_PER_DAY },
        { "days", USEC_PER_DAY },
        { "w", USEC_PER_WEEK },
        { "week", USEC_PER_WEEK },
        { "weeks", USEC_PER_WEEK },
        { "M", USEC_PER_MONTH },
        { "month", USEC_PER_MONTH },
        { "months", USEC_PER_MONTH },
        { "y", USEC_PER_YEAR },
        { "year", USEC_PER_YEAR },
        { "years", USEC_PER_YEAR },
};

static usec_t now(clockid_t clock) {
        struct timespec ts = { 0 };

        (void) clock_gettime(clock, &ts);
        return (usec_t) ts.tv_sec * USEC_PER_SEC + (usec_t) ts.tv_nsec / 1000;
}

usec_t now_monotonic(void) {
        return now(CLOCK_MONOTONIC);
}

usec_t now_boottime(void) {
        return now(CLOCK_BOOTTIME);
}

usec_t now_coarse(void) {
        return now(CLOCK_MONOTONIC_COARSE);
}

usec_t now_realtime(void) {
        return now(CLOCK_REALTIME);
}

usec_t usec_add(usec_t a, usec_t b) {
        usec_t sum;

        return __builtin_add_overflow(a, b, &sum) ? USEC_NEVER : sum;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* The unit at the start of the text: up to the next digit, blank or the end. None means seconds. */
static int read_unit(const char **text, usec_t *ret) {
        size_t length = 0;

        while ((*text)[length] && !is_digit((*text)[length]) && !is_blank((*text)[length]))
                length++;
        if (length == 0) {
                *ret = USEC_PER_SEC;
                return 0;
        }

        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].name) == length && strncmp(units[i].name, *text, length) == 0) {
                        *text += length;
                        *ret = units[i].span;
                        return 0;
                }
        return -EINVAL;
}

static int read_whole(const char **text, uint64_t *ret) {
        const char *p = *text;
        uint64_t value = 0;

        for (; is_digit(*p); p++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
                        return -ERANGE;
        if (p == *text)
                return -EINVAL;
        *text = p;
        *ret = value;
        return 0;
}

/* One "1.5min": the digits behind the point are kept apart until the unit is known. */
static int read_term(const char **text, usec_t *ret) {
        const char *fraction = NULL;
        usec_t unit, span, part;
        uint64_t whole;
        int r;

        r = read_whole(text, &whole);
        if (r < 0)
                return r;
        if (**text == '.') {
                fraction = ++*text;
                if (!is_digit(*fraction))
                        return -EINVAL;
                while (is_digit(**text))
                        (*text)++;
        }
        while (is_blank(**text))
                (*text)++;
        r = read_unit(text, &unit);
        if (r < 0)
                return r;

        if (__builtin_mul_overflow(whole, unit, &span))
                return -ERANGE;
        part = unit / 10;
        for (; fraction && is_digit(*fraction) && part > 0; fraction++, part /= 10)
                if (__builtin_add_overflow(span, part * (usec_t) (*fraction - '0'), &span))
                        return -ERANGE;
        *ret = span;
        return 0;
}

int usec_parse(const char *text, usec_t *ret) {
        usec_t sum = 0;

        if (streq(text, "infinity")) {
                *ret = USEC_NEVER;
                return 0;
        }

        do {
                usec_t term;
                int r;

                r = read_term(&text, &term);
                if (r < 0)
                        return r;
                sum = usec_add(sum, term);
                if (sum == USEC_NEVER)
                        return -ERANGE;
                if (is_blank(*text) && !is_digit(text[strspn(text, " \t")]))
                        return -EINVAL;
                text += strspn(text, " \t");
        } while (*text);

        *ret = sum;
        return 0;
}

char *usec_format(usec_t span, char *buffer, size_t size) {
        static const struct unit words[] = {
                { "w", USEC_PER_WEEK },
                { "d", USEC_PER_DAY },
                { "h", USEC_PER_HOUR },
                { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC },
                { "ms", USEC_PER_MSEC },
                { "us", 1 },
        };
        size_t at = 0;

        if (span == USEC_NEVER || span == 0) {
                (void) snprintf(buffer, size, "%s", span == 0 ? "0" : "infinity");
                return buffer;
        }

        for (size_t i = 0; i < ELEMENTSOF(words) && at < size; i++) {
                int n;

                if (span < words[i].span)
                        continue;
                n = snprintf(buffer + at, size - at, "%s%" PRIu64 "%s", at > 0 ? " " : "",
                             span / words[i].span, words[i].name);
                at += (size_t) n;
                span %= words[i].span;
        }
        return buffer;
}
