/* SPDX-License-Identifier: MIT */

/*
 * The counters as an application sees them: a handle for each name, which knows where this process adds (its own table in
 * shared memory, ipc/counters.c) and which scoreboard is summed up.
 *
 * Adding is one atomic instruction and may be done anywhere, in a thread or a signal handler too; the table is this process's
 * alone, but its threads share it. Without a master there is no scoreboard, and the process counts for itself.
 */

#include <errno.h>
#include <stdlib.h>

#include "app/counter.h"
#include "app/process.h"
#include "ipc/counters.h"
#include "util/log.h"

struct muster_counter {
        const struct muster *muster;
        struct counter *own;
};

struct counters {
        struct counter *table; /* in the scoreboard, or what follows */
        struct counter *private;
        struct muster_counter handles[COUNTERS_MAX]; /* as the table */
};

static struct counters *counters_new(const struct muster *muster) {
        struct counters *counters;

        counters = calloc(1, sizeof(*counters));
        if (!counters)
                return NULL;
        counters->table = muster->scoreboard ? scoreboard_own_counters(muster->scoreboard) : NULL;
        if (counters->table)
                return counters;
        counters->private = calloc(COUNTERS_MAX, sizeof(*counters->private));
        if (!counters->private)
                return counters_free(counters);
        counters->table = counters->private;
        return counters;
}

struct counters *counters_free(struct counters *counters) {
        if (!counters)
                return NULL;
        free(counters->private);
        free(counters);
        return NULL;
}

static struct counters *counters_of(struct muster *muster) {
        if (!muster->counters)
                muster->counters = counters_new(muster);
        return muster->counters;
}

void counters_take(struct muster *muster, const struct scoreboard *gone, size_t index) {
        size_t lost;

        if (!scoreboard_slot(gone, index) || scoreboard_slot(gone, index)->n_counters == 0)
                return;
        if (!counters_of(muster)) {
                log_oom();
                return;
        }
        lost = counters_inherit(muster->slot, muster->counters->table, gone, index);
        if (lost > 0)
                log_warning(0, "What a child has counted under %zu names is lost: there are too many", lost);
}

struct muster_counter *muster_counter(struct muster *muster, const char *name) {
        struct muster_counter *handle;
        int r;

        r = counters_of(muster) ? counter_register(muster->slot, muster->counters->table, name) : -ENOMEM;
        if (r < 0) {
                errno = -r;
                return NULL;
        }
        handle = &muster->counters->handles[r];
        *handle = (struct muster_counter){ muster, &muster->counters->table[r] };
        return handle;
}

void muster_counter_add(struct muster_counter *counter, uint64_t n) {
        if (counter)
                (void) atomic_fetch_add_explicit(&counter->own->value, n, memory_order_relaxed);
}

uint64_t muster_counter_get(const struct muster_counter *counter) {
        if (!counter)
                return 0;
        if (counter->muster->scoreboard)
                return counters_sum(counter->muster->scoreboard, counter->own->name);
        return atomic_load_explicit(&counter->own->value, memory_order_relaxed);
}
