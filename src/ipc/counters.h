/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Named counters that all processes of a service add to. See counters.c. */

#define COUNTERS_MAX      256U /* names in a process, and in the service */
#define COUNTER_NAME_SIZE 56U

struct scoreboard;
struct slot;

/* In a process's part of the scoreboard, behind its slot. */
struct counter {
        char name[COUNTER_NAME_SIZE]; /* filled up with NULs */
        _Atomic uint64_t value;
};

/* A name and what all have added under it. */
struct counter_sum {
        char name[COUNTER_NAME_SIZE];
        uint64_t value;
};

/* The counter of this name in a process's own table, which has room for COUNTERS_MAX; made where there is none yet. Returns
 * its place in the table, -EINVAL for a name that is none, -ENOSPC for a full table. */
int counter_register(struct slot *slot, struct counter *table, const char *name);

/* What all processes, those that have ended too, have added under a name. Never waits for anybody. */
uint64_t counters_sum(const struct scoreboard *scoreboard, const char *name);

/* All of them in the order in which they were first used, COUNTERS_MAX at most. Returns how many there are. */
size_t counters_collect(const struct scoreboard *scoreboard, struct counter_sum sums[COUNTERS_MAX]);

/* A parent's side, when a process with a scoreboard of its own has ended: adds what it has counted to the parent's own table.
 * Returns how many could not be added, since the table is full. */
size_t counters_inherit(struct slot *slot, struct counter *table, const struct scoreboard *gone,
                        size_t index);

/* The master's side, when the process of this slot has ended: its counters are kept, and its table is empty. Returns how
 * many could not be kept, since there are too many names. */
size_t counters_fold(struct scoreboard *scoreboard, size_t index);
