/* SPDX-License-Identifier: MIT */

/*
 * Schedules of the running service: what the agent and the workers say goes into schedule.c, and what comes out of it
 * goes to a worker, to the log and to whoever waits for it.
 *
 * Only the agent that is the current one says what is due. Another generation's declares its schedules when it starts,
 * and they count from the moment its generation does. Before it hears that everything has started, an agent is told since
 * when each of its schedules waits, so that it goes on where the one before it ended.
 *
 * A run goes to the least busy worker that is ready, of the current generation if there is one. What cannot be sent
 * waits, as what finds no worker does. A worker that drains finishes what it has; what it leaves behind when it ends
 * goes to another.
 */

#include <errno.h>
#include <stdio.h>

#include <muster/app.h>

#include "master/least-busy.h"
#include "master/schedule-record.h"
#include "master/schedule-report.h"
#include "master/service-schedule.h"
#include "master/service.h"
#include "util/log.h"
#include "util/text.h"

/* ---- Workers ---- */

static bool is_ready(const struct process *process) {
        return process->role == PROCESS_WORKER && process->state == PROCESS_READY;
}

/* A run that goes on weighs as much as a request does. */
static struct busyness busyness_of(const struct service *service, const struct process *process,
                                   usec_t now) {
        usec_t stuck = 0;
        struct slot slot;

        service_read_slot(service, process, &slot);
        if (slot.busy_since > 0 && slot.busy_since < now)
                stuck = now - slot.busy_since;
        return (struct busyness){
                .load = busyness_load(slot.in_flight, process->usage.business, stuck) +
                        busyness_load(schedules_running(&service->schedules, process->pid), 0, 0),
                .turn = process->last_run,
        };
}

/* Who may do it: the one with that number, or the least busy of all; one of the past or the future, which may not know the
 * schedule, only where there is no other. NULL while there is nobody. */
static struct process *find_worker(const struct service *service, int number) {
        struct process *found = NULL;
        struct busyness least = {};
        bool current = false;

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);
                bool serves = process->generation == service->current->number;
                struct busyness busyness;

                if (!is_ready(process) || (number >= 0 && process->number != number) || (current && !serves))
                        continue;
                busyness = busyness_of(service, process, now_monotonic());
                if (found && serves == current && !busyness_less(&busyness, &least))
                        continue;
                found = process;
                least = busyness;
                current = serves;
        }
        return found;
}

static bool is_wanted(const struct service *service, int number) {
        return number < 0 ||
               (number < (int) service->current->n_workers && !service->workers[number].stopped);
}

/* ---- What came of it ---- */

static int begin(struct service *service, uint64_t serial, unsigned int index);

static void follow(struct service *service, const struct schedule_outcome *outcome, int worker) {
        unsigned int index = outcome->run.schedule;

        schedule_report_outcome(&service->schedules.items[index], outcome, worker, service->schedules.hold);
        if (outcome->tick_over)
                control_schedule_finished(service, &outcome->tick);
        if (outcome->next != 0 && begin(service, outcome->next, index) < 0)
                control_schedule_look(service, "There is no worker to run it");
}

/* ---- Giving away ---- */

static bool give(struct service *service, struct schedule_run *run) {
        struct process *process = find_worker(service, run->worker);
        struct message_run order = { .id = run->id, .attempt = run->attempt };

        if (!process)
                return false;
        (void) stpncpy(order.name, service->schedules.items[run->schedule].declared.name,
                       sizeof(order.name) - 1);
        if (channel_send(process->channel, MESSAGE_RUN, &order, sizeof(order)) < 0)
                return false;
        run->pid = process->pid;
        process->last_run = run->id;
        return true;
}

/* What waits for a worker whose place is no more. */
static bool cancel_unwanted(struct service *service) {
        const struct schedules *schedules = &service->schedules;

        for (size_t i = 0; i < schedules->n_runs; i++) {
                struct schedule_outcome outcome;

                if (schedules->runs[i].pid != 0 || is_wanted(service, schedules->runs[i].worker))
                        continue;
                if (schedules_cancel(&service->schedules, schedules->runs[i].id, now_monotonic(),
                                     now_realtime(), &outcome))
                        follow(service, &outcome, -1);
                return true;
        }
        return false;
}

