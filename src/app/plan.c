/* SPDX-License-Identifier: MIT */

/*
 * When a schedule is due, without any clock: the times are given.
 *
 * An interval counts time that passes, also while the machine sleeps, and no setting of the clock touches it
 * (CLOCK_BOOTTIME). It goes on from when it was due, not from when it ran, so it does not drift. Cron goes by the
 * clock on the wall.
 *
 * What was missed, while the machine slept, or when the clock was put forward, or while there was no agent, is made up
 * for by one run. When the clock is put back by less than three hours, as cron(8) has it, nothing runs a second time; by
 * more, the clock was wrong before, and it goes on from what it shows now.
 *
 * The jitter is drawn for each run and moves only that one: the times stay where they are.
 */

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "app/plan.h"
#include "config/table.h"
#include "util/macro.h"

#define HOUR      (3600 * USEC_PER_SEC)
#define STEP_BACK (3 * HOUR)

/* ---- What it is ---- */

static int _printf_(2, 3) refuse(char **ret_reason, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(ret_reason, format, arguments) < 0)
                *ret_reason = NULL;
        va_end(arguments);
        return *ret_reason ? -EINVAL : -ENOMEM;
}

static int set_interval(struct plan *plan, usec_t interval) {
        char span[USEC_FORMAT_MAX];

        plan->is_cron = false;
        plan->interval = interval;
        (void) snprintf(plan->when, sizeof(plan->when), "every %s",
                        usec_format(interval, span, sizeof(span)));
        return 0;
}

static int set_cron(struct plan *plan, const char *text, char **ret_reason) {
        char reason[CRON_REASON_MAX];

        plan->is_cron = true;
        if (cron_parse(text, &plan->cron, reason, sizeof(reason)) < 0)
                return refuse(ret_reason, "schedule %s, cron = %.80s: %s", plan->name, text, reason);
        (void) snprintf(plan->when, sizeof(plan->when), "%s", text);
        return 0;
}

/* A span that the application has written, within what the configuration allows too. */
static int read_span(const struct plan *plan, const char *key, const char *text, usec_t *ret,
                     char **ret_reason) {
        const struct config_key *known = config_key_find(CONFIG_SCHEDULE_SECTION "NAME", key);
        _cleanup_free_ char *allowed = NULL;
        int r;

        r = usec_parse(text, ret);
        if (r >= 0 && *ret >= known->min && *ret <= known->max)
                return 0;
        r = config_key_allowed(known, &allowed);
        return r < 0 ? r
                     : refuse(ret_reason, "schedule %s, %s = %.80s: allowed are %s", plan->name, key, text,
                              allowed);
}

static int set_times(struct plan *plan, const struct muster_schedule *declared,
                     const struct config_schedule *section, char **ret_reason) {
        usec_t interval;
        int r;

        if (section && config_schedule_sets(section, "interval"))
                return set_interval(plan, section->interval);
        if (section && config_schedule_sets(section, "cron"))
                return set_cron(plan, section->cron, ret_reason);
        if (!declared->interval == !declared->cron)
                return refuse(ret_reason,
                              "schedule %s: the application must give it either interval or cron",
                              plan->name);
        if (declared->cron)
                return set_cron(plan, declared->cron, ret_reason);
        r = read_span(plan, "interval", declared->interval, &interval, ret_reason);
        return r < 0 ? r : set_interval(plan, interval);
}

static int set_jitter(struct plan *plan, const struct muster_schedule *declared,
                      const struct config_schedule *section, char **ret_reason) {
        char jitter[USEC_FORMAT_MAX], interval[USEC_FORMAT_MAX];
        int r = 0;

        if (section && config_schedule_sets(section, "jitter"))
                plan->jitter = section->jitter;
        else if (declared->jitter)
                r = read_span(plan, "jitter", declared->jitter, &plan->jitter, ret_reason);
        if (r < 0)
                return r;
        if (!plan->is_cron && plan->jitter > plan->interval)
                return refuse(ret_reason, "schedule %s: its jitter (%s) is longer than its interval (%s)",
                              plan->name, usec_format(plan->jitter, jitter, sizeof(jitter)),
                              usec_format(plan->interval, interval, sizeof(interval)));
        return 0;
}

