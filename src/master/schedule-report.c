/* SPDX-License-Identifier: MIT */

/*
 * What the log says of schedules: of each tick one line that tells how it ended and how long it took, of each run that
 * failed one more, since with all workers it matters which. `journalctl MUSTER_SCHEDULE=NAME` has the story of one, and
 * MUSTER_RESULT and MUSTER_DURATION_USEC are for machines. That one is left out since the one before goes on is said once
 * until that ends, not each time.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "master/schedule-report.h"
#include "util/log.h"
#include "util/log-id.h"
#include "util/text.h"

#define EXACT (100 * USEC_PER_MSEC) /* from which on nobody wants to read microseconds */

struct fields {
        char schedule[SCHEDULE_NAME_SIZE + 24], result[32], duration[48], worker[40], attempt[40];
        const char *list[8];
};

static const char *result_name(unsigned int how, int result) {
        static const char *const names[] = {
                [DONE_CRASHED] = "crashed", [DONE_HUNG] = "hung", [DONE_REFUSED] = "refused",
                [DONE_UNKNOWN] = "unknown", [DONE_LOST] = "lost",
        };

        if (how == DONE_FINISHED)
                return result < 0 ? "failed" : "ok";
        return how < _DONE_HOW_MAX ? names[how] : "?";
}

char *schedule_format_result(unsigned int how, int result, const char *text, char *buffer, size_t size) {
        char clean[SCHEDULE_TEXT_SIZE];
        int n;

        (void) snprintf(clean, sizeof(clean), "%s", text);
        (void) text_make_utf8(text_fold(clean));
        if (how == DONE_FINISHED && result < 0)
                n = snprintf(buffer, size, "failed: %s", strerror(-result));
        else
                n = snprintf(buffer, size, "%s", result_name(how, result));
        if (*clean && n >= 0 && (size_t) n < size)
                (void) snprintf(buffer + n, size - (size_t) n, "%s%s", result < 0 ? ", " : ": ", clean);
        return buffer;
}

static char *format_took(usec_t took, char *buffer, size_t size) {
        usec_t unit = took >= 10 * USEC_PER_SEC ? USEC_PER_SEC : took >= EXACT ? USEC_PER_MSEC : 1;

        return usec_format(took - took % unit, buffer, size);
}

static void make_fields(struct fields *fields, const char *id, const struct schedule *schedule) {
        *fields = (struct fields){};
        (void) snprintf(fields->schedule, sizeof(fields->schedule), "MUSTER_SCHEDULE=%s",
                        schedule->declared.name);
        fields->list[0] = fields->schedule;
        fields->list[1] = id;
}

static void add_field(struct fields *fields, const char *field) {
        size_t n = 0;

        while (fields->list[n])
                n++;
        fields->list[n] = field;
}

static void add_result(struct fields *fields, unsigned int how, int result, usec_t took) {
        (void) snprintf(fields->result, sizeof(fields->result), "MUSTER_RESULT=%s",
                        result_name(how, result));
        (void) snprintf(fields->duration, sizeof(fields->duration), "MUSTER_DURATION_USEC=%" PRIu64, took);
        add_field(fields, fields->result);
        add_field(fields, fields->duration);
}

static void add_worker(struct fields *fields, int worker) {
        (void) snprintf(fields->worker, sizeof(fields->worker), "MUSTER_WORKER=%d", worker);
        add_field(fields, fields->worker);
}

/* ---- Due ---- */

void schedule_report_tick(struct schedule *schedule, enum schedule_verdict verdict,
                          const struct message_tick *tick, usec_t now) {
        const char *name = schedule->declared.name;
        char span[USEC_FORMAT_MAX];
        struct fields fields;

        make_fields(&fields, NULL, schedule);
        if (tick->missed > 0 && (verdict == SCHEDULE_BEGUN || verdict == SCHEDULE_QUEUED))
                (void) log_fields(
                        LOG_NOTICE, 0, fields.list,
                        "Schedule %s: %s%u times when it was due have been missed, it runs once for all",
                        name, tick->missed >= 1000 ? "at least " : "", tick->missed);
        if ((verdict != SCHEDULE_SKIPPED && verdict != SCHEDULE_HELD && verdict != SCHEDULE_FULL) ||
            schedule->skip_told)
                return;
        schedule->skip_told = true;
        if (verdict == SCHEDULE_HELD)
                (void) log_fields(LOG_NOTICE, 0, fields.list,
                                  "Schedule %s is due and left out, it is held for another %s", name,
                                  format_took(schedule->held_until - now, span, sizeof(span)));
        else if (verdict == SCHEDULE_FULL)
                (void) log_fields(LOG_WARNING, 0, fields.list,
                                  "Schedule %s is due and left out, too much goes on already", name);
        else
                (void) log_fields(LOG_NOTICE, 0, fields.list,
                                  "Schedule %s is due and left out, the run before still goes on", name);
}

