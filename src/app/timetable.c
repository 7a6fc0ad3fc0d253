/* SPDX-License-Identifier: MIT */

/*
 * The agent keeps the time of schedules: it says when one is due, and the master decides what comes of it.
 *
 * There is one agent, so nothing is due twice. What it must not forget when it is restarted or another takes its
 * place, since when each has waited, the master keeps and tells it before everything has started. So the times go on, and
 * an hourly schedule runs though the agent is restarted every fifty minutes.
 *
 * Timers are those of the loop, on the clock of each schedule. A clock that is set wakes those of the wall clock by
 * a descriptor that the kernel cancels then (TFD_TIMER_CANCEL_ON_SET); of a zone that changes it says nothing, so
 * nothing waits for longer than an hour without looking again.
 */

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app/plan.h"
#include "app/timetable.h"
#include "config/table.h"
#include "ipc/channel.h"
#include "util/fd.h"
#include "util/log.h"

#define LOOK_AGAIN (3600 * USEC_PER_SEC)

struct entry {
        struct timetable *timetable;
        uint32_t index;
        struct plan plan;
        usec_t since; /* it waits, as the master says; 0: that is for us to begin */
        sd_event_source *timer;
};

struct timetable {
        struct muster *muster;
        struct entry *entries;
        size_t n_entries;
        int clock_fd;
        sd_event_source *clock;
        bool started;
};

static uint64_t draw(void) {
        uint64_t number;

        /* Early in the life of a machine there may be none; then it is not late at all. */
        return getrandom(&number, sizeof(number), GRND_NONBLOCK) == sizeof(number) ? number : 0;
}

/* ---- Making ---- */

static struct entry *find(const struct timetable *timetable, const char *name) {
        for (size_t i = 0; i < timetable->n_entries; i++)
                if (strcasecmp(timetable->entries[i].plan.name, name) == 0)
                        return &timetable->entries[i];
        return NULL;
}

static int _printf_(2, 3) refuse(char **ret_reason, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(ret_reason, format, arguments) < 0)
                *ret_reason = NULL;
        va_end(arguments);
        return *ret_reason ? -EINVAL : -ENOMEM;
}

static int add(struct timetable *timetable, const struct muster_schedule *declared, char **ret_reason) {
        struct entry *entry = &timetable->entries[timetable->n_entries];

        if (find(timetable, declared->name))
                return refuse(ret_reason, "schedule %.80s: the application has two of that name",
                              declared->name);
        *entry = (struct entry){ .timetable = timetable, .index = (uint32_t) timetable->n_entries };
        timetable->n_entries++;
        return plan_make(&entry->plan, declared, config_schedule(timetable->muster->config, declared->name),
                         ret_reason);
}

static const char *nearest_name(const struct timetable *timetable, const char *name) {
        const char *names[SCHEDULES_MAX + 1] = {};

        for (size_t i = 0; i < timetable->n_entries; i++)
                names[i] = timetable->entries[i].plan.name;
        return config_nearest_of(name, names);
}

/* Each section means a schedule that there is. */
static int check_sections(const struct timetable *timetable, char **ret_reason) {
        const struct config *config = timetable->muster->config;

        for (size_t i = 0; i < config->n_schedules; i++) {
                const struct config_schedule *section = &config->schedules[i];
                const char *nearest;

                if (find(timetable, section->name))
                        continue;
                nearest = nearest_name(timetable, section->name);
                return refuse(ret_reason, "[schedule:%s]: the application has no such schedule%s%s%s",
                              section->name, nearest ? ", did you mean [schedule:" : "", nearest ?: "",
                              nearest ? "]?" : "");
        }
        return 0;
}

static size_t count(const struct muster_schedule *declared) {
        size_t n = 0;

        while (declared && declared[n].name)
                n++;
        return n;
}

static int timetable_new(struct timetable **ret, struct muster *muster, char **ret_reason) {
        const struct muster_schedule *declared = muster->application->schedules;
        struct timetable *timetable;
        size_t n = count(declared);
        int r = 0;

        if (n > SCHEDULES_MAX)
                return refuse(ret_reason, "The application has %zu schedules, more than %u", n,
                              SCHEDULES_MAX);
        timetable = calloc(1, sizeof(*timetable));
        if (!timetable)
                return -ENOMEM;
        *timetable = (struct timetable){ .muster = muster, .clock_fd = -1 };
        timetable->entries = calloc(n + 1, sizeof(*timetable->entries));
        if (!timetable->entries)
                r = -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add(timetable, &declared[i], ret_reason);
        r = r < 0 ? r : check_sections(timetable, ret_reason);
        if (r < 0) {
                timetable_free(timetable);
                return r;
        }
        *ret = timetable;
        return 0;
}

struct timetable *timetable_free(struct timetable *timetable) {
        if (!timetable)
                return NULL;
        for (size_t i = 0; i < timetable->n_entries; i++)
                sd_event_source_disable_unref(timetable->entries[i].timer);
        sd_event_source_disable_unref(timetable->clock);
        fd_close(timetable->clock_fd);
        free(timetable->entries);
        free(timetable);
        return NULL;
}

/* ---- What the master is told, and tells ---- */

static void copy(char *target, size_t size, const char *source) {
        (void) snprintf(target, size, "%s", source);
}