static void set_rest(struct plan *plan, const struct config_schedule *section) {
        if (config_schedule_sets(section, "type"))
                plan->type = (enum muster_schedule_type) section->type;
        if (config_schedule_sets(section, "overlap"))
                plan->overlap = (enum muster_overlap) section->overlap;
        if (config_schedule_sets(section, "immediate"))
                plan->immediate = section->immediate;
        if (config_schedule_sets(section, "disable"))
                plan->disable = section->disable;
}

int plan_make(struct plan *plan, const struct muster_schedule *declared,
              const struct config_schedule *section, char **ret_reason) {
        int r;

        *plan = (struct plan){
                .name = declared->name,
                .type = declared->type,
                .overlap = declared->overlap,
                .immediate = declared->immediate,
                .disable = declared->disable,
                .due = USEC_NEVER,
                .fire = USEC_NEVER,
        };
        if (!config_schedule_name_valid(declared->name))
                return refuse(ret_reason,
                              "schedule \"%.80s\": a name is made of up to %u letters, digits, _ and -",
                              declared->name, CONFIG_SCHEDULE_NAME_MAX);
        if (!declared->handler)
                return refuse(ret_reason, "schedule %s has no handler", plan->name);
        if ((unsigned int) declared->type > MUSTER_SCHEDULE_ALL ||
            (unsigned int) declared->overlap > MUSTER_OVERLAP_ALLOW)
                return refuse(ret_reason, "schedule %s: type or overlap is none that there is", plan->name);
        r = set_times(plan, declared, section, ret_reason);
        r = r < 0 ? r : set_jitter(plan, declared, section, ret_reason);
        if (r >= 0 && section)
                set_rest(plan, section);
        return r;
}

clockid_t plan_clock(const struct plan *plan) {
        return plan->is_cron ? CLOCK_REALTIME : CLOCK_BOOTTIME;
}

/* ---- When it is due ---- */

static usec_t due_after(const struct plan *plan, usec_t time) {
        return plan->is_cron ? cron_next(&plan->cron, time) : usec_add(time, plan->interval);
}

static void wait_for(struct plan *plan, uint64_t draw) {
        plan->due = due_after(plan, plan->base);
        plan->fire = usec_add(plan->due, plan->jitter > 0 ? draw % (plan->jitter + 1) : 0);
}

static bool is_believable(const struct plan *plan, usec_t since, usec_t now) {
        return since > 0 && since <= (plan->is_cron ? usec_add(now, STEP_BACK) : now);
}

void plan_begin(struct plan *plan, usec_t since, usec_t now, uint64_t draw) {
        plan->base = is_believable(plan, since, now) ? since : now;
        wait_for(plan, draw);
}

void plan_adjust(struct plan *plan, usec_t now) {
        usec_t later = plan->due == USEC_NEVER ? 0 : plan->fire - plan->due;

        if (!plan->is_cron)
                return;
        if (!is_believable(plan, plan->base, now))
                plan->base = now;
        plan->due = due_after(plan, plan->base);
        plan->fire = usec_add(plan->due, later);
}

/* The last time that is due by `time`, where `due` is one. Returns how many are before it. */
static unsigned int skip(const struct plan *plan, usec_t time, usec_t *due) {
        unsigned int n = 0;

        if (!plan->is_cron && time > *due) {
                usec_t passed = (time - *due) / plan->interval;

                *due += passed * plan->interval;
                return (unsigned int) MIN(passed, (usec_t) PLAN_MISSED_MAX);
        }
        for (usec_t next; n < PLAN_MISSED_MAX && (next = due_after(plan, *due)) <= time; n++)
                *due = next;
        if (n == PLAN_MISSED_MAX)
                *due = time;
        return n;
}

unsigned int plan_take(struct plan *plan, usec_t now, uint64_t draw, usec_t *ret_due) {
        usec_t jitter = plan->fire - plan->due, due = plan->due;
        unsigned int missed = skip(plan, now > jitter ? now - jitter : 0, &due);

        *ret_due = plan->base = due;
        wait_for(plan, draw);
        return missed;
}
