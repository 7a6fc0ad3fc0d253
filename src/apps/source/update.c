/* SPDX-License-Identifier: MIT */

/*
 * How a worker's data is kept up to date: what is wanted is noted by the pace, a timer waits until that says that it is
 * time, the fetch asks, the cache takes the answer, and whoever waits for that is told.
 *
 * The worker that checks for all of them tells the others what came of it. When the data has changed, they fetch it too
 * ("refresh", which carries what the update came by, as in the article); when it has not, they learn that what they have
 * is still right, and one that has something else notices ("checked", which carries the version); when the origin gave
 * nothing, they learn that nobody knows ("unreachable", with the reason). So they agree not only on the data
 * but also on whether it is stale, and the origin is asked once.
 *
 * A worker begins with the copy on disk, if there is one, and asks the origin when it is its turn among those that start.
 *
 * An answer that cannot be used changes nothing but that: the data stays, and so does the validator that stands for it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "copy.h"
#include "update.h"

#define BACKOFF_MIN MUSTER_SEC(1)
#define BACKOFF_MAX MUSTER_SEC(60)

/* From one worker to the next, and how many there are until they begin anew */
#define OFFSET      MUSTER_MSEC(5)
#define OFFSETS_MAX 64

static void begin(struct update *update);

static void on_time(struct muster *muster, void *data) {
        struct update *update = data;

        update->timer = NULL;
        begin(update);
}

/* Waits for the pace's next time. Without memory for a timer the next thing that is wanted tries again. */
static void arm(struct update *update) {
        uint64_t when = pace_next(&update->pace), now = clock_now();

        update->timer = muster_timer_cancel(update->timer);
        if (when != NEVER)
                update->timer =
                        muster_timer_after(update->muster, when > now ? when - now : 0, on_time, update);
}

/* ---- What came of a request ---- */

static void log_failure(const struct update *update, const char *why) {
        const struct cache *cache = &update->cache;

        if (update->pace.failures > 1)
                muster_log(LOG_DEBUG, "The origin still has no data that can be used: %s", why);
        else if (cache_is_loaded(cache))
                muster_log(LOG_WARNING,
                           "The origin has no data that can be used: %s; what was there %" PRIu64
                           " seconds ago is served, and said to be stale",
                           why, cache_age(cache, clock_now()) / MUSTER_SEC(1));
        else
                muster_log(LOG_WARNING,
                           "The origin has no data that can be used: %s; there is none to serve yet", why);
}

static void log_success(const struct update *update, bool changed, unsigned int failures) {
        if (failures > 0)
                muster_log(LOG_NOTICE, "The origin is back after %u %s", failures,
                           failures == 1 ? "failure" : "failures");
        if (changed)
                muster_log(LOG_INFO, "Updated by %s: version %s, %zu keys", by_name(update->pace.now.by),
                           update->cache.version, json_object_size(update->cache.values));
        else
                muster_log(LOG_DEBUG, "Nothing has changed since version %s", update->cache.version);
}

/* A message that cannot be sent is no loss: the next check comes. */
static void tell_others(const struct update *update, int result, const char *why) {
        const char *action = result < 0 ? "unreachable" : result > 0 ? "refresh" : "checked";
        const char *text = result < 0 ? why : result > 0 ? by_name(BY_PULL) : update->cache.version;
        int r;

        r = muster_send_to_app(update->muster, action, text, strlen(text));
        if (r < 0)
                muster_log(LOG_WARNING, "Failed to tell the other workers: %s, ignoring", strerror(-r));
}

static void finish_jobs(struct update *update, int result, const char *why) {
        const char *text = result < 0 ? why : result > 0 ? "changed" : "unchanged";

        for (unsigned int i = 0; i < update->now.n; i++)
                (void) muster_job_finish(update->now.list[i], result < 0 ? result : 0, "%s", text);
        update->now.n = 0;
}

/* The request is over: 1 for new data, 0 for what was there, or a negative errno and why. */
static void settle(struct update *update, int result, const char *why) {
        unsigned int failures = update->pace.failures;
        struct want want = update->pace.now;

        pace_end(&update->pace, clock_now(), result < 0, arc4random());
        if (result < 0) {
                update->failures++;
                cache_doubt(&update->cache, why);
                log_failure(update, why);
        } else {
                log_success(update, result > 0, failures);
                if (result > 0 || !want.check) {
                        update->updated = true;
                        update->by = want.by;
                }
        }
        if (want.tell)
                tell_others(update, result, why);
        finish_jobs(update, result, why);
        arm(update);
        update->settled(update->data);
}

