/* SPDX-License-Identifier: MIT */

/*
 * The process as the application sees it: who it is, its configuration, its log, and the one way by which
 * its callbacks are called.
 *
 * The calls return their errors; the reason of a failed start is kept as text until the process tells the
 * master why it gives up.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "app/counter.h"
#include "app/job.h"
#include "app/messenger.h"
#include "app/offload.h"
#include "app/process.h"
#include "app/spawn.h"
#include "app/store.h"
#include "app/timetable.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/time.h"

#define LOG_FIELDS_MAX 32

int muster_process_new(struct muster **ret, enum muster_role role, const char *instance, int number,
                       const struct config *config, struct slot *slot) {
        _cleanup_(cleanup_muster_process_free) struct muster *muster = NULL;
        static struct slot private_slot; /* for a process without a scoreboard: one per process is enough */
        int r;

        muster = calloc(1, sizeof(*muster));
        if (!muster)
                return -ENOMEM;
        *muster = (struct muster){
                .role = role,
                .number = number,
                .config = config,
                .slot = slot ? slot : &private_slot,
                .detached_fd = -1,
                .config_fd = -1,
        };
        list_init(&muster->timers);
        list_init(&muster->children);
        list_init(&muster->watches);
        list_init(&muster->jobs);
        list_init(&muster->subscriptions);
        muster->instance = strdup(instance);
        if (!muster->instance)
                return -ENOMEM;
        r = sd_event_new(&muster->event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(muster);
        return 0;
}

struct muster *muster_process_free(struct muster *muster) {
        if (!muster)
                return NULL;
        messenger_free(muster);
        timetable_free(muster->timetable);
        jobs_free(muster);
        offload_free(muster);
        muster_timers_free(muster);
        children_end(muster, 0);
        fd_close(muster->detached_fd);
        fd_close(muster->config_fd);
        muster_watches_free(muster);
        muster_subscriptions_free(muster);
        sd_event_unref(muster->event);
        store_free(muster->store);
        counters_free(muster->counters);
        free(muster->failure);
        free(muster->instance);
        free(muster);
        return NULL;
}

int muster_process_run(struct muster *muster, const struct guard_context *context, guard_function_t function,
                       void *argument) {
        int signal;

        signal = guard_run(context, function, argument);
        if (signal != 0 && muster->on_fault)
                muster->on_fault(muster, context, signal);
        return signal;
}

enum muster_role muster_role(const struct muster *muster) {
        return muster->role;
}

const char *muster_instance(const struct muster *muster) {
        return muster->instance;
}

int muster_worker(const struct muster *muster) {
        return muster->number;
}

void muster_set_data(struct muster *muster, void *data) {
        muster->data = data;
}

void *muster_data(const struct muster *muster) {
        return muster->data;
}

int muster_fail(struct muster *muster, int error, const char *format, ...) {
        char *text = NULL;
        va_list arguments;
        int n;

        errno = -error;
        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (n >= 0) {
                free(muster->failure);
                muster->failure = text;
        }
        return error;
}

const char *muster_config(const struct muster *muster, const char *key) {
        return config_app(muster->config, key);
}

/* The one sentence in which every bad value of [app] is refused. */
static int refuse(struct muster *muster, int error, const char *key, const char *value,
                  const char *allowed) {
        return muster_fail(muster, error, "[app] %s = %s: %s", key, value, allowed);
}

int muster_config_number(struct muster *muster, const char *key, uint64_t min, uint64_t max,
                         uint64_t fallback, uint64_t *ret) {
        const char *text = muster_config(muster, key);
        uint64_t value = fallback;
        char allowed[96];
        int r = 0;

        if (text)
                r = parse_uint64(text, &value);
        if (r == 0 && text && (value < min || value > max))
                r = -ERANGE;
        if (r < 0) {
                (void) snprintf(allowed, sizeof(allowed), "must be a number from %" PRIu64 " to %" PRIu64,
                                min, max);
                return refuse(muster, r, key, text, allowed);
        }
        *ret = value;
        return 0;
}

int muster_config_bool(struct muster *muster, const char *key, bool fallback, bool *ret) {
        const char *text = muster_config(muster, key);
        bool value = fallback;
        int r = 0;

        if (text)
                r = parse_bool(text, &value);
        if (r < 0)
                return refuse(muster, r, key, text, "must be yes or no");
        *ret = value;
        return 0;
}

int muster_config_duration(struct muster *muster, const char *key, uint64_t fallback, uint64_t *ret_usec) {
        const char *text = muster_config(muster, key);
        usec_t value = fallback;
        int r = 0;

        if (text)
                r = usec_parse(text, &value);
        if (r < 0)
                return refuse(muster, r, key, text, "must be a span such as 500ms, 30s or 10min");
        *ret_usec = value;
        return 0;
}

void muster_log(int level, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) log_fullv(level, -errno, format, arguments);
        va_end(arguments);
}

/* Whether a field's key is one the journal takes from a program. */
static bool field_is_valid(const char *field) {
        const char *p = field;

        for (; *p && *p != '='; p++)
                if (!(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9' && p > field) &&
                    !(*p == '_' && p > field))
                        return false;
        return *p == '=' && p > field && p - field <= 64;
}

void muster_log_fields(int level, const char *const *fields, const char *format, ...) {
        const char *valid[LOG_FIELDS_MAX + 1];
        char *message = NULL;
        va_list arguments;
        int error = -errno;
        size_t n = 0;

        for (; fields && *fields && n < LOG_FIELDS_MAX; fields++)
                if (field_is_valid(*fields))
                        valid[n++] = *fields;
        valid[n] = NULL;

        va_start(arguments, format);
        if (vasprintf(&message, format, arguments) >= 0) {
                (void) log_fields(level, error, valid, "%s", message);
                free(message);
        }
        va_end(arguments);
}
