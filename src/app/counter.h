/* SPDX-License-Identifier: MIT */
#pragma once

#include <muster/app.h>

/* The application's counters. See counter.c. */

struct counters;

/* Takes NULL, returns NULL. What was counted stays where it is. */
struct counters *counters_free(struct counters *counters);
