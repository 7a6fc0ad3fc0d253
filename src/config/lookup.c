/* SPDX-License-Identifier: MIT */

/*
 * Finding keys by name, and finding what was meant.
 *
 * Names are looked up in any case, because iniparser hands them over in lower case. A name that is not
 * there is mostly a name that was mistyped, so the nearest known one is found by edit distance, where two
 * neighbours that changed places count as one slip. How far is still near depends on the length: three
 * slips in a word of four letters make any other word.
 */

#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "config/table.h"
#include "util/macro.h"

#define NAME_MAX_NEAR 40

/* The keys that a section may have, of which those of [schedule:NAME] have a table of their own. */
static const struct config_key *keys_of(const char *section, size_t *ret_size) {
        bool schedule = config_section_schedule(section) != NULL;

        *ret_size = schedule ? config_schedule_table_size : config_table_size;
        return schedule ? config_schedule_table : config_table;
}

static bool is_of(const struct config_key *key, const char *section) {
        return strcasecmp(key->section, section) == 0 || config_section_schedule(section);
}

const struct config_key *config_key_find(const char *section, const char *name) {
        size_t size;
        const struct config_key *table = keys_of(section, &size);

        for (size_t i = 0; i < size; i++)
                if (is_of(&table[i], section) && strcasecmp(table[i].name, name) == 0)
                        return &table[i];
        return NULL;
}

bool config_section_known(const char *section) {
        if (strcasecmp(section, "app") == 0 || config_section_schedule(section))
                return true;
        for (size_t i = 0; i < config_table_size; i++)
                if (strcasecmp(config_table[i].section, section) == 0)
                        return true;
        return false;
}

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* The slips between two names; SIZE_MAX when one is too long to be a mistyped name of ours. Three rows
 * of the table of distances are kept, as a swap looks two rows back. */
static size_t distance(const char *a, const char *b) {
        size_t rows[3][NAME_MAX_NEAR + 1], n_a = strlen(a), n_b = strlen(b);

        if (n_a > NAME_MAX_NEAR || n_b > NAME_MAX_NEAR)
                return SIZE_MAX;
        for (size_t j = 0; j <= n_b; j++)
                rows[0][j] = j;

        for (size_t i = 1; i <= n_a; i++) {
                size_t *row = rows[i % 3], *above = rows[(i + 2) % 3];
                const size_t *swap = rows[(i + 1) % 3];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        bool same = lower(a[i - 1]) == lower(b[j - 1]);

                        row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + !same);
                        if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                            lower(a[i - 2]) == lower(b[j - 1]))
                                row[j] = MIN(row[j], swap[j - 2] + 1);
                }
        }
        return rows[n_a % 3][n_b];
}

static size_t near_enough(const char *name) {
        size_t length = strlen(name);

        return length <= 3 ? 1 : length <= 6 ? 2 : 3;
}

static void keep_nearer(const char *name, const char *candidate, size_t *best, const char **ret) {
        size_t d = distance(name, candidate);

        if (d < *best) {
                *best = d;
                *ret = candidate;
        }
}

const char *config_nearest_section(const char *section) {
        size_t best = near_enough(section) + 1;
        const char *nearest = NULL;
        char head[NAME_MAX_NEAR + 1];

        for (size_t i = 0; i < config_table_size; i++)
                keep_nearer(section, config_table[i].section, &best, &nearest);
        keep_nearer(section, "app", &best, &nearest);
        /* [shedule:x] is meant as one, and so is [schedule] without a name */
        (void) snprintf(head, sizeof(head), "%.*s", (int) strcspn(section, ":"), section);
        keep_nearer(head, "schedule", &best, &nearest);
        return nearest && streq(nearest, "schedule") ? config_schedule_table[0].section : nearest;
}

const char *config_nearest_key(const char *section, const char *name) {
        size_t best = near_enough(name) + 1, size;
        const struct config_key *table = keys_of(section, &size);
        const char *nearest = NULL;

        for (size_t i = 0; i < size; i++)
                if (is_of(&table[i], section))
                        keep_nearer(name, table[i].name, &best, &nearest);
        return nearest;
}

const char *config_nearest_of(const char *name, const char *const *names) {
        size_t best = near_enough(name) + 1;
        const char *nearest = NULL;

        for (; *names; names++)
                keep_nearer(name, *names, &best, &nearest);
        return nearest;
}

const char *config_other_section(const char *name) {
        for (size_t i = 0; i < config_table_size; i++)
                if (strcasecmp(config_table[i].name, name) == 0)
                        return config_table[i].section;
        for (size_t i = 0; i < config_schedule_table_size; i++)
                if (strcasecmp(config_schedule_table[i].name, name) == 0)
                        return config_schedule_table[i].section;
        return NULL;
}
