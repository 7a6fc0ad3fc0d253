/* SPDX-License-Identifier: MIT */

/*
 * Cron's times: reading them, and finding the next.
 *
 * What may be written is crontab(5)'s: stars, numbers, names, ranges, lists and steps, in five fields or, with
 * seconds, six. Where day of the month and day of the week are both given, one of them is enough; where one of
 * them begins with a star, both must fit ("0 0 *\/2 * mon": a Monday with an odd date), as Vixie's cron has it. What
 * other programs add (?, L, W, #, ~) is refused, and so is what could be meant in two ways.
 *
 * The search goes over the wall clock, as if there were no time zones, day by day and then within the day. Only
 * what it finds is put into the time zone, with the C library. Twice a year that is not one to one:
 *
 *   - A time that is left out when the clock goes forward is made up for at the moment after, once, however many
 *     times of the schedule were left out.
 *   - A time that comes twice when the clock goes back is the first of the two.
 *   - A schedule for every hour of the day is not bound to the wall clock: it goes on through both changes as if nothing
 *     was, as often as time passes.
 *
 * The zone may change at any time under a process that runs for months, so it is asked for anew in each call.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "util/cron.h"
#include "util/macro.h"

#define DAY       INT64_C(86400)
#define HOUR      INT64_C(3600)
#define MINUTE    INT64_C(60)
#define YEARS_MAX 50 /* a 29th of February that is a Monday lets one wait for 40 */
#define ALL_HOURS 0xffffffU

/* The longest that clocks have been put back or forward at once is a day. */
#define CHANGE_MAX (25 * HOUR)

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun",
                                           "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static const struct field {
        const char *name;
        const char *allowed;
        const char *const *names;
        unsigned int n_names;
        unsigned int min, max;
        unsigned int step_max;
} fields[] = {
        { "second", "0 to 59", NULL, 0, 0, 59, 60 },
        { "minute", "0 to 59", NULL, 0, 0, 59, 60 },
        { "hour", "0 to 23", NULL, 0, 0, 23, 24 },
        { "day of the month", "1 to 31", NULL, 0, 1, 31, 31 },
        { "month", "1 to 12 or jan to dec", month_names, ELEMENTSOF(month_names), 1, 12, 12 },
        { "day of the week", "0 to 7 (0 and 7 are Sunday) or sun to sat", weekday_names,
          ELEMENTSOF(weekday_names), 0, 7, 7 },
};

static const struct {
        const char *name;
        const char *text;
} nicknames[] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
        { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
        { "@hourly", "0 * * * *" },
};

struct parser {
        char *reason;
        size_t size;
};

/* ---- Reading ---- */

static int _printf_(2, 3) refuse(const struct parser *parser, const char *format, ...) {
        va_list arguments;

        if (parser->reason) {
                va_start(arguments, format);
                (void) vsnprintf(parser->reason, parser->size, format, arguments);
                va_end(arguments);
        }
        return -EINVAL;
}

static int refuse_item(const struct parser *parser, const struct field *field, const char *item,
                       size_t length) {
        return refuse(parser,
                      "%s \"%.*s\": allowed are %s, *, ranges, lists and steps such as */2 or %u-%u/2",
                      field->name, (int) MIN(length, 40U), item, field->allowed, field->min, field->min + 4);
}

/* A number or a name at the start of the text. Returns its length, 0 for none. */
static size_t read_value(const struct field *field, const char *text, size_t length, unsigned int *ret) {
        size_t n = 0;

        *ret = 0;
        for (; n < length && n < 4 && text[n] >= '0' && text[n] <= '9'; n++)
                *ret = *ret * 10 + (unsigned int) (text[n] - '0');
        if (n > 0)
                return *ret >= field->min && *ret <= field->max ? n : 0;
        for (unsigned int i = 0; i < field->n_names && length >= 3; i++)
                if (strncasecmp(text, field->names[i], 3) == 0) {
                        *ret = field->min + i;
                        return 3;
                }
        return 0;
}

/* "*", "5", "1-5": what the step goes over. A step needs a range: 5/2 is read in two ways. Returns its length, 0 for none. */
static size_t read_range(const struct field *field, const char *item, size_t length, unsigned int *ret_first,
                         unsigned int *ret_last) {
        size_t n, m;

        if (length > 0 && *item == '*') {
                *ret_first = field->min;
                *ret_last = field->max;
                return 1;
        }
        n = read_value(field, item, length, ret_first);
        *ret_last = *ret_first;
        if (n == 0 || n == length || item[n] != '-')
                return n == length ? n : 0;
        m = read_value(field, item + n + 1, length - n - 1, ret_last);
        /* The week may end with a Sunday that is written as one. */
        if (m == 3 && field->names == weekday_names && *ret_last == 0 && *ret_first > 0)
                *ret_last = 7;
        return m == 0 || *ret_last < *ret_first ? 0 : n + 1 + m;
}

