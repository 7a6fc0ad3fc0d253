/* SPDX-License-Identifier: MIT */

/*
 * Who hangs, and what systemd is told about it.
 *
 * Heartbeats. The loop of every child writes the time to its slot, again and again. The master looks several times
 * within `hang_timeout` and adds up for how long the value has stayed the same. It believes nothing of the value but
 * that it has changed: a time in the future hides no hang. Only where it says a time since the last look, as that of
 * an honest child does, is it taken for the moment of the last sign of life; so a hang is found within a look's
 * period after `hang_timeout`, and that of a liar within two.
 *
 * Silence counts only while the master itself is awake. When it was stopped, when the machine was suspended or stood
 * still, everybody's heart stood still with it, and those who come to run after the master must not be found to have
 * hung. So a look that comes much too late counts for one period and no more.
 *
 * One that hangs is interrupted, and killed when it is as silent as before for `kill_timeout`.
 *
 * The watchdog. systemd gets its ping at half the time it would wait, and only while there is a service worth the
 * name: the master's loop runs (or nobody would ping), the agent does not hang, and at least `quorum` workers are
 * ready and do not hang. Otherwise the ping is withheld, and sent the moment things are good again; a lapse of less
 * than half the time is never seen by systemd.
 *
 *   - A worker that is starting does not count, however good its prospects: nobody is served by it. A pool that
 *     backs off after a crash storm keeps the ping going with its other workers, or by being up now and then; if
 *     none is up for as long as the operator is ready to wait, a restart of it all is what the watchdog is for.
 *   - An agent that is missing, because it crashed and is being started, does not count either way: taking the
 *     workers down, which serve, would help nobody. The status text says that it is missing.
 *   - While the service starts, systemd has other deadlines (EXTEND_TIMEOUT_USEC), and while it stops it waits for
 *     the end; the ping then only says that the loop runs.
 *   - During a reload the workers of both generations count, and the quorum is never more than the workers there
 *     should be.
 *   - Where `hang_timeout` is infinity nobody ever hangs, for the watchdog too: whoever says that callbacks may take
 *     for ever would not want the service restarted because one does.
 */

#include <stdio.h>

#include "master/watch.h"
#include "util/macro.h"

#define PERIOD_MAX  (500 * USEC_PER_MSEC)
#define PERIODS     4U /* looks within hang_timeout */
#define RETRY_PARTS 8U /* of the timeout: how soon to look again when a ping is withheld */
#define EXACT       (100 * USEC_PER_MSEC) /* what a person wants to read */

/* ---- One process ---- */

void pulse_begin(struct pulse *pulse, uint64_t heartbeat) {
        *pulse = (struct pulse){ .heartbeat = heartbeat };
}

/* How long ago the change was. */
static usec_t since_change(uint64_t heartbeat, usec_t now, usec_t span) {
        return heartbeat <= now && now - heartbeat <= span ? now - heartbeat : 0;
}

enum pulse_verdict pulse_listen(struct pulse *pulse, uint64_t heartbeat, usec_t now, usec_t span,
                                usec_t hang_timeout, usec_t kill_timeout) {
        bool hung = pulse->hung > 0;

        if (heartbeat != pulse->heartbeat) {
                pulse_begin(pulse, heartbeat);
                pulse->silent = since_change(heartbeat, now, span);
                return hung ? PULSE_BACK : PULSE_GOOD;
        }
        pulse->silent = usec_add(pulse->silent, span);
        if (hung)
                return pulse->silent >= usec_add(pulse->hung, kill_timeout) ? PULSE_DEAF : PULSE_GOOD;
        if (pulse->silent < hang_timeout)
                return PULSE_GOOD;
        pulse->hung = MAX(pulse->silent, (usec_t) 1);
        return PULSE_HANGS;
}

/* ---- All of them ---- */

static usec_t period_for(usec_t hang_timeout) {
        if (hang_timeout == USEC_NEVER)
                return USEC_NEVER;
        return MIN(hang_timeout / PERIODS, PERIOD_MAX);
}

usec_t watch_look(struct watch *watch, usec_t now) {
        usec_t span = watch->looked > 0 ? now - watch->looked : 0;

        watch->looked = now;
        if (watch->period == 0 || watch->period == USEC_NEVER)
                return 0;
        return span > 2 * watch->period ? watch->period : span;
}

/* Whether all is well enough for systemd; otherwise says why not. */
static bool is_well(struct watch *watch, const struct watch_census *census) {
        unsigned int quorum = MIN(census->quorum, census->n_workers);
        char span[USEC_FORMAT_MAX];

        if (census->serving && census->agent_hung > 0)
                (void) snprintf(
                        watch->reason, sizeof(watch->reason), "the agent has been silent for %s",
                        usec_format(census->agent_hung - census->agent_hung % EXACT, span, sizeof(span)));
        else if (census->serving && census->n_ready < quorum)
                (void) snprintf(watch->reason, sizeof(watch->reason),
                                "%u of %u workers are ready and beating, the quorum is %u", census->n_ready,
                                census->n_workers, quorum);
        else
                return true;
        return false;
}

enum watch_decision watch_decide(struct watch *watch, const struct watch_census *census, usec_t now) {
        bool withheld = watch_withheld(watch) != NULL;

        watch->period = period_for(census->hang_timeout);
        if (watch->timeout == 0 || now < watch->due)
                return WATCH_NOTHING;
        if (!is_well(watch, census))
                return withheld ? WATCH_NOTHING : WATCH_WITHHOLD;
        watch->reason[0] = '\0';
        watch->due = usec_add(now, watch->timeout / 2);
        return WATCH_PING;
}

usec_t watch_next(const struct watch *watch, usec_t now) {
        usec_t next = watch->period == 0 ? USEC_NEVER : usec_add(now, watch->period);

        if (watch->timeout == 0)
                return next;
        if (watch_withheld(watch))
                return MIN(next, usec_add(now, watch->timeout / RETRY_PARTS));
        return MIN(next, MAX(watch->due, now));
}

const char *watch_withheld(const struct watch *watch) {
        return watch->reason[0] ? watch->reason : NULL;
}
