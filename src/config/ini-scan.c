/* SPDX-License-Identifier: MIT */

/*
 * The form of an INI file, looked at before iniparser reads it.
 *
 * iniparser tells neither the line of a key nor that a key stood there twice, and it reads on where a
 * person would rather be told: a line over its buffer, a quote that is not closed, a NUL, a backslash at
 * the end of a comment that swallows the next line, an empty "[]" that leaves the section before in
 * force. And its versions differ: 4.1 ends a section's name at the first bracket and knows no escapes in
 * quotes, 4.2 takes the last bracket and does. So this scan reads lines as iniparser does (continuations
 * first, then blanks, comments, sections and keys), notes where each key is, and refuses whatever one of
 * the versions would read in a way that the writer did not mean. What remains, both read alike.
 *
 * The values are iniparser's to find. What it makes of them, and so what the manual says: a value ends at
 * the first ; or # outside of quotes; quotes (" or ') go around a whole value and keep ; # and blanks;
 * a backslash at the end of a line joins the next one to it.
 */

#include <errno.h>

#include "config/ini-scan.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

struct scan {
        struct ini *ini;
        const char *name;
        struct config_report *report;
        char *section;     /* lower case, NULL before the first one */
        bool lost;         /* the last section's line was bad: its keys are nobody's, and no further news */
        unsigned int line; /* the physical line that is being read */
        bool bad;

        /* The logical line, continuations joined. */
        char text[INI_LINE_MAX + 1];
        size_t size;
        unsigned int first; /* where it began */
        bool pending;       /* it ended in a backslash */
};