void service_schedule_dispatch(struct service *service) {
        struct schedules *schedules = &service->schedules;

        if (service->phase != PHASE_RUNNING)
                return;
        while (cancel_unwanted(service))
                ;
        for (size_t i = 0; i < schedules->n_runs; i++)
                if (schedules->runs[i].pid == 0)
                        (void) give(service, &schedules->runs[i]);
}

/* One for each that is ready, by number: an old and a new one of a roll are the same. */
static int add_for_all(struct service *service, uint64_t serial) {
        int n = 0, r = 0;

        for (unsigned int i = 0; i < service->n_positions && r >= 0; i++)
                if (find_worker(service, (int) i)) {
                        r = schedules_add_run(&service->schedules, serial, (int) i);
                        n += r >= 0;
                }
        return n > 0 ? n : r;
}

/* A tick has begun: its runs are made and given away. -EAGAIN where there is nobody to do it, and it has ended. */
static int begin(struct service *service, uint64_t serial, unsigned int index) {
        const struct schedule *schedule = &service->schedules.items[index];
        int r;

        if (schedule->declared.type == MUSTER_SCHEDULE_ALL)
                r = add_for_all(service, serial);
        else
                r = schedules_add_run(&service->schedules, serial, -1) < 0 ? 0 : 1;
        if (r <= 0) {
                log_notice("Schedule %s is due and left out, there is no worker to run it",
                           schedule->declared.name);
                schedules_drop(&service->schedules, serial);
                return -EAGAIN;
        }
        service_schedule_dispatch(service);
        return 0;
}

/* ---- What processes say ---- */

static bool is_current_agent(const struct service *service, const struct process *process) {
        return process->role == PROCESS_AGENT && process->state == PROCESS_READY &&
               service->phase == PHASE_RUNNING && process->generation == service->current->number;
}

static struct generation *generation_of(const struct service *service, const struct process *process) {
        if (process->generation == service->current->number)
                return service->current;
        return service->next && process->generation == service->next->number ? service->next : NULL;
}

/* What a child has put into an array, as a name or a text for people. */
static void take_text(char *target, size_t size, const char *source) {
        (void) snprintf(target, size, "%.*s", (int) size - 1, source);
        (void) text_make_utf8(text_fold(target));
}

static void on_declared(struct service *service, const struct process *process, const void *payload) {
        struct generation *generation = generation_of(service, process);
        struct schedule_declared *declared;
        struct message_schedule message;

        memcpy(&message, payload, sizeof(message));
        if (!generation || process->state != PROCESS_STARTING || message.index >= SCHEDULES_MAX ||
            message.type > MUSTER_SCHEDULE_ALL || message.overlap > MUSTER_OVERLAP_ALLOW)
                return;
        if (message.index == 0)
                generation->schedules.n = 0;
        if (message.index != generation->schedules.n)
                return;
        declared = &generation->schedules.items[generation->schedules.n];
        *declared = (struct schedule_declared){
                .type = message.type,
                .overlap = message.overlap,
                .disable = message.disable != 0,
        };
        take_text(declared->name, sizeof(declared->name), message.name);
        take_text(declared->when, sizeof(declared->when), message.when);
        if (config_schedule_name_valid(declared->name))
                generation->schedules.n++;
}

static void on_tick(struct service *service, const struct process *process, const void *payload) {
        struct schedules *schedules = &service->schedules;
        enum schedule_verdict verdict;
        struct message_tick tick;
        usec_t now = now_monotonic();
        uint64_t serial = 0;

        memcpy(&tick, payload, sizeof(tick));
        if (!is_current_agent(service, process) || tick.index >= schedules->n)
                return;
        verdict = schedules_tick(schedules, tick.index, &tick, service->current->number, now, now_realtime(),
                                 &serial);
        schedule_report_tick(&schedules->items[tick.index], verdict, &tick, now);
        if (verdict == SCHEDULE_BEGUN)
                (void) begin(service, serial, tick.index);
}

