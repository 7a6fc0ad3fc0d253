/* SPDX-License-Identifier: MIT */

/*
 * Text in columns: each as wide as its widest cell, with two blanks between, and nothing at the end of a line.
 *
 * Cells may come from processes that nobody trusts, so none can move the cursor or colour the screen.
 */

#include <errno.h>
#include <stdarg.h>

#include "cli/format.h"
#include "cli/listing.h"

void listing_init(struct listing *listing, const struct column *columns, size_t n_columns) {
        *listing = (struct listing){ .columns = columns, .n_columns = n_columns };
}

void listing_deinit(struct listing *listing) {
        for (size_t i = 0; i < listing->n_cells; i++)
                free(listing->cells[i]);
        free((void *) listing->cells);
        *listing = (struct listing) LISTING_NULL;
}

void listing_add(struct listing *listing, const char *format, ...) {
        va_list arguments;
        char *text, **cells;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n < 0) {
                listing->failed = true;
                return;
        }
        cells = (char **) reallocarray((void *) listing->cells, listing->n_cells + 1, sizeof(*cells));
        if (!cells) {
                free(text);
                listing->failed = true;
                return;
        }
        listing->cells = cells;
        cells[listing->n_cells++] = format_clean(text);
}

static size_t column_width(const struct listing *listing, size_t column) {
        size_t width = format_width(listing->columns[column].title);

        for (size_t i = column; i < listing->n_cells; i += listing->n_columns)
                width = MAX(width, format_width(listing->cells[i]));
        return width;
}

/* As much of the text as fits, whole characters. Returns how many bytes that is. */
static size_t fitting(const char *text, size_t width) {
        const char *p = text;

        for (; *p; p++)
                if (((unsigned char) *p & 0xc0) != 0x80 && width-- == 0)
                        break;
        return (size_t) (p - text);
}

static void print_row(const struct listing *listing, char *const *cells, const size_t *widths, FILE *file,
                      size_t width) {
        size_t at = 0, pending = 0;

        for (size_t i = 0; i < listing->n_columns; i++) {
                const char *text = cells ? cells[i] : listing->columns[i].title;
                size_t length = format_width(text), bytes, before, room;

                before = pending + (listing->columns[i].right ? widths[i] - length : 0);
                pending = 2 + (listing->columns[i].right ? 0 : widths[i] - length);
                if (length == 0) {
                        pending += before;
                        continue;
                }
                if (width > 0 && at + before >= width)
                        break;
                room = width > 0 ? width - at - before : length;
                bytes = fitting(text, MIN(room, length));
                (void) fprintf(file, "%*s%.*s", (int) before, "", (int) bytes, text);
                at += before + length;
        }
        (void) fputc('\n', file);
}

int listing_print(const struct listing *listing, FILE *file, size_t width) {
        size_t *widths;

        if (listing->failed)
                return -ENOMEM;
        widths = calloc(listing->n_columns, sizeof(*widths));
        if (!widths)
                return -ENOMEM;
        for (size_t i = 0; i < listing->n_columns; i++)
                widths[i] = column_width(listing, i);
        print_row(listing, NULL, widths, file, width);
        for (size_t i = 0; i + listing->n_columns <= listing->n_cells; i += listing->n_columns)
                print_row(listing, &listing->cells[i], widths, file, width);
        free(widths);
        return 0;
}
