/* SPDX-License-Identifier: MIT */
#pragma once

#include <muster/app.h>

/* The application's counters. See counter.c. */

struct counters;
struct scoreboard;

/* What a child with a scoreboard of its own has counted, which has ended or is left alone: the slot's counters become this
 * process's. */
void counters_take(struct muster *muster, const struct scoreboard *gone, size_t index);

/* Takes NULL, returns NULL. What was counted stays where it is. */
struct counters *counters_free(struct counters *counters);
