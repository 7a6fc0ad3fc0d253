/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "cli/value.h"
#include "util/time.h"

/* A service's status for people. See view.c. */

/* All of it, as it was told at `now` (realtime), lines of the table cut to `width` (0: not). Returns 0 or -ENOMEM. */
int view_status(const struct value *status, usec_t now, FILE *file, size_t width);

/* "running, 4 of 4 workers ready", in one line. */
void view_headline(const struct value *status, FILE *file);