static int declare(const struct timetable *timetable) {
        int r = 0;

        for (size_t i = 0; i < timetable->n_entries && r >= 0; i++) {
                const struct plan *plan = &timetable->entries[i].plan;
                struct message_schedule message = {
                        .index = (uint32_t) i,
                        .type = plan->type,
                        .overlap = plan->overlap,
                        .disable = plan->disable,
                };

                copy(message.name, sizeof(message.name), plan->name);
                copy(message.when, sizeof(message.when), plan->when);
                r = channel_send(timetable->muster->channel, MESSAGE_SCHEDULE, &message, sizeof(message));
        }
        return r;
}

int timetable_set_up(struct muster *muster, char **ret_reason) {
        int r;

        if (muster->role != MUSTER_ROLE_AGENT)
                return 0;
        r = timetable_new(&muster->timetable, muster, ret_reason);
        return r < 0 || !muster->channel ? r : declare(muster->timetable);
}

void timetable_receive(struct muster *muster, const struct message *message) {
        const struct message_since *since = (const void *) message->payload;
        struct entry *entry = muster->timetable ? find(muster->timetable, since->name) : NULL;

        if (entry)
                entry->since = since->since;
}

static usec_t now_of(const struct plan *plan) {
        return plan->is_cron ? now_realtime() : now_boottime();
}

static void tell_tick(const struct entry *entry, usec_t due, unsigned int missed, bool immediate) {
        const struct message_tick tick = {
                .index = entry->index,
                .missed = missed,
                .immediate = immediate,
                .due = due,
        };
        int r;

        r = channel_send(entry->timetable->muster->channel, MESSAGE_TICK, &tick, sizeof(tick));
        if (r < 0)
                (void) log_error(r, "Schedule %s misses a run, the master cannot be told: %m",
                                 entry->plan.name);
}

static void tell_next(const struct entry *entry) {
        const struct plan *plan = &entry->plan;
        usec_t now = now_of(plan);
        struct message_next next = { .index = entry->index, .since = plan->base };

        if (plan->is_cron && plan->fire != USEC_NEVER)
                next.when = plan->fire;
        else if (plan->fire != USEC_NEVER)
                next.when = now_realtime() + (plan->fire > now ? plan->fire - now : 0);
        (void) channel_send(entry->timetable->muster->channel, MESSAGE_NEXT, &next, sizeof(next));
}

/* ---- The timers ---- */

static int dispatch_timer(sd_event_source *source, uint64_t when, void *userdata);

static int arm(struct entry *entry) {
        const struct plan *plan = &entry->plan;
        usec_t when = plan->fire;
        int r;

        if (plan->is_cron)
                when = MIN(when, usec_add(now_of(plan), LOOK_AGAIN));
        else if (when == USEC_NEVER)
                return 0;
        if (!entry->timer)
                return sd_event_add_time(entry->timetable->muster->event, &entry->timer, plan_clock(plan),
                                         when, USEC_PER_MSEC, dispatch_timer, entry);
        r = sd_event_source_set_time(entry->timer, when);
        return r < 0 ? r : sd_event_source_set_enabled(entry->timer, SD_EVENT_ONESHOT);
}

static int dispatch_timer(sd_event_source *source, uint64_t when, void *userdata) {
        struct entry *entry = userdata;
        struct plan *plan = &entry->plan;
        usec_t now = now_of(plan), due, fire = plan->fire;
        unsigned int missed;
        int r;

        if (now < fire) {
                plan_adjust(plan, now);
                if (plan->fire != fire)
                        tell_next(entry);
        }
        if (now >= plan->fire) {
                missed = plan_take(plan, now, draw(), &due);
                tell_tick(entry, due, missed, false);
                tell_next(entry);
        }
        r = arm(entry);
        return r < 0 ? log_error(r, "Failed to wait for the next run of schedule %s: %m", plan->name) : 0;
}

static int watch_clock(struct timetable *timetable);

static int dispatch_clock(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct timetable *timetable = userdata;
        int r = 0;

        log_debug("The clock was set");
        timetable->clock = sd_event_source_disable_unref(timetable->clock);
        timetable->clock_fd = fd_close(timetable->clock_fd);
        for (size_t i = 0; i < timetable->n_entries && r >= 0; i++) {
                struct entry *entry = &timetable->entries[i];

                plan_adjust(&entry->plan, now_of(&entry->plan));
                tell_next(entry);
                r = arm(entry);
        }
        r = r < 0 ? r : watch_clock(timetable);
        if (r < 0)
                (void) log_error(r, "Failed to follow the clock: %m");
        return 0;
}

static int watch_clock(struct timetable *timetable) {
        const struct itimerspec never = { .it_value.tv_sec = INT64_MAX };

        timetable->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (timetable->clock_fd < 0 ||
            timerfd_settime(timetable->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) <
                    0)
                return -errno;
        return sd_event_add_io(timetable->muster->event, &timetable->clock, timetable->clock_fd, EPOLLIN,
                               dispatch_clock, timetable);
}

static int start(struct timetable *timetable) {
        int r = 0;

        for (size_t i = 0; i < timetable->n_entries && r >= 0; i++) {
                struct entry *entry = &timetable->entries[i];

                plan_begin(&entry->plan, entry->since, now_of(&entry->plan), draw());
                if (entry->plan.immediate)
                        tell_tick(entry, 0, 0, true);
                tell_next(entry);
                r = arm(entry);
        }
        return r < 0 ? r : watch_clock(timetable);
}

void timetable_start(struct muster *muster) {
        struct timetable *timetable = muster->timetable;
        int r;

        if (!timetable || !muster->channel || timetable->started || timetable->n_entries == 0)
                return;
        timetable->started = true;
        r = start(timetable);
        if (r < 0)
                (void) log_error(r, "Failed to start the schedules: %m");
}
