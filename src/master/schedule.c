/* SPDX-License-Identifier: MIT */

/*
 * Schedules, as the master sees them: what is due is a tick, and a tick is a run in one worker or one in each.
 *
 * A run belongs to nobody, then to the worker that it was given to, until that says how it has ended. When the worker is
 * gone first, it belongs to nobody again and another gets it. A run that ends one worker after another is given up
 * after a few, and the schedule is held for a while, as a request is that does the same: the next tick would only
 * begin it anew. What a worker refuses because it is about to leave counts for nothing.
 *
 * Whether a tick becomes a run depends on what still goes on (overlap), on people (paused) and on what was seen before: two
 * agents may say the same while one takes over from the other.
 *
 * The names are what a schedule is known by. Places in the table change when a reload brings another application, and
 * everything here moves with them. All of it is plain data, and is left to the next master as it is.
 */

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include <muster/app.h>

#include "master/schedule.h"
#include "util/macro.h"

#define REFUSALS_MAX 16U
#define ERRNO_MAX    4095

void schedules_deinit(struct schedules *schedules) {
        free(schedules->ticks);
        free(schedules->runs);
        schedules->ticks = NULL;
        schedules->runs = NULL;
        schedules->n = 0;
        schedules->n_ticks = schedules->n_runs = 0;
}

int schedules_find(const struct schedules *schedules, const char *name) {
        for (unsigned int i = 0; i < schedules->n; i++)
                if (strcasecmp(schedules->items[i].declared.name, name) == 0)
                        return (int) i;
        return -1;
}

static struct schedule_tick *find_tick(const struct schedules *schedules, uint64_t serial) {
        for (size_t i = 0; i < schedules->n_ticks; i++)
                if (schedules->ticks[i].serial == serial)
                        return &schedules->ticks[i];
        return NULL;
}

bool schedules_has_tick(const struct schedules *schedules, uint64_t serial) {
        return find_tick(schedules, serial) != NULL;
}

unsigned int schedules_ticks(const struct schedules *schedules, unsigned int index) {
        unsigned int n = 0;

        for (size_t i = 0; i < schedules->n_ticks; i++)
                n += schedules->ticks[i].schedule == index && !schedules->ticks[i].queued;
        return n;
}

unsigned int schedules_running(const struct schedules *schedules, pid_t pid) {
        unsigned int n = 0;

        for (size_t i = 0; i < schedules->n_runs; i++)
                n += schedules->runs[i].pid != 0 && (pid == 0 || schedules->runs[i].pid == pid);
        return n;
}

static void remove_tick(struct schedules *schedules, struct schedule_tick *tick) {
        *tick = schedules->ticks[--schedules->n_ticks];
}

/* In order: who waits longest is the first to be given away. */
static void remove_run(struct schedules *schedules, struct schedule_run *run) {
        size_t i = (size_t) (run - schedules->runs);

        schedules->n_runs--;
        memmove(run, run + 1, (schedules->n_runs - i) * sizeof(*run));
}

/* ---- What there is ---- */

/* A schedule as it goes on under a new declaration. An operator's pause holds unless the declaration has changed its mind; times
 * of another clock or cadence mean nothing. */
static struct schedule carry(const struct schedule *old, const struct schedule_declared *declared) {
        struct schedule schedule = { .paused = declared->disable };

        if (old) {
                schedule = *old;
                if (old->declared.disable != declared->disable)
                        schedule.paused = declared->disable;
                if (!streq(old->declared.when, declared->when))
                        schedule.last_due = schedule.since = 0;
                schedule.next = 0;
        }
        schedule.declared = *declared;
        return schedule;
}

static int find_in(const struct schedule_list *list, const char *name) {
        for (unsigned int i = 0; i < list->n; i++)
                if (strcasecmp(list->items[i].name, name) == 0)
                        return (int) i;
        return -1;
}

/* Ticks and runs follow their schedules to their new places. */
static void move_all(struct schedules *schedules, const struct schedule_list *list) {
        int to[SCHEDULES_MAX] = {};

        for (unsigned int i = 0; i < schedules->n; i++)
                to[i] = find_in(list, schedules->items[i].declared.name);
        for (size_t i = schedules->n_ticks; i-- > 0;)
                if (to[schedules->ticks[i].schedule] < 0)
                        remove_tick(schedules, &schedules->ticks[i]);
                else
                        schedules->ticks[i].schedule = (unsigned int) to[schedules->ticks[i].schedule];
        for (size_t i = schedules->n_runs; i-- > 0;)
                if (to[schedules->runs[i].schedule] < 0)
                        remove_run(schedules, &schedules->runs[i]);
                else
                        schedules->runs[i].schedule = (unsigned int) to[schedules->runs[i].schedule];
}

