/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/time.h"

/* Figures as people read them: short, not exact. Each writes to the buffer and returns it. */

#define FORMAT_MAX 32

/* The two largest units: "3d 4h", "12min 5s", "8s", "120ms". */
char *format_span(usec_t span, char *buffer, size_t size);

/* Three digits and a unit of 1024: "512B", "5.2M", "17G". */
char *format_bytes(uint64_t bytes, char *buffer, size_t size);

/* How many columns of the screen a text takes, one for each character. */
size_t format_width(const char *text);

/* Takes control characters out, those of ISO 8859 too, that a terminal might obey. Returns text. */
char *format_clean(char *text);
