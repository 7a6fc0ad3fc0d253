/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "util/macro.h"

/* Text in columns. See listing.c. */

struct column {
        const char *title;
        bool right; /* aligned, for numbers */
};

struct listing {
        const struct column *columns; /* not owned */
        size_t n_columns;
        char **cells; /* row by row */
        size_t n_cells;
        bool failed; /* memory was out */
};

#define LISTING_NULL                                                                                        \
        { 0 }

void listing_init(struct listing *listing, const struct column *columns, size_t n_columns);
void listing_deinit(struct listing *listing);
#define _cleanup_listing_ _cleanup_(listing_deinit)

/* The next cell. What others have written may go in: control characters come out as blanks. */
void listing_add(struct listing *listing, const char *format, ...) _printf_(2, 3);

/* The title line and the rows, each cut to `width` columns of the screen (0: not at all). Returns 0 or -ENOMEM. */
int listing_print(const struct listing *listing, FILE *file, size_t width);