int schedules_update(struct schedules *schedules, const struct schedule_list *list) {
        _cleanup_free_ struct schedule *items = calloc(SCHEDULES_MAX, sizeof(*items));

        if (!items)
                return -ENOMEM;
        for (unsigned int i = 0; i < list->n; i++) {
                int old = schedules_find(schedules, list->items[i].name);

                items[i] = carry(old < 0 ? NULL : &schedules->items[old], &list->items[i]);
        }
        move_all(schedules, list);
        for (unsigned int i = 0; i < list->n; i++)
                schedules->items[i] = items[i];
        schedules->n = list->n;
        return 0;
}

/* ---- What is due ---- */

static struct schedule_tick *add_tick(struct schedules *schedules, unsigned int index, usec_t now) {
        struct schedule_tick *ticks;

        ticks = reallocarray(schedules->ticks, schedules->n_ticks + 1, sizeof(*ticks));
        if (!ticks)
                return NULL;
        schedules->ticks = ticks;
        ticks += schedules->n_ticks++;
        *ticks = (struct schedule_tick){ .serial = ++schedules->last_number,
                                         .schedule = index,
                                         .began = now };
        return ticks;
}

static void begin_tick(struct schedule *schedule, struct schedule_tick *tick, usec_t now, usec_t realtime) {
        tick->queued = false;
        tick->began = now;
        schedule->began = realtime;
        schedule->n_runs++;
        schedule->skip_told = false;
}

static bool has_queued(const struct schedules *schedules, unsigned int index) {
        for (size_t i = 0; i < schedules->n_ticks; i++)
                if (schedules->ticks[i].schedule == index && schedules->ticks[i].queued)
                        return true;
        return false;
}

enum schedule_verdict schedules_run(struct schedules *schedules, unsigned int index, usec_t now,
                                    usec_t realtime, uint64_t *ret_serial) {
        struct schedule *schedule = &schedules->items[index];
        unsigned int going_on = schedules_ticks(schedules, index);
        struct schedule_tick *tick;

        if (going_on > 0 &&
            (schedule->declared.overlap == MUSTER_OVERLAP_SKIP ||
             (schedule->declared.overlap == MUSTER_OVERLAP_QUEUE && has_queued(schedules, index)) ||
             going_on >= SCHEDULE_TICKS_MAX)) {
                return going_on >= SCHEDULE_TICKS_MAX ? SCHEDULE_FULL : SCHEDULE_SKIPPED;
        }
        tick = add_tick(schedules, index, now);
        if (!tick)
                return SCHEDULE_FULL;
        *ret_serial = tick->serial;
        if (going_on > 0 && schedule->declared.overlap == MUSTER_OVERLAP_QUEUE) {
                tick->queued = true;
                return SCHEDULE_QUEUED;
        }
        begin_tick(schedule, tick, now, realtime);
        return SCHEDULE_BEGUN;
}

enum schedule_verdict schedules_tick(struct schedules *schedules, unsigned int index,
                                     const struct message_tick *message, uint64_t generation, usec_t now,
                                     usec_t realtime, uint64_t *ret_serial) {
        struct schedule *schedule = &schedules->items[index];
        enum schedule_verdict verdict = SCHEDULE_HELD;

        if (message->immediate ? schedule->immediate == generation : schedule->last_due == message->due)
                return SCHEDULE_REPEATED;
        if (message->immediate)
                schedule->immediate = generation;
        else
                schedule->last_due = message->due;
        if (schedule->paused)
                return SCHEDULE_PAUSED;
        schedule->n_missed += message->missed;
        if (now >= schedule->held_until)
                verdict = schedules_run(schedules, index, now, realtime, ret_serial);
        schedule->n_skipped += verdict != SCHEDULE_BEGUN && verdict != SCHEDULE_QUEUED;
        return verdict;
}

int schedules_add_run(struct schedules *schedules, uint64_t serial, int worker) {
        struct schedule_tick *tick = find_tick(schedules, serial);
        struct schedule_run *runs;

        if (!tick || schedules->n_runs >= SCHEDULE_RUNS_MAX)
                return -ENOSPC;
        runs = reallocarray(schedules->runs, schedules->n_runs + 1, sizeof(*runs));
        if (!runs)
                return -ENOMEM;
        schedules->runs = runs;
        runs[schedules->n_runs++] = (struct schedule_run){
                .id = ++schedules->last_number,
                .tick = serial,
                .schedule = tick->schedule,
                .worker = worker,
        };
        tick->n_left++;
        return 0;
}

void schedules_drop(struct schedules *schedules, uint64_t serial) {
        struct schedule_tick *tick = find_tick(schedules, serial);

        if (!tick)
                return;
        schedules->items[tick->schedule].n_runs--;
        schedules->items[tick->schedule].n_skipped++;
        remove_tick(schedules, tick);
}

/* ---- What came of it ---- */

