/* SPDX-License-Identifier: MIT */

/*
 * Replacing one worker by a fresh one, because it is old, large or an operator wants it.
 *
 * The one that shall go is marked as retiring and goes on as before. A successor of the same generation is started
 * at its position; when that is ready, the old one drains (reload.c, where all that is ready makes others leave). So there
 * is never one fewer than before. It is no loss and costs nothing of the restart budget.
 *
 * All that is known stands in the mark: who is retiring and has no successor on the way needs one. Whatever happens
 * meanwhile needs no other care: the old one may crash, then the successor just takes the position; the service may be
 * reloaded, then all of the generation leaves, or it is not, and the mark is still there. One successor is on the way
 * at a time, so that many that are asked for together go one after another. When one fails before it is ready the
 * old one serves on, and another is tried later and later, while others have their turn.
 *
 * A position can also be emptied. It stays so until somebody asks for it (a replacement, another number of workers) or
 * a reload fills all of them.
 */

#include <errno.h>

#include "master/report.h"
#include "master/service.h"
#include "util/log.h"
#include "util/log-id.h"

#define RETRY_MIN USEC_PER_SEC
#define RETRY_MAX (300 * USEC_PER_SEC)

/* The one of the current generation that has the position, not the one that may be going to. */
static struct process *holder_of(struct service *service, int number) {
        struct process *found = NULL;

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_WORKER || process->number != number ||
                    process->generation != service->current->number || process->state == PROCESS_LEAVING)
                        continue;
                if (process->state == PROCESS_READY)
                        return process;
                found = process;
        }
        return found;
}

/* Whether this one was started in the place of another that is still there; it counts until it is ready or gone, since why
 * it failed is known only then. */
static bool is_successor(const struct process *process, const struct process *old) {
        return process != old && process->role == old->role && process->number == old->number &&
               process->generation == old->generation && !process->was_ready && !process->asked;
}

static bool has_successor(const struct service *service, const struct process *old) {
        LIST_FOREACH(node, &service->processes)
                if (is_successor(container_of(node, struct process, node), old))
                        return true;
        return false;
}

static bool is_waiting(const struct process *process) {
        return process->retiring && process->state == PROCESS_READY && !process->dismissed;
}

static int dispatch_again(sd_event_source *source, uint64_t when, void *userdata) {
        replace_proceed(userdata);
        return 0;
}

static void proceed_at(struct service *service, usec_t when) {
        int r;

        service->replace_timer = sd_event_source_disable_unref(service->replace_timer);
        r = sd_event_add_time(service->event, &service->replace_timer, CLOCK_MONOTONIC, when, USEC_PER_MSEC,
                              dispatch_again, service);
        if (r < 0)
                log_error(r, "Failed to time a replacement: %m");
}

static void say_failure(struct process *old, const char *reason) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_START_FAILED), NULL };
        char name[32], wait[USEC_FORMAT_MAX];

        (void) log_fields(LOG_ERR, 0, fields,
                          "The %s (pid %d) could not be replaced and serves on, trying again in %s: %s",
                          process_name(old, name, sizeof(name)), old->pid,
                          usec_format(old->replace_wait, wait, sizeof(wait)), reason ?: "out of memory");
}

static void put_off(struct process *old, const char *reason) {
        old->replace_wait = old->replace_wait ? MIN(old->replace_wait * 2, RETRY_MAX) : RETRY_MIN;
        old->replace_again = usec_add(now_monotonic(), old->replace_wait);
        say_failure(old, reason);
}

/* Who is next. NULL when nobody is or somebody is on the way; *ret_when is then when to ask again. */
static struct process *next_of(struct service *service, usec_t now, usec_t *ret_when) {
        struct process *first = NULL;

        *ret_when = USEC_NEVER;
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (!is_waiting(process))
                        continue;
                if (has_successor(service, process)) {
                        *ret_when = USEC_NEVER;
                        return NULL;
                }
                if (process->replace_again > now)
                        *ret_when = MIN(*ret_when, process->replace_again);
                else if (!first)
                        first = process;
        }
        return first;
}

void replace_proceed(struct service *service) {
        struct process *old;
        usec_t when;
        int r;

        if (service->phase != PHASE_RUNNING || service->next)
                return;
        while ((old = next_of(service, now_monotonic(), &when))) {
                r = service_spawn(service_position(service, old->role, old->number), service->current);
                if (r >= 0)
                        return;
                put_off(old, strerror(-r));
        }
        if (when != USEC_NEVER)
                proceed_at(service, when);
}

bool replace_on_failed(struct service *service, const struct process *process, const char *reason) {
        LIST_FOREACH(node, &service->processes) {
                struct process *old = container_of(node, struct process, node);

                if (is_waiting(old) && is_successor(process, old)) {
                        put_off(old, reason);
                        return true;
                }
        }
        return false;
}

bool replace_is_going_on(const struct service *service) {
        LIST_FOREACH(node, &service->processes)
                if (container_of(node, struct process, node)->retiring)
                        return true;
        return false;
}

int service_replace(struct service *service, unsigned int number, const char *why) {
        struct process *process;
        char name[32];

        if (number >= service->current->n_workers)
                return -ENOENT;
        if (service->phase != PHASE_RUNNING)
                return -EAGAIN;
        service->workers[number].stopped = false;
        process = holder_of(service, (int) number);
        if (process && process->state == PROCESS_READY) {
                log_info("Replacing the %s (pid %d): %s", process_name(process, name, sizeof(name)),
                         process->pid, why);
                process->retiring = true;
                process->replace_again = 0;
                replace_proceed(service);
        } else if (!process && !service->next)
                service_start_now(&service->workers[number]);
        return 0;
}

/* Whether requests would have nobody without this position. */
static bool is_last(const struct service *service, unsigned int number) {
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_WORKER && process->state == PROCESS_READY &&
                    process->number != (int) number)
                        return false;
        }
        return true;
}

int service_stop_worker(struct service *service, unsigned int number) {
        struct position *position;

        if (number >= service->current->n_workers)
                return -ENOENT;
        if (service->phase != PHASE_RUNNING || service->next)
                return -EAGAIN;
        position = &service->workers[number];
        if (position->stopped)
                return -EALREADY;
        if (is_last(service, number))
                return -EBUSY;

        position->stopped = true;
        position->timer = sd_event_source_disable_unref(position->timer);
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_WORKER && process->number == (int) number &&
                    process->state != PROCESS_LEAVING)
                        process_leave(process, MESSAGE_DRAIN);
        }
        log_info("Stopping worker %u, as asked; its position stays empty", number);
        status_running(service);
        return 0;
}
