/* SPDX-License-Identifier: MIT */

/*
 * Schedules in the handover from one master to the next: their counters, what has been paused, and what goes on, so that a
 * worker that finishes its run under the new master is believed.
 */

#include <errno.h>

#include <muster/app.h>

#include "config/config.h"
#include "master/schedule-record.h"

static const struct record_field schedule_fields[] = {
        RECORD_CHARS("name", struct schedule, declared.name),
        RECORD_CHARS("when", struct schedule, declared.when),
        RECORD_RANGE("type", struct schedule, declared.type, 0, MUSTER_SCHEDULE_ALL),
        RECORD_RANGE("overlap", struct schedule, declared.overlap, 0, MUSTER_OVERLAP_ALLOW),
        RECORD_FIELD("disable", struct schedule, declared.disable),
        RECORD_FIELD("paused", struct schedule, paused),
        RECORD_FIELD("immediate", struct schedule, immediate),
        RECORD_FIELD("last_due", struct schedule, last_due),
        RECORD_FIELD("since", struct schedule, since),
        RECORD_FIELD("next", struct schedule, next),
        RECORD_FIELD("held_until", struct schedule, held_until),
        RECORD_FIELD("runs", struct schedule, n_runs),
        RECORD_FIELD("failures", struct schedule, n_failures),
        RECORD_FIELD("skipped", struct schedule, n_skipped),
        RECORD_FIELD("missed", struct schedule, n_missed),
        RECORD_FIELD("skip_told", struct schedule, skip_told),
        RECORD_FIELD("began", struct schedule, began),
        RECORD_FIELD("ended", struct schedule, ended),
        RECORD_FIELD("took", struct schedule, took),
        RECORD_RANGE("result", struct schedule, result, INT32_MIN, 0),
        RECORD_RANGE("how", struct schedule, how, 0, _DONE_HOW_MAX - 1),
        RECORD_CHARS("text", struct schedule, text),
};

static const struct record_field tick_fields[] = {
        RECORD_FIELD("serial", struct schedule_tick, serial),
        RECORD_RANGE("schedule", struct schedule_tick, schedule, 0, SCHEDULES_MAX - 1),
        RECORD_FIELD("queued", struct schedule_tick, queued),
        RECORD_FIELD("ok", struct schedule_tick, n_ok),
        RECORD_FIELD("failed", struct schedule_tick, n_failed),
        RECORD_FIELD("began", struct schedule_tick, began),
        RECORD_FIELD("took", struct schedule_tick, took),
        RECORD_RANGE("result", struct schedule_tick, result, INT32_MIN, 0),
        RECORD_RANGE("how", struct schedule_tick, how, 0, _DONE_HOW_MAX - 1),
        RECORD_CHARS("text", struct schedule_tick, text),
};

static const struct record_field run_fields[] = {
        RECORD_FIELD("id", struct schedule_run, id),
        RECORD_FIELD("tick", struct schedule_run, tick),
        RECORD_RANGE("worker", struct schedule_run, worker, -1, CONFIG_WORKERS_MAX - 1),
        RECORD_RANGE("pid", struct schedule_run, pid, 0, INT32_MAX),
        RECORD_RANGE("attempt", struct schedule_run, attempt, 0, SCHEDULE_ATTEMPTS),
        RECORD_FIELD("refusals", struct schedule_run, refusals),
};

const struct record_type schedule_type = RECORD_TYPE("schedule", schedule_fields);
const struct record_type schedule_tick_type = RECORD_TYPE("tick", tick_fields);
const struct record_type schedule_run_type = RECORD_TYPE("run", run_fields);

void schedules_write(const struct schedules *schedules, FILE *file) {
        for (unsigned int i = 0; i < schedules->n; i++)
                record_write(file, &schedule_type, &schedules->items[i]);
        for (size_t i = 0; i < schedules->n_ticks; i++)
                record_write(file, &schedule_tick_type, &schedules->ticks[i]);
        for (size_t i = 0; i < schedules->n_runs; i++)
                record_write(file, &schedule_run_type, &schedules->runs[i]);
}

static struct schedule_tick *find_tick(const struct schedules *schedules, uint64_t serial) {
        for (size_t i = 0; i < schedules->n_ticks; i++)
                if (schedules->ticks[i].serial == serial)
                        return &schedules->ticks[i];
        return NULL;
}

static int restore_tick(struct schedules *schedules, const struct schedule_tick *tick) {
        if (tick->schedule >= schedules->n || tick->serial == 0 || find_tick(schedules, tick->serial))
                return -EBADMSG;
        schedules->ticks[schedules->n_ticks] = *tick;
        schedules->ticks[schedules->n_ticks++].n_left = 0;
        schedules->last_number = MAX(schedules->last_number, tick->serial);
        return 0;
}

static int restore_run(struct schedules *schedules, const struct schedule_run *run) {
        struct schedule_tick *tick = find_tick(schedules, run->tick);

        if (!tick || tick->queued || run->id == 0)
                return -EBADMSG;
        tick->n_left++;
        schedules->runs[schedules->n_runs] = *run;
        schedules->runs[schedules->n_runs++].schedule = tick->schedule;
        schedules->last_number = MAX(schedules->last_number, run->id);
        return 0;
}

/* Each that goes on has runs. */
static int check_ticks(const struct schedules *schedules) {
        for (size_t i = 0; i < schedules->n_ticks; i++)
                if (!schedules->ticks[i].queued == !schedules->ticks[i].n_left)
                        return -EBADMSG;
        return 0;
}

int schedules_restore(struct schedules *schedules, const struct schedule *items, size_t n,
                      const struct schedule_tick *ticks, size_t n_ticks, const struct schedule_run *runs,
                      size_t n_runs) {
        int r = 0;

        if (n > SCHEDULES_MAX || n_ticks > (size_t) SCHEDULES_MAX * (SCHEDULE_TICKS_MAX + 1) ||
            n_runs > SCHEDULE_RUNS_MAX)
                return -EBADMSG;
        schedules->ticks = calloc(n_ticks + 1, sizeof(*ticks));
        schedules->runs = calloc(n_runs + 1, sizeof(*runs));
        if (!schedules->ticks || !schedules->runs)
                r = -ENOMEM;
        for (size_t i = 0; i < n; i++)
                schedules->items[schedules->n++] = items[i];
        for (size_t i = 0; i < n_ticks && r >= 0; i++)
                r = restore_tick(schedules, &ticks[i]);
        for (size_t i = 0; i < n_runs && r >= 0; i++)
                r = restore_run(schedules, &runs[i]);
        r = r < 0 ? r : check_ticks(schedules);
        if (r < 0)
                schedules_deinit(schedules);
        return r;
}
