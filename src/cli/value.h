/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/macro.h"

/* What a master has answered, as a tree. See value.c. */

enum value_kind {
        VALUE_NUMBER,
        VALUE_REAL,
        VALUE_BOOL,
        VALUE_TEXT,
        VALUE_LIST,
        VALUE_DICTIONARY,
};

struct value {
        enum value_kind kind;
        char *name; /* in a dictionary, else NULL */
        uint64_t number;
        double real;
        char *text;
        struct value *items;
        size_t n_items;
};

#define VALUE_NULL                                                                                          \
        { .kind = VALUE_DICTIONARY }

void value_deinit(struct value *value);
#define _cleanup_value_ _cleanup_(value_deinit)

/* Adds an item to a list (name NULL) or to a dictionary, and returns it, empty; NULL when memory is out. What was returned
 * before moves. */
struct value *value_add(struct value *value, const char *name, enum value_kind kind);

/* The same with what is in it. Return 0 or -ENOMEM. */
int value_add_number(struct value *value, const char *name, uint64_t number);
int value_add_text(struct value *value, const char *name, const char *text);
int value_add_bool(struct value *value, const char *name, bool is_true);

/* What a dictionary has under a name, or NULL. These take NULL, and what is not there or of another kind is 0, "" or an
 * empty list. */
const struct value *value_get(const struct value *value, const char *name);
uint64_t value_number(const struct value *value, const char *name);
double value_real(const struct value *value, const char *name);
const char *value_text(const struct value *value, const char *name);
const struct value *value_list(const struct value *value, const char *name);

/* Writes it as JSON, with names in small_letters, and a newline at the end. */
void value_write_json(const struct value *value, FILE *file);

/* The same in one line. */
void value_write_json_line(const struct value *value, FILE *file);

/* "InFlight" → "in_flight". Returns buffer. */
char *value_json_name(const char *name, char *buffer, size_t size);
