/* SPDX-License-Identifier: MIT */

/*
 * Looking after the children, and being looked after by systemd: what watch.c decides is done here.
 *
 * One timer serves both. At each look every process whose loop should run is listened to; one that hangs gets SIGABRT
 * with a mark, upon which its crash handler says where it is, abandons the callback and lets the process go on: a
 * worker drains, and the request that hung is answered 503; the agent just lives on. A worker that hangs is lost to
 * its position from that moment, whether it reacts or not, so its replacement starts at once. Whoever does not react
 * (it is stopped, has blocked the signal, or waits in the kernel) is killed after kill_timeout.
 *
 * A compute process that is at a job has the job's time, and is not listened to meanwhile.
 *
 * A process that starts has `ready_timeout`, and one that is in its application's stop function has the time it was
 * given to leave; in neither does a loop run, so they are not listened to.
 */

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

#include <systemd/sd-daemon.h>

#include "master/report.h"
#include "master/service.h"
#include "util/log.h"
#include "util/log-id.h"

#define ACCURACY (20 * USEC_PER_MSEC)

/* The master reads what a child may be writing, and only this. */
static uint64_t load_heartbeat(const struct slot *slot) {
        return __atomic_load_n(&slot->heartbeat, __ATOMIC_RELAXED);
}

/* ---- Those that hang ---- */

/* Whether its loop should be running. What a leaving one says of itself can only shorten the look at it to what its
 * timer for leaving is there for. */
static bool should_beat(const struct service *service, const struct process *process,
                        const struct slot *slot) {
        if (process->killed || compute_is_busy(service, process))
                return false;
        if (process->state == PROCESS_LEAVING)
                return process->was_ready &&
                       __atomic_load_n(&slot->state, __ATOMIC_RELAXED) != SLOT_STOPPING;
        return process->state == PROCESS_READY;
}

static bool is_stopped(pid_t pid) {
        siginfo_t info = {};

        return waitid(P_PID, (id_t) pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static void kill_deaf(struct service *service, struct process *process) {
        const char *end = is_stopped(process->pid) ? "it is stopped, as by SIGSTOP, and was killed"
                                                   : "SIGABRT did not help, it was killed";
        struct slot slot;
        char name[32];

        service_read_slot(service, process, &slot);
        if (process->reported)
                log_warning(0, "The %s (pid %d) hung again while it drained; %s",
                            process_name(process, name, sizeof(name)), process->pid, end);
        else {
                process->reported = true;
                state_crashed(&service->state);
                report_hang(process, &slot, end);
        }
        process_kill(process, SIGKILL);
}

static void listen_to(struct service *service, struct process *process, usec_t now, usec_t span) {
        const struct slot *slot = scoreboard_slot(&service->scoreboard, process->slot);
        uint64_t heartbeat = load_heartbeat(slot);
        char name[32];

        if (!should_beat(service, process, slot)) {
                pulse_begin(&process->pulse, heartbeat);
                return;
        }
        switch (pulse_listen(&process->pulse, heartbeat, now, span, process->hang_timeout,
                             process->kill_timeout)) {
        case PULSE_HANGS:
                process_interrupt(process);
                break;
        case PULSE_DEAF:
                kill_deaf(service, process);
                break;
        case PULSE_BACK:
                if (process->role != PROCESS_AGENT)
                        break;
                process->silent = 0;
                log_notice("The %s (pid %d), which hung, is back", process_name(process, name, sizeof(name)),
                           process->pid);
                break;
        case PULSE_GOOD:
                break;
        }
}

/* ---- What systemd hears ---- */

static void count(const struct process *process, struct watch_census *census) {
        census->hang_timeout = MIN(census->hang_timeout, process->hang_timeout);
        if (process->state != PROCESS_READY)
                return;
        if (process->role == PROCESS_WORKER)
                census->n_ready++;
        else if (process->role == PROCESS_AGENT && process->pulse.hung > 0)
                census->agent_hung = process->pulse.silent;
}

static void ping(struct service *service, const struct watch_census *census) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_WATCHDOG_WITHHELD), NULL };
        bool withheld = watch_withheld(&service->watch) != NULL;

        switch (watch_decide(&service->watch, census, service->watch.looked)) {
        case WATCH_PING:
                (void) sd_notify(0, "WATCHDOG=1");
                if (!withheld)
                        return;
                log_notice("systemd's watchdog is fed again");
                break;
        case WATCH_WITHHOLD:
                (void) log_fields(LOG_ERR, 0, fields, "systemd's watchdog is not fed: %s",
                                  watch_withheld(&service->watch));
                break;
        case WATCH_NOTHING:
                return;
        }
        if (service->phase == PHASE_RUNNING)
                status_running(service);
}

void watchdog_look(struct service *service) {
        const struct config *config = service->current->config;
        usec_t now = now_monotonic(), span = watch_look(&service->watch, now), next;
        struct watch_census census = {
                .serving = service->phase == PHASE_RUNNING,
                .n_workers = service->current->n_workers - service_stopped(service),
                .quorum = config->muster.quorum,
                .hang_timeout = config->worker.hang_timeout,
        };

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                listen_to(service, process, now, span);
                count(process, &census);
        }
        ping(service, &census);

        next = watch_next(&service->watch, now);
        (void) sd_event_source_set_time(service->watch_timer, next);
        (void) sd_event_source_set_enabled(service->watch_timer,
                                           next == USEC_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int dispatch_look(sd_event_source *source, uint64_t when, void *userdata) {
        watchdog_look(userdata);
        return 0;
}

int watchdog_start(struct service *service) {
        int r;

        r = sd_watchdog_enabled(0, &service->watch.timeout);
        if (r < 0)
                return log_error(r, "Failed to learn about systemd's watchdog: %m");
        r = sd_event_add_time(service->event, &service->watch_timer, CLOCK_MONOTONIC, 0, ACCURACY,
                              dispatch_look, service);
        return r < 0 ? log_error(r, "Failed to start the watch timer: %m") : 0;
}
