/* SPDX-License-Identifier: MIT */

/*
 * Records: how the state of one master becomes text that another can read, which may be of another version.
 *
 *     muster-handover=1
 *     [process]
 *     role=1
 *     failure=Cannot open\nthat
 *     [end]
 *
 * A struct is described by a table of its members, and the same table writes and reads it; nothing else in the
 * master knows the format. Fields go by their names, so their order means nothing. One that is missing keeps
 * the value that the reader has put there: it came with a newer version. One that is unknown is refused, since
 * whoever wrote it meant something by it that would be lost in silence. Numbers are decimal and have a range;
 * in a text newline and backslash are escaped; the last line tells that nothing was cut off.
 *
 * No I/O: the reader works on memory and believes nothing in it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "master/record.h"
#include "util/text.h"
#include "util/parse.h"

#define END_LINE "[end]\n"

/* ---- Members of an object ---- */

static uint64_t get_unsigned(const struct record_field *field, const void *object) {
        const char *at = (const char *) object + field->offset;
        uint64_t wide;
        uint32_t narrow;
        uint8_t byte;

        switch (field->size) {
        case sizeof(wide):
                memcpy(&wide, at, sizeof(wide));
                return wide;
        case sizeof(narrow):
                memcpy(&narrow, at, sizeof(narrow));
                return narrow;
        default:
                memcpy(&byte, at, sizeof(byte));
                return byte;
        }
}

static int64_t get_signed(const struct record_field *field, const void *object) {
        uint64_t value = get_unsigned(field, object);

        return field->size == sizeof(int32_t) ? (int32_t) (uint32_t) value : (int64_t) value;
}

/* In the two's complement the low bytes are the same for both signs. */
static void set_number(const struct record_field *field, void *object, uint64_t value) {
        char *at = (char *) object + field->offset;
        uint32_t narrow = (uint32_t) value;
        uint8_t byte = (uint8_t) value;

        if (field->size == sizeof(value))
                memcpy(at, &value, sizeof(value));
        else if (field->size == sizeof(narrow))
                memcpy(at, &narrow, sizeof(narrow));
        else
                memcpy(at, &byte, sizeof(byte));
}

static char *get_text(const struct record_field *field, const void *object) {
        char *text;

        memcpy((void *) &text, (const char *) object + field->offset, sizeof(text));
        return text;
}

static void set_text(const struct record_field *field, void *object, char *text) {
        free(get_text(field, object));
        memcpy((char *) object + field->offset, (const void *) &text, sizeof(text));
}

/* ---- Writing ---- */

void record_begin(FILE *file, const char *title, unsigned int version) {
        (void) fprintf(file, "%s=%u\n", title, version);
}

static void write_text(FILE *file, const char *name, const char *text) {
        (void) fprintf(file, "%s=", name);
        text_write_escaped(file, text);
        (void) fputc('\n', file);
}

static void write_field(FILE *file, const struct record_field *field, const void *object) {
        switch (field->kind) {
        case RECORD_UNSIGNED:
                (void) fprintf(file, "%s=%" PRIu64 "\n", field->name, get_unsigned(field, object));
                break;
        case RECORD_TEXT:
                if (get_text(field, object))
                        write_text(file, field->name, get_text(field, object));
                break;
        case RECORD_ARRAY:
                write_text(file, field->name, (const char *) object + field->offset);
                break;
        case RECORD_FD:
                if (get_signed(field, object) < 0)
                        break;
                __attribute__((__fallthrough__));
        case RECORD_SIGNED:
                (void) fprintf(file, "%s=%" PRId64 "\n", field->name, get_signed(field, object));
                break;
        }
}

void record_write(FILE *file, const struct record_type *type, const void *object) {
        (void) fprintf(file, "[%s]\n", type->name);
        for (size_t i = 0; i < type->n_fields; i++)
                write_field(file, &type->fields[i], object);
}

void record_end(FILE *file) {
        (void) fputs(END_LINE, file);
}