/* ---- Done ---- */

static void report_lost(const struct schedule *schedule, const struct schedule_outcome *outcome, int worker,
                        usec_t hold) {
        const char *name = schedule->declared.name;
        const char *what = outcome->how == DONE_HUNG      ? "hung in it"
                           : outcome->how == DONE_CRASHED ? "crashed in it"
                                                          : "ended while it ran";
        char held[USEC_FORMAT_MAX + 32] = "", span[USEC_FORMAT_MAX];
        struct fields fields;

        make_fields(&fields, outcome->given_up ? LOG_FIELD_ID(LOG_ID_SCHEDULE_FAILED) : NULL, schedule);
        add_worker(&fields, worker);
        (void) snprintf(fields.attempt, sizeof(fields.attempt), "MUSTER_ATTEMPT=%u", outcome->run.attempt);
        add_field(&fields, fields.attempt);
        add_result(&fields, outcome->how, outcome->result, outcome->took);
        if (!outcome->given_up) {
                (void) log_fields(LOG_WARNING, 0, fields.list,
                                  "Schedule %s: worker %d %s, another gets it (attempt %u of %u)", name,
                                  worker, what, outcome->run.attempt + 1, SCHEDULE_ATTEMPTS);
                return;
        }
        if (hold > 0)
                (void) snprintf(held, sizeof(held), ", it is held for %s",
                                usec_format(hold, span, sizeof(span)));
        (void) log_fields(LOG_ERR, 0, fields.list,
                          "Schedule %s: worker %d %s, as %u others before; it is given up for this time%s",
                          name, worker, what, SCHEDULE_ATTEMPTS - 1, held);
}

static void report_failed(const struct schedule *schedule, const struct schedule_outcome *outcome,
                          int worker) {
        char result[SCHEDULE_TEXT_SIZE + 128], took[USEC_FORMAT_MAX];
        struct fields fields;

        make_fields(&fields, LOG_FIELD_ID(LOG_ID_SCHEDULE_FAILED), schedule);
        add_worker(&fields, worker);
        add_result(&fields, outcome->how, outcome->result, outcome->took);
        (void) log_fields(
                LOG_WARNING, 0, fields.list, "Schedule %s %s (worker %d, after %s)", schedule->declared.name,
                schedule_format_result(outcome->how, outcome->result, outcome->text, result, sizeof(result)),
                worker, format_took(outcome->took, took, sizeof(took)));
}

/* A tick of which nothing failed; what did has been said. */
static void report_over(const struct schedule *schedule, const struct schedule_tick *tick, int worker) {
        char result[SCHEDULE_TEXT_SIZE + 128], took[USEC_FORMAT_MAX], where[40];
        struct fields fields;

        make_fields(&fields, NULL, schedule);
        add_result(&fields, tick->how, tick->result, tick->took);
        if (tick->n_ok == 1) {
                (void) snprintf(where, sizeof(where), "worker %d", worker);
                add_worker(&fields, worker);
        } else
                (void) snprintf(where, sizeof(where), "%u workers", tick->n_ok);
        (void) log_fields(
                LOG_INFO, 0, fields.list, "Schedule %s %s (%s, took %s)", schedule->declared.name,
                schedule_format_result(tick->how, tick->result, tick->text, result, sizeof(result)), where,
                format_took(tick->took, took, sizeof(took)));
}

void schedule_report_outcome(const struct schedule *schedule, const struct schedule_outcome *outcome,
                             int worker, usec_t hold) {
        const struct schedule_tick *tick = &outcome->tick;

        if (outcome->how == DONE_REFUSED && outcome->retried)
                log_debug("Schedule %s: worker %d is about to leave, another gets it",
                          schedule->declared.name, worker);
        else if (outcome->retried || outcome->given_up)
                report_lost(schedule, outcome, worker, hold);
        else if (!outcome->vanished && outcome->result < 0)
                report_failed(schedule, outcome, worker);
        if (outcome->tick_over && tick->n_failed == 0 && tick->n_ok > 0)
                report_over(schedule, tick, worker);
}

void schedule_report_cut(const struct schedule *schedule, int worker) {
        struct fields fields;

        make_fields(&fields, LOG_FIELD_ID(LOG_ID_SCHEDULE_FAILED), schedule);
        add_worker(&fields, worker);
        (void) log_fields(LOG_WARNING, 0, fields.list,
                          "Schedule %s was not finished by worker %d before the service stopped",
                          schedule->declared.name, worker);
}
