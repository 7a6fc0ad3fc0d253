/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/instance.h"
#include "util/time.h"

/* The command line, taken apart. See arguments.c. */

struct arguments {
        const char *verb;
        const char *instance; /* NULL: not named */
        char **words;         /* what else there is; for `logs` as it was written */
        int n_words;
        bool json;
        bool batch;
        bool help;
        bool version;
        const char *lift;    /* of quarantine: a number or "all" */
        const char *add;     /* of quarantine */
        bool add_route;      /* it is a route */
        usec_t time;         /* how long, 0: as configured */
        uint64_t iterations; /* 0: without end */
        usec_t delay;
        const char *to;      /* of send: "app", "agent", "all", "random" or a pid */
        const char *pattern; /* of monitor, NULL: all */
};

/* Takes the options and the verb; what is left are words. Returns 0, or -EINVAL when that has been said. */
int arguments_parse(struct arguments *ret, int argc, char **argv);

/* Takes the instance's name from the words of a verb that wants at most `most` others, all of them numbers. */
void arguments_take_instance(struct arguments *arguments, int most);

/* The same for a verb whose first other word is one of these, NULL-terminated. Where a name could be one of them too, it is
 * that where the word after it is one. */
void arguments_take_instance_before(struct arguments *arguments, const char *const *actions);

/* The same for a verb whose words may be anything: the first is a name where there is a word too many without it, or where it is
 * one of `instances`. */
void arguments_take_known_instance(struct arguments *arguments, int most, const struct instances *instances);

/* Whether it is digits only. */
bool argument_is_number(const char *word);