int record_each_fd(const struct record_type *type, const void *object,
                   int (*function)(int fd, void *userdata), void *userdata) {
        for (size_t i = 0; i < type->n_fields; i++) {
                int fd, r;

                if (type->fields[i].kind != RECORD_FD)
                        continue;
                fd = (int) get_signed(&type->fields[i], object);
                r = fd < 0 ? 0 : function(fd, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

void record_free_texts(const struct record_type *type, void *object) {
        for (size_t i = 0; i < type->n_fields; i++)
                if (type->fields[i].kind == RECORD_TEXT)
                        set_text(&type->fields[i], object, NULL);
}

/* ---- Reading ---- */

static int _printf_(2, 3) refuse(struct record_reader *reader, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(reader->problem, sizeof(reader->problem), format, arguments);
        va_end(arguments);
        return -EBADMSG;
}

/* Cuts one line off; NULL where there is none. */
static char *take_line(struct record_reader *reader) {
        char *line = reader->next, *end = strchr(line, '\n');

        if (!end)
                return NULL;
        *end = '\0';
        reader->next = end + 1;
        return line;
}

static int check_title(struct record_reader *reader, const char *title, unsigned int version) {
        char *line = take_line(reader), *equals = line ? strchr(line, '=') : NULL;
        uint64_t found;

        if (!equals)
                return refuse(reader, "there is no title");
        *equals = '\0';
        if (!streq(line, title) || parse_uint64(equals + 1, &found) < 0)
                return refuse(reader, "it is no %s", title);
        if (found == version)
                return 0;
        (void) refuse(reader, "version %" PRIu64 " of %s is not known, only %u", found, title, version);
        return -EPROTONOSUPPORT;
}

int record_open(struct record_reader *reader, const char *text, size_t size, const char *title,
                unsigned int version) {
        size_t end = strlen(END_LINE);
        int r;

        *reader = (struct record_reader){};
        if (memchr(text, '\0', size))
                return refuse(reader, "there is a NUL in it");
        if (size <= end || text[size - end - 1] != '\n' || memcmp(text + size - end, END_LINE, end) != 0)
                return refuse(reader, "the end is missing");
        reader->next = reader->text = strndup(text, size);
        if (!reader->text)
                return -ENOMEM;
        r = check_title(reader, title, version);
        if (r < 0)
                record_close(reader);
        return r;
}

void record_close(struct record_reader *reader) {
        free(reader->text);
        reader->text = reader->next = NULL;
}

const char *record_next(struct record_reader *reader) {
        char *line;

        while ((line = take_line(reader))) {
                size_t length = strlen(line);

                if (line[0] != '[' || line[length - 1] != ']')
                        continue;
                if (!*reader->next)
                        return NULL; /* [end] */
                line[length - 1] = '\0';
                return line + 1;
        }
        return NULL;
}

static uint64_t highest(const struct record_field *field) {
        if (field->max > 0)
                return field->max;
        if (field->kind == RECORD_UNSIGNED)
                return field->size == sizeof(uint64_t) ? UINT64_MAX : UINT32_MAX;
        return field->size == sizeof(int64_t) ? INT64_MAX : INT32_MAX;
}

/* Of a signed field: a sign, then what parse_uint64() takes. */
static int read_signed(const struct record_field *field, const char *text, uint64_t *ret) {
        int64_t lowest = field->size == sizeof(int32_t) ? MAX(field->min, INT32_MIN) : field->min;
        bool negative = text[0] == '-';
        uint64_t value;

        if (parse_uint64(text + negative, &value) < 0 || value > INT64_MAX)
                return -EBADMSG;
        if (negative ? -(int64_t) value < lowest : (value > highest(field) || (int64_t) value < field->min))
                return -ERANGE;
        *ret = negative ? -value : value;
        return 0;
}

static int read_unsigned(const struct record_field *field, const char *text, uint64_t *ret) {
        if (parse_uint64(text, ret) < 0)
                return -EBADMSG;
        return *ret > highest(field) || *ret < (uint64_t) field->min ? -ERANGE : 0;
}

static int read_text(struct record_reader *reader, const struct record_type *type,
                     const struct record_field *field, char *text, void *object) {
        char *copy;

        if (text_unescape(text) < 0)
                return refuse(reader, "%s: %s is not escaped as it should", type->name, field->name);
        if (field->kind == RECORD_ARRAY && strlen(text) >= field->size)
                return refuse(reader, "%s: %s is too long", type->name, field->name);
        if (field->kind == RECORD_ARRAY) {
                (void) stpncpy((char *) object + field->offset, text, field->size);
                return 0;
        }
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        set_text(field, object, copy);
        return 0;
}

static int read_value(struct record_reader *reader, const struct record_type *type,
                      const struct record_field *field, char *text, void *object) {
        uint64_t value;
        int r;

        if (field->kind == RECORD_TEXT || field->kind == RECORD_ARRAY)
                return read_text(reader, type, field, text, object);
        r = field->kind == RECORD_UNSIGNED ? read_unsigned(field, text, &value)
                                           : read_signed(field, text, &value);
        if (r < 0)
                return refuse(reader, "%s: %s=%.40s is %s", type->name, field->name, text,
                              r == -ERANGE ? "out of range" : "no number");
        set_number(field, object, value);
        return 0;
}

static int find_field(const struct record_type *type, const char *name) {
        for (size_t i = 0; i < type->n_fields; i++)
                if (streq(type->fields[i].name, name))
                        return (int) i;
        return -ENOENT;
}

int record_read(struct record_reader *reader, const struct record_type *type, void *object) {
        bool seen[RECORD_FIELDS_MAX] = {};

        while (reader->next[0] != '[') {
                char *name = take_line(reader), *equals = name ? strchr(name, '=') : NULL;
                int i, r;

                if (!equals)
                        return refuse(reader, "%s: a line without a value", type->name);
                *equals = '\0';
                i = find_field(type, name);
                if (i < 0)
                        return refuse(reader, "%s: %.40s is not known", type->name, name);
                if (seen[i])
                        return refuse(reader, "%s: %s comes twice", type->name, name);
                seen[i] = true;
                r = read_value(reader, type, &type->fields[i], equals + 1, object);
                if (r < 0)
                        return r;
        }
        return 0;
}
