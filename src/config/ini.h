/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "config/report.h"
#include "util/macro.h"

/* The longest logical line, continuations joined, that is accepted. */
#define INI_LINE_MAX 1000
/* The largest file. */
#define INI_FILE_MAX ((size_t) 1024 * 1024)

struct ini_entry {
        char *section; /* in lower case, as iniparser has it */
        char *key;     /* in lower case; NULL for a section's header */
        char *value;   /* without quotes and comments; NULL for a section's header */
        unsigned int line;
};

/* What a file says, in its order. */
struct ini {
        struct ini_entry *entries;
        size_t n_entries;
};

#define INI_NULL                                                                                            \
        { 0 }

/* Reads one file. What is wrong with its form goes to the report as "FILE:LINE: …".
 * Returns 0, -EINVAL when something was reported, -ENOMEM and the like. */
int ini_read(struct ini *ini, const char *path, struct config_report *report);
void ini_deinit(struct ini *ini);

#define _cleanup_ini_ _cleanup_(ini_deinit)
