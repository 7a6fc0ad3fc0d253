/* SPDX-License-Identifier: MIT */

/*
 * Conditional requests: RFC 9110, section 13, as pure functions. What a Range means stands in range.c.
 *
 * If a header can't be read it is as if it were not there, which is what the RFC asks for: a condition that
 * fails open sends the whole representation, and that is never wrong.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/conditional.h"
#include "util/macro.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* ---- Dates ---- */

char *http_date_format(time_t time, char buffer[HTTP_DATE_SIZE]) {
        struct tm tm;

        (void) gmtime_r(&time, &tm);
        /* Not strftime(), which would speak the application's language. */
        (void) snprintf(buffer, HTTP_DATE_SIZE, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                        &days[(ptrdiff_t) tm.tm_wday * 3], (unsigned int) tm.tm_mday % 100U,
                        &months[(ptrdiff_t) tm.tm_mon * 3], (unsigned int) (tm.tm_year + 1900) % 10000U,
                        (unsigned int) tm.tm_hour % 100U, (unsigned int) tm.tm_min % 100U,
                        (unsigned int) tm.tm_sec % 100U);
        return buffer;
}

static int month_number(const char *name) {
        for (int i = 0; i < 12; i++)
                if (strncmp(&months[(ptrdiff_t) i * 3], name, 3) == 0)
                        return i;
        return -1;
}

/* Matches a text with a pattern in which 0 stands for a digit, _ for a blank or a digit, a for a letter, and
 * anything else for itself. */
static bool has_shape(const char *text, const char *shape) {
        for (; *shape; shape++, text++) {
                bool digit = *text >= '0' && *text <= '9';
                bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');

                if (*shape == '0'   ? !digit
                    : *shape == '_' ? !digit && *text != ' '
                    : *shape == 'a' ? !letter
                                    : *text != *shape)
                        return false;
        }
        return *text == '\0';
}

static int number_at(const char *text, int digits) {
        int value = 0;

        for (; digits > 0; digits--, text++)
                value = value * 10 + (*text == ' ' ? 0 : *text - '0');
        return value;
}

static void read_clock(struct tm *tm, const char *text) {
        tm->tm_hour = number_at(text, 2);
        tm->tm_min = number_at(text + 3, 2);
        tm->tm_sec = number_at(text + 6, 2);
}

/* A year of two digits means the past of most servers' files: 70 to 99 are 19xx. */
static int full_year(int year) {
        return year >= 70 ? year + 1900 : year + 2000;
}

int http_date_parse(const char *text, time_t *ret) {
        const char *comma = strchr(text, ',');
        struct tm tm = {};

        if (has_shape(text, "aaa, 00 aaa 0000 00:00:00 GMT")) {
                tm.tm_mday = number_at(text + 5, 2);
                tm.tm_mon = month_number(text + 8);
                tm.tm_year = number_at(text + 12, 4) - 1900;
                read_clock(&tm, text + 17);
        } else if (comma && has_shape(comma, ", 00-aaa-00 00:00:00 GMT")) {
                tm.tm_mday = number_at(comma + 2, 2);
                tm.tm_mon = month_number(comma + 5);
                tm.tm_year = full_year(number_at(comma + 9, 2)) - 1900;
                read_clock(&tm, comma + 12);
        } else if (has_shape(text, "aaa aaa _0 00:00:00 0000")) {
                tm.tm_mday = number_at(text + 8, 2);
                tm.tm_mon = month_number(text + 4);
                tm.tm_year = number_at(text + 20, 4) - 1900;
                read_clock(&tm, text + 11);
        } else
                return -EINVAL;
        if (tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
            tm.tm_sec > 60)
                return -EINVAL;
        *ret = timegm(&tm);
        return 0;
}

/* ---- Entity tags ---- */

bool etag_listed(const char *list, const char *etag, bool strong) {
        size_t size = strlen(etag);

        if (streq(list, "*"))
                return true;
        for (;;) {
                const char *end;
                bool weak;

                list += strspn(list, ", \t");
                weak = startswith(list, "W/");
                if (weak)
                        list += 2;
                if (*list != '"')
                        return false; /* the end, or no list of tags */
                end = strchr(list + 1, '"');
                if (!end)
                        return false;
                end++;
                if (!(strong && weak) && (size_t) (end - list) == size && memcmp(list, etag, size) == 0)
                        return true;
                list = end;
        }
}

/* ---- Which bytes ---- */

/* Whether If-Range lets the Range stand: the very same tag, or the very same date. */
static bool range_applies(const struct condition *condition, const struct representation *representation) {
        time_t date;

        if (!condition->range || !condition->is_get)
                return false;
        if (!condition->if_range)
                return true;
        if (*condition->if_range == '"')
                return streq(condition->if_range, representation->etag);
        return http_date_parse(condition->if_range, &date) == 0 && date == representation->modified;
}

/* The preconditions: 412, 304, or 200 where nothing speaks against sending. */
static unsigned int check_preconditions(const struct condition *condition,
                                        const struct representation *representation) {
        bool reads = condition->is_get || condition->is_head;
        time_t date;

        if (condition->if_match) {
                if (!etag_listed(condition->if_match, representation->etag, true))
                        return 412;
        } else if (condition->if_unmodified_since &&
                   http_date_parse(condition->if_unmodified_since, &date) == 0 &&
                   representation->modified > date)
                return 412;

        if (condition->if_none_match) {
                if (etag_listed(condition->if_none_match, representation->etag, false))
                        return reads ? 304 : 412;
        } else if (reads && condition->if_modified_since &&
                   http_date_parse(condition->if_modified_since, &date) == 0 &&
                   representation->modified <= date)
                return 304;
        return 200;
}

struct selection condition_evaluate(const struct condition *condition,
                                    const struct representation *representation) {
        struct selection selection = { .status = check_preconditions(condition, representation) };
        int r = -EINVAL;

        if (selection.status == 200 && range_applies(condition, representation))
                r = range_parse(condition->range, representation->size, selection.ranges, &selection.n);
        if (r == 0)
                selection.status = 206;
        else if (r == -ERANGE)
                selection.status = 416;
        else
                selection.ranges[0].size = representation->size;
        return selection;
}
