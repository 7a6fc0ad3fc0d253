/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;

/* What a value is, and how it is stored in struct config. */
enum config_type {
        CONFIG_STRING,   /* char * */
        CONFIG_BOOL,     /* bool */
        CONFIG_UINT,     /* unsigned int */
        CONFIG_SIZE,     /* uint64_t, bytes */
        CONFIG_DURATION, /* usec_t */
        CONFIG_ENUM,     /* int, index in names */
        CONFIG_LIST,     /* char **, NULL-terminated */
};

/* One key: everything that the parser, the checks, the sample file and the man page know of it. */
struct config_key {
        const char *section;
        const char *name;
        enum config_type type;
        bool required;            /* must be set */
        bool reloadable;          /* a reload brings a changed value into effect */
        const char *fallback;     /* the default as one would write it; NULL = none */
        uint64_t min, max;        /* of uint, size and duration; how many items of a list */
        const char *word;         /* a word that is allowed beside the range, such as "auto"; NULL = none */
        uint64_t word_value;      /* what it stands for */
        const char *unit;         /* of a number, in words; NULL = it needs none */
        const char *const *names; /* of an enum, NULL-terminated */
        int (*check)(const char *text); /* of a string, or of each item of a list; NULL = any */
        const char *allowed;            /* what check lets pass, in words */
        void (*explain)(const char *text, char *buffer, size_t size); /* why check refuses it; NULL */
        const char *help;                                             /* sentences */
        size_t offset; /* in struct config, or struct config_schedule */
};

extern const struct config_key config_table[];
extern const size_t config_table_size;

/* The keys of every [schedule:NAME]. They have no defaults: what is not set there, the application says. */
extern const struct config_key config_schedule_table[];
extern const size_t config_schedule_table_size;

#define CONFIG_SCHEDULE_SECTION "schedule:"

/* The NAME of a section [schedule:NAME]; NULL for one that is none, or whose name is not valid. */
const char *config_section_schedule(const char *section);

/* The key of that name, in any case, or NULL. */
const struct config_key *config_key_find(const char *section, const char *name);

/* Whether there is such a section; [app] is one although it has no keys in the table. */
bool config_section_known(const char *section);

/* Reads a value into the struct that the key is of, replacing what was there. Returns 0, -EINVAL for what is not of the
 * type, -ERANGE for what is out of range, -ENOMEM; the struct is unchanged then. */
int config_key_set(const struct config_key *key, void *object, const char *text);

/* The value as one would write it; the caller frees it. A string that was never set is empty. */
int config_key_get(const struct config_key *key, const void *object, char **ret);

/* Frees what the key's value owns. */
void config_key_clear(const struct config_key *key, void *object);

/* What may be written, for people: "1 to 256 or auto", "backoff or exit". The caller frees it. */
int config_key_allowed(const struct config_key *key, char **ret);

/* The name of the type in the documentation: "duration". */
const char *config_type_name(enum config_type type);

/* The nearest known name by edit distance, or NULL when none is near. */
const char *config_nearest_section(const char *section);
const char *config_nearest_key(const char *section, const char *name);

/* The same for other names, NULL-terminated. */
const char *config_nearest_of(const char *name, const char *const *names);

/* A section that has a key of exactly that name, or NULL. */
const char *config_other_section(const char *name);
