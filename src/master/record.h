/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macro.h"

/* Records: structs as text that describes itself. See record.c. */

#define RECORD_FIELDS_MAX 64U

enum record_kind {
        RECORD_SIGNED,
        RECORD_UNSIGNED, /* bool is one, of 0 and 1 */
        RECORD_TEXT,     /* char *, owned by the struct; NULL is not written */
        RECORD_ARRAY,    /* char[] */
        RECORD_FD,       /* int; -1 is not written */
};

/* One member of a struct. `max` 0: whatever its type holds. */
struct record_field {
        const char *name;
        enum record_kind kind;
        size_t offset;
        size_t size;
        int64_t min;
        uint64_t max;
};

#define RECORD_KIND(value)                                                                                  \
        _Generic((value),                                                                                   \
                char *: RECORD_TEXT,                                                                        \
                int: RECORD_SIGNED,                                                                         \
                long: RECORD_SIGNED,                                                                        \
                long long: RECORD_SIGNED,                                                                   \
                bool: RECORD_UNSIGNED,                                                                      \
                unsigned int: RECORD_UNSIGNED,                                                              \
                unsigned long: RECORD_UNSIGNED,                                                             \
                unsigned long long: RECORD_UNSIGNED)

#define RECORD_RANGE(name, type, member, min, max)                                                          \
        {                                                                                                   \
                name, RECORD_KIND(((type *) NULL)->member), offsetof(type, member),                         \
                        sizeof(((type *) NULL)->member), min, max                                           \
        }
#define RECORD_FIELD(name, type, member)                                                                    \
        RECORD_RANGE(name, type, member,                                                                    \
                     RECORD_KIND(((type *) NULL)->member) == RECORD_SIGNED ? INT64_MIN : 0,                 \
                     _Generic(((type *) NULL)->member, bool : 1, default : 0))
#define RECORD_CHARS(name, type, member)                                                                    \
        { name, RECORD_ARRAY, offsetof(type, member), sizeof(((type *) NULL)->member), 0, 0 }
#define RECORD_DESCRIPTOR(name, type, member)                                                               \
        { name, RECORD_FD, offsetof(type, member), sizeof(int), 3, INT32_MAX }

/* A kind of record. */
struct record_type {
        const char *name;
        const struct record_field *fields;
        size_t n_fields;
};

#define RECORD_TYPE(name, fields) ((struct record_type){ name, fields, ELEMENTSOF(fields) })

/* Writing: begin, any number of records, end. Errors of the stream are the caller's to find, at its close. */
void record_begin(FILE *file, const char *title, unsigned int version);
void record_write(FILE *file, const struct record_type *type, const void *object);
void record_end(FILE *file);

struct record_reader {
        char *text; /* owned */
        char *next;
        char problem[160]; /* what was refused, in words */
};

/* Begins to read a copy of the text. -EBADMSG for one that is not whole or not of that title, -EPROTONOSUPPORT
 * for another version. */
int record_open(struct record_reader *reader, const char *text, size_t size, const char *title,
                unsigned int version);
void record_close(struct record_reader *reader);

/* Goes to the next record, whose name it returns; NULL at the end. What was not read of the last one is passed over. */
const char *record_next(struct record_reader *reader);

/* Reads the record into an object, whose members must have the values that hold where a field is missing; texts
 * are replaced. -EBADMSG for a field that is unknown, twice, not of its kind or out of range. */
int record_read(struct record_reader *reader, const struct record_type *type, void *object);

/* Calls a function for each descriptor in an object that would be written, until one returns less than 0. */
int record_each_fd(const struct record_type *type, const void *object,
                   int (*function)(int fd, void *userdata), void *userdata);

/* Frees the texts of an object. */
void record_free_texts(const struct record_type *type, void *object);