/* A tick is over: its schedule has a result, and one that has waited for it begins. */
static void end_tick(struct schedules *schedules, struct schedule_tick *tick, usec_t now, usec_t realtime,
                     struct schedule_outcome *ret) {
        unsigned int index = tick->schedule;
        struct schedule *schedule = &schedules->items[index];

        ret->tick_over = true;
        ret->tick = *tick;
        if (tick->n_ok + tick->n_failed > 0) {
                schedule->ended = realtime;
                schedule->took = tick->took;
                schedule->result = tick->result;
                schedule->how = tick->how;
                memcpy(schedule->text, tick->text, sizeof(schedule->text));
                schedule->n_failures += tick->n_failed > 0;
        }
        remove_tick(schedules, tick);
        for (size_t i = 0; i < schedules->n_ticks && schedules_ticks(schedules, index) == 0; i++) {
                tick = &schedules->ticks[i];
                if (tick->schedule != index || !tick->queued)
                        continue;
                begin_tick(schedule, tick, now, realtime);
                ret->next = tick->serial;
        }
}

/* The first bad result of a tick is the one it is known by, and without one the first text. */
static void tally(struct schedule_tick *tick, const struct schedule_outcome *outcome) {
        bool bad = outcome->how != DONE_FINISHED || outcome->result < 0;

        tick->took = MAX(tick->took, outcome->took);
        if (tick->n_failed == 0 && (bad || tick->n_ok == 0)) {
                tick->result = outcome->result;
                tick->how = outcome->how;
                memcpy(tick->text, outcome->text, sizeof(tick->text));
        }
        if (bad)
                tick->n_failed++;
        else
                tick->n_ok++;
}

/* The run is over, with what the outcome says. */
static void end_run(struct schedules *schedules, struct schedule_run *run, usec_t now, usec_t realtime,
                    struct schedule_outcome *ret) {
        struct schedule_tick *tick = find_tick(schedules, run->tick);

        if (tick && !ret->vanished)
                tally(tick, ret);
        remove_run(schedules, run);
        if (tick && --tick->n_left == 0)
                end_tick(schedules, tick, now, realtime, ret);
}

/* Its worker is no more, or no use. */
static void retry(struct schedules *schedules, struct schedule_run *run, usec_t now, usec_t realtime,
                  struct schedule_outcome *ret) {
        struct schedule *schedule = &schedules->items[run->schedule];

        run->attempt++;
        ret->run.attempt = run->attempt;
        if (run->attempt < SCHEDULE_ATTEMPTS) {
                run->pid = 0;
                ret->retried = true;
                return;
        }
        ret->given_up = true;
        ret->result = -EFAULT;
        if (schedules->hold > 0)
                schedule->held_until = usec_add(now, schedules->hold);
        end_run(schedules, run, now, realtime, ret);
}

static struct schedule_run *find_run(const struct schedules *schedules, uint64_t id) {
        for (size_t i = 0; i < schedules->n_runs; i++)
                if (schedules->runs[i].id == id)
                        return &schedules->runs[i];
        return NULL;
}

bool schedules_done(struct schedules *schedules, pid_t pid, const struct message_done *done, usec_t now,
                    usec_t realtime, struct schedule_outcome *ret) {
        struct schedule_run *run = find_run(schedules, done->id);

        if (!run || run->pid != pid || pid == 0 || done->how >= DONE_LOST)
                return false;
        *ret = (struct schedule_outcome){
                .how = done->how,
                .result = MAX(MIN(done->result, 0), -ERRNO_MAX),
                .took = done->took,
                .run = *run,
        };
        (void) snprintf(ret->text, sizeof(ret->text), "%.*s", (int) sizeof(done->text) - 1, done->text);
        switch (done->how) {
        case DONE_CRASHED:
        case DONE_HUNG:
                retry(schedules, run, now, realtime, ret);
                break;
        case DONE_REFUSED:
                if (++run->refusals > REFUSALS_MAX) {
                        retry(schedules, run, now, realtime, ret);
                        break;
                }
                run->pid = 0;
                ret->retried = true;
                break;
        default:
                ret->vanished = done->how == DONE_UNKNOWN;
                end_run(schedules, run, now, realtime, ret);
        }
        return true;
}

bool schedules_lost(struct schedules *schedules, pid_t pid, usec_t now, usec_t realtime,
                    struct schedule_outcome *ret) {
        for (size_t i = 0; i < schedules->n_runs; i++) {
                struct schedule_run *run = &schedules->runs[i];

                if (run->pid != pid)
                        continue;
                *ret = (struct schedule_outcome){ .how = DONE_LOST, .run = *run };
                retry(schedules, run, now, realtime, ret);
                return true;
        }
        return false;
}

bool schedules_cancel(struct schedules *schedules, uint64_t id, usec_t now, usec_t realtime,
                      struct schedule_outcome *ret) {
        struct schedule_run *run = find_run(schedules, id);

        if (!run)
                return false;
        *ret = (struct schedule_outcome){ .vanished = true, .run = *run };
        end_run(schedules, run, now, realtime, ret);
        return true;
}
