/* SPDX-License-Identifier: MIT */

/*
 * Values: text into a field of struct config, and back.
 *
 * The field's type is known only by its key's entry in the table, so these are the only functions that
 * reach into the struct by offset. A value is parsed completely before the field is touched. What
 * config_key_get() writes, config_key_set() reads back to the same value; the copy that children get and
 * the comparison at a reload depend on it.
 */

#include <errno.h>
#include <stdio.h>

#include "config/table.h"
#include "util/macro.h"
#include "util/parse.h"
#include "util/time.h"

#define BLANKS " \t"

static void *field_of(const struct config_key *key, void *object) {
        return (char *) object + key->offset;
}

static const void *field_of_const(const struct config_key *key, const void *object) {
        return (const char *) object + key->offset;
}

static char **list_free(char **list) {
        for (char **item = list; list && *item; item++)
                free(*item);
        free((void *) list);
        return NULL;
}

DEFINE_CLEANUP(char **, list_free);

static size_t list_count(const char *text) {
        size_t n = 0;

        for (text += strspn(text, BLANKS); *text; text += strspn(text, BLANKS)) {
                text += strcspn(text, BLANKS);
                n++;
        }
        return n;
}

static int list_parse(const struct config_key *key, const char *text, char ***ret) {
        _cleanup_(cleanup_list_free) char **list = NULL;
        size_t count = list_count(text);

        if (count < key->min || count > key->max)
                return -ERANGE;
        list = (char **) calloc(count + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                size_t length;

                text += strspn(text, BLANKS);
                length = strcspn(text, BLANKS);
                list[i] = strndup(text, length);
                if (!list[i])
                        return -ENOMEM;
                if (key->check && key->check(list[i]) < 0)
                        return -EINVAL;
                text += length;
        }
        *ret = TAKE_PTR(list);
        return 0;
}

static int set_list(const struct config_key *key, char ***field, const char *text) {
        char **list;
        int r;

        r = list_parse(key, text, &list);
        if (r < 0)
                return r;
        list_free(*field);
        *field = list;
        return 0;
}