static void on_next(struct service *service, const struct process *process, const void *payload) {
        struct message_next next;

        memcpy(&next, payload, sizeof(next));
        if (!is_current_agent(service, process) || next.index >= service->schedules.n)
                return;
        service->schedules.items[next.index].next = next.when;
        service->schedules.items[next.index].since = next.since;
}

static void on_done(struct service *service, const struct process *process, const void *payload) {
        struct schedule_outcome outcome;
        struct message_done done;

        memcpy(&done, payload, sizeof(done));
        if (!schedules_done(&service->schedules, process->pid, &done, now_monotonic(), now_realtime(),
                            &outcome))
                return;
        follow(service, &outcome, process->number);
        service_schedule_dispatch(service);
}

void service_schedule_receive(struct service *service, struct process *process,
                              const struct message *message) {
        switch (message->type) {
        case MESSAGE_SCHEDULE:
                on_declared(service, process, message->payload);
                break;
        case MESSAGE_TICK:
                on_tick(service, process, message->payload);
                break;
        case MESSAGE_NEXT:
                on_next(service, process, message->payload);
                break;
        case MESSAGE_DONE:
                on_done(service, process, message->payload);
                break;
        default:
                break;
        }
}

/* ---- What happens to them ---- */

static void configure(struct service *service) {
        const struct config *config = service->current->config;

        service->schedules.hold = config->restart.quarantine_after > 0 ? config->restart.quarantine_time : 0;
}

/* Whoever waits for a tick of a schedule that is gone is told so. */
static void take_over(struct service *service) {
        int r;

        configure(service);
        r = schedules_update(&service->schedules, &service->current->schedules);
        if (r < 0)
                (void) log_error(r, "Failed to take over the schedules of the agent: %m");
        control_schedule_look(service, "The schedule is no more");
}

void service_schedule_ready(struct service *service, struct process *process) {
        if (process->role != PROCESS_AGENT)
                return;
        take_over(service);
        for (unsigned int i = 0; i < service->schedules.n; i++) {
                const struct schedule *schedule = &service->schedules.items[i];
                struct message_since since = { .since = schedule->since };

                (void) stpncpy(since.name, schedule->declared.name, sizeof(since.name) - 1);
                if (since.since > 0)
                        (void) channel_send(process->channel, MESSAGE_SINCE, &since, sizeof(since));
        }
}

void service_schedule_gone(struct service *service, const struct process *process) {
        struct schedule_outcome outcome;

        if (process->role != PROCESS_WORKER)
                return;
        if (service_is_stopping(service)) {
                for (size_t i = 0; i < service->schedules.n_runs; i++)
                        if (service->schedules.runs[i].pid == process->pid)
                                schedule_report_cut(
                                        &service->schedules.items[service->schedules.runs[i].schedule],
                                        process->number);
                return;
        }
        while (schedules_lost(&service->schedules, process->pid, now_monotonic(), now_realtime(), &outcome))
                follow(service, &outcome, process->number);
        service_schedule_dispatch(service);
}

/* Runs of a process that is not among those that were left are lost with it. */
int service_schedule_restore(struct service *service, const struct handover *handover) {
        configure(service);
        return schedules_restore(&service->schedules, handover->schedules.items, handover->schedules.n,
                                 handover->ticks.items, handover->ticks.n, handover->runs.items,
                                 handover->runs.n);
}

int service_schedule_run(struct service *service, unsigned int index, uint64_t *ret_serial) {
        enum schedule_verdict verdict;

        verdict = schedules_run(&service->schedules, index, now_monotonic(), now_realtime(), ret_serial);
        if (verdict == SCHEDULE_QUEUED)
                return 0;
        return verdict == SCHEDULE_BEGUN ? begin(service, *ret_serial, index) : -EBUSY;
}

void service_schedule_pause(struct service *service, unsigned int index, bool pause) {
        struct schedule *schedule = &service->schedules.items[index];

        if (schedule->paused != pause)
                log_info("Schedule %s %s", schedule->declared.name, pause ? "is paused" : "is resumed");
        schedule->paused = pause;
        if (!pause)
                schedule->held_until = 0;
}
