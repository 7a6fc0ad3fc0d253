/* SPDX-License-Identifier: MIT */

/*
 * The heartbeat: the loop writes the time to the process's slot, again and again, so that the master sees that it runs.
 *
 * It beats often enough for a short `hang_timeout` to be held to, and no more than once a second otherwise. Since it
 * comes whatever else happens, a few chores are done with it that nobody waits for.
 */

#include "app/guard.h"
#include "app/heartbeat.h"
#include "util/log.h"
#include "util/macro.h"

#define PERIOD_MAX USEC_PER_SEC
#define BEATS      4U /* at least so many within hang_timeout */

static usec_t period(const struct muster *muster) {
        return MIN(muster->config->worker.hang_timeout / BEATS, PERIOD_MAX);
}

static int dispatch(sd_event_source *source, uint64_t when, void *userdata) {
        struct muster *muster = userdata;
        usec_t now = now_monotonic();

        muster->slot->heartbeat = now;
        guard_reap();
        (void) log_flush(0);
        muster->event_changed = true;
        (void) sd_event_source_set_time(source, usec_add(now, period(muster)));
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int heartbeat_start(struct muster *muster, sd_event_source **ret) {
        return sd_event_add_time(muster->event, ret, CLOCK_MONOTONIC,
                                 usec_add(now_monotonic(), period(muster)), period(muster) / BEATS, dispatch,
                                 muster);
}
