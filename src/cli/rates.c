/* SPDX-License-Identifier: MIT */

/*
 * How fast things happen: the differences of counters between two looks.
 *
 * Workers are known by their pid, since another in the same place counts anew. One that is seen for the first time has no
 * rate yet, and a counter that runs backwards, as only a broken worker's does, counts as standing still.
 */

#include <errno.h>

#include "cli/rates.h"

void rates_deinit(struct rates *rates) {
        free(rates->all);
        *rates = (struct rates) RATES_NULL;
}

const struct rate *rates_find(const struct rates *rates, uint64_t pid) {
        for (size_t i = 0; i < rates->n; i++)
                if (pid > 0 && rates->all[i].pid == pid)
                        return &rates->all[i];
        return NULL;
}

static double per_second(uint64_t before, uint64_t after, usec_t span) {
        if (after <= before || span == 0)
                return 0;
        return (double) (after - before) * (double) USEC_PER_SEC / (double) span;
}

static struct rate measure(const struct rates *before, const struct value *worker, usec_t span) {
        struct rate rate = {
                .pid = value_number(worker, "Pid"),
                .requests = value_number(worker, "Requests"),
                .busy = value_number(worker, "BusyUsec"),
        };
        const struct rate *known = rates_find(before, rate.pid);

        if (!known)
                return rate;
        rate.requests_per_second = per_second(known->requests, rate.requests, span);
        rate.busy_percent = per_second(known->busy, rate.busy, span) * 100 / (double) USEC_PER_SEC;
        rate.busy_percent = MIN(rate.busy_percent, 100);
        return rate;
}

int rates_update(struct rates *rates, const struct value *status, usec_t now) {
        const struct value *workers = value_list(status, "Workers");
        usec_t span = rates->at > 0 && now > rates->at ? now - rates->at : 0;
        struct rates next = { .at = now, .n = workers->n_items };

        next.all = calloc(next.n + 1, sizeof(*next.all));
        if (!next.all)
                return -ENOMEM;
        for (size_t i = 0; i < next.n; i++) {
                next.all[i] = measure(rates, &workers->items[i], span);
                next.requests_per_second += next.all[i].requests_per_second;
        }
        rates_deinit(rates);
        *rates = next;
        return 0;
}