/* Reports FILE:LINE and remembers that there was something. */
#define COMPLAIN(scan, at, format, ...)                                                                     \
        ((scan)->bad = true,                                                                                \
         config_report_error((scan)->report, "%s:%u: " format, (scan)->name, (at), ##__VA_ARGS__))

static char *lower_copy(const char *text, size_t length) {
        char *copy = strndup(text, length);

        for (char *p = copy; p && *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char) (*p - 'A' + 'a');
        return copy;
}

static int add_entry(struct scan *scan, const char *key, size_t length) {
        struct ini_entry *larger, *entry;

        larger = reallocarray(scan->ini->entries, scan->ini->n_entries + 1, sizeof(*larger));
        if (!larger)
                return -ENOMEM;
        scan->ini->entries = larger;
        entry = &larger[scan->ini->n_entries];
        *entry = (struct ini_entry){ .line = scan->first, .section = strdup(scan->section) };
        if (!entry->section)
                return -ENOMEM;
        scan->ini->n_entries++;
        if (key) {
                entry->key = lower_copy(key, length);
                if (!entry->key)
                        return -ENOMEM;
        }
        return 0;
}

static const struct ini_entry *find_entry(const struct scan *scan, const char *key, size_t length) {
        for (size_t i = 0; i < scan->ini->n_entries; i++) {
                const struct ini_entry *entry = &scan->ini->entries[i];

                if (entry->key && streq(entry->section, scan->section) && strlen(entry->key) == length &&
                    strncasecmp(entry->key, key, length) == 0)
                        return entry;
        }
        return NULL;
}

/* Whether a name has the form that "-o SECTION.KEY=VALUE" can be taken apart by: a section has no dot,
 * a key no colon. */
static bool is_name(const char *text, size_t length, char extra) {
        for (size_t i = 0; i < length; i++)
                if (text[i] != extra && !strchr(letters, text[i]))
                        return false;
        return length > 0;
}

static int scan_section(struct scan *scan, const char *line, size_t length) {
        const char *start = line + 1, *end = line + length - 1;

        scan->lost = true;
        if (length < 2 || *end != ']')
                return COMPLAIN(scan, scan->first, "a section's line must end with ]: %s", line);
        while (start < end && (*start == ' ' || *start == '\t'))
                start++;
        while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        if (!is_name(start, (size_t) (end - start), ':'))
                return COMPLAIN(scan, scan->first,
                                "%s: a section's name is made of letters, digits, _, - and :", line);

        scan->lost = false;
        free(scan->section);
        scan->section = lower_copy(start, (size_t) (end - start));
        return scan->section ? add_entry(scan, NULL, 0) : -ENOMEM;
}

/* Behind the closing quote there may be blanks and a comment, in front of it no backslash. */
static int scan_quoted(struct scan *scan, const char *value) {
        const char *end = strchr(value + 1, *value);

        if (!end)
                return COMPLAIN(scan, scan->first, "the quote is not closed: %s", value);
        if (memchr(value, '\\', (size_t) (end - value)))
                return COMPLAIN(scan, scan->first, "a backslash cannot stand within quotes: %s", value);
        end += 1 + strspn(end + 1, " \t");
        if (*end && *end != ';' && *end != '#')
                return COMPLAIN(scan, scan->first, "there is text behind the closing quote: %s", value);
        return 0;
}

static int scan_key(struct scan *scan, const char *line) {
        const char *equals = strchr(line, '='), *value;
        const struct ini_entry *before;
        size_t length;

        if (!equals)
                return COMPLAIN(scan, scan->first, "neither [section] nor key = value: %s", line);
        length = (size_t) (equals - line);
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
                length--;
        if (!is_name(line, length, '.'))
                return COMPLAIN(scan, scan->first, "a key's name is made of letters, digits, _, - and .: %s",
                                line);
        if (scan->lost)
                return 0;
        if (!scan->section)
                return COMPLAIN(scan, scan->first, "%.*s stands before any section", (int) length, line);
        before = find_entry(scan, line, length);
        if (before)
                return COMPLAIN(scan, scan->first, "[%s] %s is set twice, first in line %u", scan->section,
                                before->key, before->line);

        value = equals + 1 + strspn(equals + 1, " \t");
        if (*value == '"' || *value == '\'') {
                int r = scan_quoted(scan, value);

                if (r < 0)
                        return r;
        }
        return add_entry(scan, line, length);
}

/* Whether a line can be continued: anything else that ends in a backslash is a slip. */
static bool is_value(const char *line) {
        line += strspn(line, " \t");
        return *line && !strchr("#;[", *line) && strchr(line, '=');
}

static int scan_logical(struct scan *scan, bool joined) {
        const char *line = scan->text + strspn(scan->text, " \t");
        size_t length = strlen(line);

        if (joined && *line == '[')
                scan->lost = true;
        if (joined && !is_value(line))
                return COMPLAIN(scan, scan->first,
                                "only a value can go on in the next line, remove the backslash at the end");
        if (length == 0 || *line == '#' || *line == ';')
                return 0;
        return *line == '[' ? scan_section(scan, line, length) : scan_key(scan, line);
}

static int scan_physical(struct scan *scan, const char *line, size_t length) {
        bool joined = scan->pending;

        scan->pending = false;
        for (size_t i = 0; i < length; i++)
                if (((unsigned char) line[i] < ' ' && line[i] != '\t' &&
                     (line[i] != '\r' || i + 1 < length)) ||
                    line[i] == '\x7f')
                        return COMPLAIN(scan, scan->line, "a control byte (0x%02x) in column %zu",
                                        (unsigned int) (unsigned char) line[i], i + 1);

        if (!joined) {
                scan->first = scan->line;
                scan->size = 0;
        }
        if (scan->size + length > INI_LINE_MAX)
                return COMPLAIN(scan, scan->line, "a line may have %i bytes, continuations included",
                                INI_LINE_MAX);
        memcpy(scan->text + scan->size, line, length);
        scan->size += length;
        while (scan->size > 0 && strchr(" \t\r", scan->text[scan->size - 1]))
                scan->size--;
        scan->text[scan->size] = '\0';

        if (scan->size == 0 || scan->text[scan->size - 1] != '\\')
                return scan_logical(scan, joined);

        scan->text[--scan->size] = '\0';
        scan->pending = is_value(scan->text);
        return scan->pending ? 0 : scan_logical(scan, true);
}

static int scan_lines(struct scan *scan, const char *text, size_t size) {
        const char *end = text + size;

        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t) (end - text));
                size_t length = (size_t) ((newline ? newline : end) - text);
                int r;

                scan->line++;
                r = scan_physical(scan, text, length);
                if (r < 0)
                        return r;
                text += length + 1;
        }
        if (scan->pending)
                return COMPLAIN(scan, scan->line, "the file ends in a line that is continued");
        return 0;
}

int ini_scan(struct ini *ini, const char *name, const char *text, size_t size,
             struct config_report *report) {
        struct scan scan = { .ini = ini, .name = name, .report = report };
        int r;

        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                return config_report_error(report,
                                           "%s:1: the file begins with a byte order mark, save it without",
                                           name) < 0
                               ? -ENOMEM
                               : -EINVAL;
        r = scan_lines(&scan, text, size);
        free(scan.section);
        if (r < 0)
                return r;
        return scan.bad ? -EINVAL : 0;
}