/* One of the workers does it for all. */
static void keep_copy(const struct update *update, const struct answer *answer) {
        int r;

        if (!update->folder || muster_worker(update->muster) != 0)
                return;
        r = copy_write(update->folder, update->settings.url, &answer->validator, answer->body, answer->size);
        if (r < 0)
                muster_log(LOG_WARNING, "Failed to keep a copy of the data in %s: %s, ignoring",
                           update->folder, strerror(-r));
}

static void on_answer(const struct answer *answer, void *data) {
        struct update *update = data;
        char *why = NULL;
        int r = 0;

        if (answer->error) {
                settle(update, -EIO, answer->error);
                return;
        }
        if (answer->unchanged)
                cache_confirm(&update->cache, clock_now());
        else
                r = cache_set(&update->cache, answer->body, answer->size, clock_now(), &why);
        if (r >= 0 && !answer->unchanged)
                update->validator = answer->validator;
        if (r > 0)
                keep_copy(update, answer);
        settle(update, r, why ? why : "out of memory");
        free(why);
}

static void begin(struct update *update) {
        struct want want = pace_begin(&update->pace, clock_now());
        bool condition = !want.whole && cache_is_loaded(&update->cache);
        int r;

        update->now = update->next;
        update->next.n = 0;
        update->requests++;
        r = fetch_begin(update->fetch, condition ? &update->validator : NULL);
        if (r < 0)
                settle(update, r, strerror(-r));
}

/* ---- What is wanted ---- */

int update_want(struct update *update, const struct want *want, struct muster_job *job) {
        if (job && update->next.n == UPDATE_JOBS_MAX)
                return -EBUSY;
        if (job && muster_job_suspend(job) == 0)
                update->next.list[update->next.n++] = job;
        pace_want(&update->pace, want, clock_now());
        arm(update);
        return 0;
}

void update_hear_version(struct update *update, const char *version) {
        const struct want want = { .by = BY_PULL };

        if (strcmp(version, update->cache.version) == 0)
                cache_confirm(&update->cache, clock_now());
        else
                (void) update_want(update, &want, NULL);
}

void update_hear_failure(struct update *update, const char *reason) {
        cache_doubt(&update->cache, reason);
}

/* Begins with the copy, if there is one that can be used. */
static void read_copy(struct update *update) {
        const struct settings *settings = &update->settings;
        struct copy copy;
        char *why = NULL;
        int r;

        update->folder = getenv("STATE_DIRECTORY");
        if (!update->folder)
                return;
        if (muster_worker(update->muster) == 0)
                copy_tidy(update->folder);
        r = copy_read(update->folder, settings->url, settings->max_size, &copy);
        if (r == -ENOENT || r == -ESTALE)
                return;
        if (r >= 0) {
                r = cache_set(&update->cache, copy.data, copy.size, clock_now() - copy.age, &why);
                free(copy.data);
        }
        if (r < 0)
                muster_log(LOG_WARNING, "The copy of the data in %s cannot be used: %s, ignoring",
                           update->folder, why ? why : strerror(-r));
        else {
                update->validator = copy.validator;
                cache_doubt(&update->cache, "the origin has not been asked yet");
        }
        free(why);
}

int update_start(struct update *update, struct muster *muster, void (*settled)(void *data), void *data) {
        const struct want first = { .by = BY_FORCE };
        int number = muster_worker(muster), r;

        update->muster = muster;
        update->settled = settled;
        update->data = data;
        r = settings_read(&update->settings, muster);
        if (r < 0)
                return r;
        update->cache.fresh_for = update->settings.fresh_for;
        update->pace.spacing = update->settings.spacing;
        update->pace.offset = number > 0 ? (uint64_t) (number % OFFSETS_MAX) * OFFSET : 0;
        update->pace.backoff_min = BACKOFF_MIN;
        update->pace.backoff_max = BACKOFF_MAX;
        read_copy(update);
        r = fetch_new(&update->fetch, muster, &update->settings, on_answer, update);
        if (r < 0)
                return muster_fail(muster, r, "Cannot set up libcurl: %s", strerror(-r));
        return update_want(update, &first, NULL);
}

void update_stop(struct update *update) {
        update->timer = muster_timer_cancel(update->timer);
        update->fetch = fetch_free(update->fetch);
        cache_deinit(&update->cache);
}
