/* SPDX-License-Identifier: MIT */

/*
 * Timers of the application, on the process's sd-event loop. Their handlers run under the guard.
 *
 * A worker's outer loop waits on more than sd-event, so it must be told when a timer was armed behind its
 * back: `event_changed`.
 */

#include <errno.h>

#include "app/process.h"
#include "util/time.h"

#define PERIOD_MIN USEC_PER_MSEC
#define ACCURACY   (1 * USEC_PER_MSEC)

struct muster_timer {
        struct list node;
        struct muster *muster;
        sd_event_source *source;
        usec_t period; /* 0: once */
        muster_timer_handler_t handler;
        void *data;
        bool running;   /* its handler is: it is freed when that is back */
        bool cancelled; /* meanwhile */
};

static const struct guard_context timer_context = { .route = "timer" };

static struct muster_timer *timer_free(struct muster_timer *timer) {
        if (timer->running) {
                timer->cancelled = true;
                return NULL;
        }
        list_remove(&timer->node);
        sd_event_source_disable_unref(timer->source);
        free(timer);
        return NULL;
}

static void call_handler(void *argument) {
        struct muster_timer *timer = argument;

        timer->handler(timer->muster, timer->data);
}

/* A repeating timer is armed again before its handler is called, which may never come back. */
static void arm_again(struct muster_timer *timer, usec_t when) {
        usec_t now = now_monotonic(), next = usec_add(when, timer->period);

        if (next <= now)
                next = usec_add(now, timer->period - (now - when) % timer->period);
        (void) sd_event_source_set_time(timer->source, next);
        (void) sd_event_source_set_enabled(timer->source, SD_EVENT_ONESHOT);
}

static int timer_dispatch(sd_event_source *source, uint64_t when, void *userdata) {
        struct muster_timer *timer = userdata;
        struct muster *muster = timer->muster;

        if (timer->period > 0)
                arm_again(timer, when);
        muster->event_changed = true;
        timer->running = true;
        (void) muster_process_run(muster, &timer_context, call_handler, timer);
        timer->running = false;
        if (timer->period == 0 || timer->cancelled)
                timer_free(timer);
        return 0;
}

static struct muster_timer *timer_new(struct muster *muster, usec_t delay, usec_t period,
                                      muster_timer_handler_t handler, void *data) {
        struct muster_timer *timer;
        int r;

        timer = calloc(1, sizeof(*timer));
        if (!timer)
                return NULL;
        *timer = (struct muster_timer){
                .muster = muster, .period = period, .handler = handler, .data = data
        };
        list_append(&muster->timers, &timer->node);
        r = sd_event_add_time(muster->event, &timer->source, CLOCK_MONOTONIC,
                              usec_add(now_monotonic(), delay), ACCURACY, timer_dispatch, timer);
        if (r < 0) {
                timer_free(timer);
                errno = -r;
                return NULL;
        }
        muster->event_changed = true;
        return timer;
}

struct muster_timer *muster_timer_after(struct muster *muster, uint64_t usec, muster_timer_handler_t handler,
                                        void *data) {
        if (!handler) {
                errno = EINVAL;
                return NULL;
        }
        return timer_new(muster, usec, 0, handler, data);
}

struct muster_timer *muster_timer_every(struct muster *muster, uint64_t usec, muster_timer_handler_t handler,
                                        void *data) {
        if (!handler || usec < PERIOD_MIN) {
                errno = EINVAL;
                return NULL;
        }
        return timer_new(muster, usec, usec, handler, data);
}

struct muster_timer *muster_timer_cancel(struct muster_timer *timer) {
        return timer ? timer_free(timer) : NULL;
}

void muster_timers_free(struct muster *muster) {
        LIST_FOREACH_SAFE(node, &muster->timers)
                timer_free(container_of(node, struct muster_timer, node));
}
