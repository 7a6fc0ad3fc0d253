/* SPDX-License-Identifier: MIT */

/*
 * The application's counters, as far as they are the master's business: those of a process that has ended are added to
 * what is kept in the master's own slot. Everything else about them is in ipc/counters.c.
 *
 * They live as long as the scoreboard does, over reloads and upgrades in place. A service that is started anew counts from
 * 0, as whoever collects such figures expects; what is to outlive that belongs into a database.
 */

#include "ipc/counters.h"
#include "master/service.h"
#include "util/log.h"

void service_keep_counters(struct service *service, size_t slot) {
        size_t lost = counters_fold(&service->scoreboard, slot);

        if (lost == 0 || service->counters_lost)
                return;
        service->counters_lost = true;
        log_warning(0,
                    "The application uses more than %u names of counters: what a process that has ended has "
                    "counted under %zu of them is lost",
                    COUNTERS_MAX, lost);
}