static int read_item(const struct parser *parser, const struct field *field, const char *item, size_t length,
                     uint64_t *set) {
        unsigned int first, last, step = 1;
        size_t n;

        n = read_range(field, item, length, &first, &last);
        if (n > 0 && n < length && item[n] == '/') {
                size_t digits = 0;

                for (step = 0, n++; n < length && digits < 3 && item[n] >= '0' && item[n] <= '9';
                     n++, digits++)
                        step = step * 10 + (unsigned int) (item[n] - '0');
                if (digits == 0 || step == 0 || step > field->step_max)
                        return refuse(parser, "%s \"%.*s\": a step is 1 to %u", field->name,
                                      (int) MIN(length, 40U), item, field->step_max);
        }
        if (n == 0 || n != length)
                return refuse_item(parser, field, item, length);
        for (unsigned int i = first; i <= last; i += step)
                *set |= UINT64_C(1) << i;
        return 0;
}

static int read_field(const struct parser *parser, const struct field *field, const char *text,
                      size_t length, uint64_t *ret) {
        uint64_t set = 0;

        for (const char *end = text + length; text <= end;) {
                const char *comma = memchr(text, ',', (size_t) (end - text));
                size_t item = (size_t) ((comma ?: end) - text);
                int r;

                r = read_item(parser, field, text, item, &set);
                if (r < 0)
                        return r;
                text += item + 1;
        }
        *ret = set;
        return 0;
}

static bool wall_next(const struct cron *cron, int64_t *wall);

/* The words of a text. Returns how many there are; those beyond `max` are not kept. */
static size_t split(const char *text, const char **ret_words, size_t *ret_lengths, size_t max) {
        size_t n = 0;

        for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
                size_t length = strcspn(text, " \t");

                if (n < max) {
                        ret_words[n] = text;
                        ret_lengths[n] = length;
                }
                text += length;
                n++;
        }
        return n;
}

static const char *expand_nickname(const struct parser *parser, const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(nicknames); i++)
                if (strcasecmp(text, nicknames[i].name) == 0)
                        return nicknames[i].text;
        (void) refuse(
                parser,
                "\"%.40s\": of such names there are @yearly, @annually, @monthly, @weekly, @daily, @midnight "
                "and @hourly",
                text);
        return NULL;
}

static struct cron from_sets(const uint64_t sets[static ELEMENTSOF(fields)]) {
        return (struct cron){
                .seconds = sets[0],
                .minutes = sets[1],
                .hours = (uint32_t) sets[2],
                .days = (uint32_t) sets[3],
                .months = (uint32_t) sets[4],
                .weekdays = (uint32_t) ((sets[5] | sets[5] >> 7) & 0x7f),
        };
}

int cron_parse(const char *text, struct cron *ret, char *reason, size_t size) {
        const struct parser parser = { reason, size };
        const char *words[ELEMENTSOF(fields)];
        size_t lengths[ELEMENTSOF(fields)], n, first;
        uint64_t sets[ELEMENTSOF(fields)] = { 1 }; /* without the field, the second is 0 */
        int64_t wall = 0;

        if (*text == '@') {
                text = expand_nickname(&parser, text);
                if (!text)
                        return -EINVAL;
        }
        n = split(text, words, lengths, ELEMENTSOF(fields));
        if (n != 5 && n != 6)
                return refuse(
                        &parser,
                        "\"%.60s\" has %zu fields; there must be 5 (minute, hour, day of the month, month, day "
                        "of the week) or 6, with the second before them",
                        text, n);
        first = ELEMENTSOF(fields) - n;
        for (size_t i = 0; i < n; i++) {
                int r;

                r = read_field(&parser, &fields[first + i], words[i], lengths[i], &sets[first + i]);
                if (r < 0)
                        return r;
        }
        *ret = from_sets(sets);
        ret->days_star = *words[n - 3] == '*';
        ret->weekdays_star = *words[n - 1] == '*';
        if (!wall_next(ret, &wall))
                return refuse(&parser, "\"%.60s\": such a day never comes", text);
        return 0;
}

/* ---- The wall clock: seconds since 1970 as if there were no zones ---- */

struct date {
        unsigned int month; /* from 1 */
        unsigned int day;   /* from 1 */
        unsigned int weekday;
};

/* After Howard Hinnant's description of the Gregorian calendar in eras of 400 years, which begin in March. */
static struct date date_of(int64_t day) {
        int64_t shifted = day + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
        unsigned int of_era = (unsigned int) (shifted - era * 146097);
        unsigned int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        unsigned int of_year = of_era - (365 * year + year / 4 - year / 100);
        unsigned int march = (5 * of_year + 2) / 153;

