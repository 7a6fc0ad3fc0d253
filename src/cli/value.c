/* SPDX-License-Identifier: MIT */

/*
 * What a master has answered, as a tree: the one form from which both the tables for people and JSON are made, so that
 * neither can know less than the other.
 *
 * JSON is written here and not by a library: it takes a page, and nothing has to be read. Names of D-Bus, InFlight,
 * become those of JSON, in_flight. Numbers are written whole; who reads them as doubles loses nothing before 2^53.
 */

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "cli/value.h"

void value_deinit(struct value *value) {
        for (size_t i = 0; i < value->n_items; i++)
                value_deinit(&value->items[i]);
        free(value->items);
        free(value->name);
        free(value->text);
        *value = (struct value) VALUE_NULL;
}

struct value *value_add(struct value *value, const char *name, enum value_kind kind) {
        struct value *items, *item;

        items = reallocarray(value->items, value->n_items + 1, sizeof(*items));
        if (!items)
                return NULL;
        value->items = items;
        item = &items[value->n_items];
        *item = (struct value){ .kind = kind };
        if (name) {
                item->name = strdup(name);
                if (!item->name)
                        return NULL;
        }
        value->n_items++;
        return item;
}

int value_add_number(struct value *value, const char *name, uint64_t number) {
        struct value *item = value_add(value, name, VALUE_NUMBER);

        if (!item)
                return -ENOMEM;
        item->number = number;
        return 0;
}

int value_add_text(struct value *value, const char *name, const char *text) {
        char *copy = strdup(text);
        struct value *item;

        item = copy ? value_add(value, name, VALUE_TEXT) : NULL;
        if (!item) {
                free(copy);
                return -ENOMEM;
        }
        item->text = copy;
        return 0;
}

int value_add_bool(struct value *value, const char *name, bool is_true) {
        struct value *item = value_add(value, name, VALUE_BOOL);

        if (!item)
                return -ENOMEM;
        item->number = is_true;
        return 0;
}

/* ---- Reading ---- */

const struct value *value_get(const struct value *value, const char *name) {
        if (!value || value->kind != VALUE_DICTIONARY)
                return NULL;
        for (size_t i = 0; i < value->n_items; i++)
                if (value->items[i].name && streq(value->items[i].name, name))
                        return &value->items[i];
        return NULL;
}

uint64_t value_number(const struct value *value, const char *name) {
        const struct value *item = value_get(value, name);

        return item && (item->kind == VALUE_NUMBER || item->kind == VALUE_BOOL) ? item->number : 0;
}

double value_real(const struct value *value, const char *name) {
        const struct value *item = value_get(value, name);

        return item && item->kind == VALUE_REAL ? item->real : 0;
}

const char *value_text(const struct value *value, const char *name) {
        const struct value *item = value_get(value, name);

        return item && item->kind == VALUE_TEXT && item->text ? item->text : "";
}

const struct value *value_list(const struct value *value, const char *name) {
        static const struct value none = { .kind = VALUE_LIST };
        const struct value *item = value_get(value, name);

        return item && item->kind == VALUE_LIST ? item : &none;
}

/* ---- JSON ---- */

#define ONE_LINE (-1) /* a depth at which no line is broken */

char *value_json_name(const char *name, char *buffer, size_t size) {
        size_t n = 0;

        for (const char *p = name; *p && n + 2 < size; p++) {
                bool capital = *p >= 'A' && *p <= 'Z';

                if (capital && p > name)
                        buffer[n++] = '_';
                buffer[n++] = capital ? (char) (*p - 'A' + 'a') : *p;
        }
        buffer[n] = '\0';
        return buffer;
}

static void write_string(FILE *file, const char *text) {
        (void) fputc('"', file);
        for (; *text; text++)
                if (*text == '"' || *text == '\\')
                        (void) fprintf(file, "\\%c", *text);
                else if ((unsigned char) *text < 0x20 || *text == 0x7f)
                        (void) fprintf(file, "\\u%04x", (unsigned int) (unsigned char) *text);
                else
                        (void) fputc(*text, file);
        (void) fputc('"', file);
}

static void break_line(FILE *file, int depth, int deeper) {
        if (depth != ONE_LINE)
                (void) fprintf(file, "\n%*s", 2 * (depth + deeper), "");
}

static void write_value(const struct value *value, FILE *file, int depth);

static void write_items(const struct value *value, FILE *file, int depth) {
        bool named = value->kind == VALUE_DICTIONARY;
        char name[256];

        (void) fputc(named ? '{' : '[', file);
        for (size_t i = 0; i < value->n_items; i++) {
                (void) fputs(i == 0 ? "" : depth == ONE_LINE ? ", " : ",", file);
                break_line(file, depth, 1);
                if (named) {
                        write_string(file, value_json_name(value->items[i].name ?: "", name, sizeof(name)));
                        (void) fputs(": ", file);
                }
                write_value(&value->items[i], file, depth == ONE_LINE ? ONE_LINE : depth + 1);
        }
        if (value->n_items > 0)
                break_line(file, depth, 0);
        (void) fputc(named ? '}' : ']', file);
}

static void write_value(const struct value *value, FILE *file, int depth) {
        switch (value->kind) {
        case VALUE_NUMBER:
                (void) fprintf(file, "%" PRIu64, value->number);
                break;
        case VALUE_REAL:
                /* JSON has no word for the others */
                (void) fprintf(file, "%.1f", isfinite(value->real) ? value->real : 0);
                break;
        case VALUE_BOOL:
                (void) fputs(value->number ? "true" : "false", file);
                break;
        case VALUE_TEXT:
                write_string(file, value->text ?: "");
                break;
        case VALUE_LIST:
        case VALUE_DICTIONARY:
                write_items(value, file, depth);
                break;
        default:
                break;
        }
}

void value_write_json(const struct value *value, FILE *file) {
        write_value(value, file, 0);
        (void) fputc('\n', file);
}

void value_write_json_line(const struct value *value, FILE *file) {
        write_value(value, file, ONE_LINE);
        (void) fputc('\n', file);
}