static int set_string(const struct config_key *key, char **field, const char *text) {
        char *copy;

        if (key->check && key->check(text) < 0)
                return -EINVAL;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static int set_enum(const struct config_key *key, int *field, const char *text) {
        for (int i = 0; key->names[i]; i++)
                if (streq(key->names[i], text)) {
                        *field = i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_number(const struct config_key *key, const char *text, uint64_t *ret) {
        uint64_t value;
        int r;

        if (key->word && streq(text, key->word)) {
                *ret = key->word_value;
                return 0;
        }
        if (key->type == CONFIG_DURATION)
                r = usec_parse(text, &value);
        else if (key->type == CONFIG_SIZE)
                r = parse_size(text, &value);
        else
                r = parse_uint64(text, &value);
        if (r < 0)
                return r;
        if (value < key->min || value > key->max)
                return -ERANGE;
        *ret = value;
        return 0;
}

static int set_number(const struct config_key *key, void *field, const char *text) {
        uint64_t value;
        int r;

        r = parse_number(key, text, &value);
        if (r < 0)
                return r;
        if (key->type == CONFIG_UINT)
                *(unsigned int *) field = (unsigned int) value;
        else
                *(uint64_t *) field = value;
        return 0;
}

int config_key_set(const struct config_key *key, void *object, const char *text) {
        void *field = field_of(key, object);

        switch (key->type) {
        case CONFIG_STRING:
                return set_string(key, field, text);
        case CONFIG_BOOL:
                return parse_bool(text, field);
        case CONFIG_ENUM:
                return set_enum(key, field, text);
        case CONFIG_LIST:
                return set_list(key, field, text);
        case CONFIG_UINT:
        case CONFIG_SIZE:
        case CONFIG_DURATION:
                return set_number(key, field, text);
        }
        return -EINVAL;
}

static char *format_number(const struct config_key *key, uint64_t value, char *buffer, size_t room) {
        if (key->word && value == key->word_value)
                (void) snprintf(buffer, room, "%s", key->word);
        else if (key->type == CONFIG_DURATION)
                usec_format(value, buffer, room);
        else if (key->type == CONFIG_SIZE)
                format_size(value, buffer, room);
        else
                (void) snprintf(buffer, room, "%" PRIu64, value);
        return buffer;
}

static char *join(const char *const *items, const char *separator, const char *last_separator) {
        size_t size = 1;
        char *text, *p;

        for (size_t i = 0; items && items[i]; i++)
                size += strlen(items[i]) + strlen(separator) + strlen(last_separator);
        text = p = malloc(size);
        if (!text)
                return NULL;
        *p = '\0';
        for (size_t i = 0; items && items[i]; i++) {
                if (i > 0)
                        p = stpcpy(p, items[i + 1] ? separator : last_separator);
                p = stpcpy(p, items[i]);
        }
        return text;
}

int config_key_get(const struct config_key *key, const void *object, char **ret) {
        const void *field = field_of_const(key, object);
        char buffer[USEC_FORMAT_MAX];
        const char *string;
        char *text = NULL;

        switch (key->type) {
        case CONFIG_STRING:
                string = *(char *const *) field;
                text = strdup(string ? string : "");
                break;
        case CONFIG_BOOL:
                text = strdup(*(const bool *) field ? "yes" : "no");
                break;
        case CONFIG_ENUM:
                text = strdup(key->names[*(const int *) field]);
                break;
        case CONFIG_LIST:
                text = join(*(const char *const *const *) field, " ", " ");
                break;
        case CONFIG_UINT:
                text = strdup(format_number(key, *(const unsigned int *) field, buffer, sizeof(buffer)));
                break;
        case CONFIG_SIZE:
        case CONFIG_DURATION:
                text = strdup(format_number(key, *(const uint64_t *) field, buffer, sizeof(buffer)));
                break;
        }
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

void config_key_clear(const struct config_key *key, void *object) {
        void *field = field_of(key, object);

        if (key->type == CONFIG_STRING) {
                free(*(char **) field);
                *(char **) field = NULL;
        } else if (key->type == CONFIG_LIST)
                *(char ***) field = list_free(*(char ***) field);
}

static char *allowed_range(const struct config_key *key) {
        struct config_key plain = *key;
        char low[USEC_FORMAT_MAX], high[USEC_FORMAT_MAX];
        char *text;

        plain.word = NULL; /* the ends of the range are numbers even where the word stands for one */
        if (asprintf(&text, "%s to %s%s%s%s%s", format_number(&plain, key->min, low, sizeof(low)),
                     format_number(&plain, key->max, high, sizeof(high)), key->unit ? " " : "",
                     key->unit ? key->unit : "", key->word ? " or " : "", key->word ? key->word : "") < 0)
                return NULL;
        return text;
}

int config_key_allowed(const struct config_key *key, char **ret) {
        char *text = NULL;

        switch (key->type) {
        case CONFIG_STRING:
                text = strdup(key->allowed ? key->allowed : "any text");
                break;
        case CONFIG_BOOL:
                text = strdup("yes or no");
                break;
        case CONFIG_ENUM:
                text = join(key->names, ", ", " or ");
                break;
        case CONFIG_LIST:
                if (asprintf(&text, "%" PRIu64 " to %" PRIu64 " of %s", key->min, key->max,
                             key->allowed ? key->allowed : "any text") < 0)
                        text = NULL;
                break;
        case CONFIG_UINT:
        case CONFIG_SIZE:
        case CONFIG_DURATION:
                text = allowed_range(key);
                break;
        }
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

const char *config_type_name(enum config_type type) {
        static const char *const names[] = {
                [CONFIG_STRING] = "string", [CONFIG_BOOL] = "bool",         [CONFIG_UINT] = "number",
                [CONFIG_SIZE] = "size",     [CONFIG_DURATION] = "duration", [CONFIG_ENUM] = "word",
                [CONFIG_LIST] = "list",
        };

        return names[type];
}