        return (struct date){
                .month = march < 10 ? march + 3 : march - 9,
                .day = of_year - (153 * march + 2) / 5 + 1,
                .weekday = (unsigned int) (((day + 4) % 7 + 7) % 7),
        };
}

static bool day_fits(const struct cron *cron, int64_t day) {
        struct date date = date_of(day);
        bool by_day = cron->days >> date.day & 1, by_weekday = cron->weekdays >> date.weekday & 1;

        if (!(cron->months >> date.month & 1))
                return false;
        return cron->days_star || cron->weekdays_star ? by_day && by_weekday : by_day || by_weekday;
}

/* The first member of a set from this one on, -1 for none. */
static int first_from(uint64_t set, unsigned int from) {
        set = from < 64 ? set >> from << from : 0;
        return set ? __builtin_ctzll(set) : -1;
}

/* The first second of the day from this one on, -1 for none. */
static int64_t second_fits(const struct cron *cron, int64_t from) {
        unsigned int hour = (unsigned int) (from / HOUR), minute = (unsigned int) (from % HOUR / 60);
        int s = first_from(cron->seconds, (unsigned int) (from % 60)), m, h;

        m = first_from(cron->minutes, minute + (s < 0));
        h = first_from(cron->hours, hour + (m < 0));
        if (h < 0)
                return -1;
        if (h != (int) hour || m < 0)
                m = first_from(cron->minutes, 0);
        if (h != (int) hour || m != (int) minute || s < 0)
                s = first_from(cron->seconds, 0);
        return h * HOUR + m * MINUTE + s;
}

/* Goes to the first time that fits, from this one on. Returns false where there is none. */
static bool wall_next(const struct cron *cron, int64_t *wall) {
        int64_t day = *wall / DAY - (*wall % DAY < 0), end = day + YEARS_MAX * INT64_C(366);
        int64_t second = day_fits(cron, day) ? second_fits(cron, *wall - day * DAY) : -1;

        while (second < 0 && ++day < end)
                if (day_fits(cron, day))
                        second = second_fits(cron, 0);
        *wall = day * DAY + second;
        return second >= 0;
}

/* ---- In the time zone ---- */

/* Seconds to the east of Greenwich at this time. */
static int64_t offset_at(int64_t time) {
        const time_t t = (time_t) time;
        struct tm local;

        return localtime_r(&t, &local) ? local.tm_gmtoff : 0;
}

/* The first time of an offset that is another than at `from`; it is no later than `to`, where it is another. */
static int64_t find_change(int64_t from, int64_t to) {
        int64_t offset = offset_at(from);

        while (to - from > 1) {
                int64_t middle = from + (to - from) / 2;

                if (offset_at(middle) == offset)
                        from = middle;
                else
                        to = middle;
        }
        return to;
}

/* When the wall clock shows this: the first time, where it does so twice, and where it does not, the moment when it has
 * passed over it. */
static int64_t time_of(int64_t wall, bool *ret_exists) {
        int64_t before = offset_at(wall - CHANGE_MAX), after = offset_at(wall + CHANGE_MAX);

        /* Before a change and after it; the larger offset is the earlier time */
        *ret_exists = true;
        if (offset_at(wall - MAX(before, after)) == MAX(before, after))
                return wall - MAX(before, after);
        if (offset_at(wall - MIN(before, after)) == MIN(before, after))
                return wall - MIN(before, after);
        *ret_exists = false;
        return find_change(wall - CHANGE_MAX, wall + CHANGE_MAX);
}

/* Bound to the wall clock. The walk begins a second early, so that it sees what was left out just now. */
static int64_t next_fixed(const struct cron *cron, int64_t from) {
        int64_t wall = from + offset_at(from - 1);

        for (; wall_next(cron, &wall); wall++) {
                bool exists;
                int64_t time = time_of(wall, &exists);

                if (time >= from)
                        return time;
        }
        return -1;
}

/* Not bound to it: from change to change with one offset. */
static int64_t next_hourly(const struct cron *cron, int64_t from) {
        for (;;) {
                int64_t offset = offset_at(from), wall = from + offset, horizon = from + CHANGE_MAX;
                bool exists = false;

                if (!wall_next(cron, &wall))
                        return -1;
                horizon = MIN(horizon, wall - offset);
                if (offset_at(horizon) != offset) {
                        from = find_change(from, horizon);
                        continue;
                }
                if (horizon == wall - offset)
                        return horizon;
                /* Far away: no change from here on leads back to before it. */
                from = time_of(wall, &exists);
                if (exists)
                        return from;
        }
}

usec_t cron_next(const struct cron *cron, usec_t after) {
        int64_t from = (int64_t) (after / USEC_PER_SEC) + 1, next;

        tzset();
        next = cron->hours == ALL_HOURS ? next_hourly(cron, from) : next_fixed(cron, from);
        return next < 0 ? USEC_NEVER : (usec_t) next * USEC_PER_SEC;
}
