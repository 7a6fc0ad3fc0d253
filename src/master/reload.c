/* SPDX-License-Identifier: MIT */

/*
 * Reload: the configuration and the module are read again, and a new generation of processes takes over
 * without a request being lost.
 *
 * Nothing of the old generation is touched until the new one has proved itself: its configuration is good,
 * its agent is ready, and one worker, the canary, is too. Then the workers are rolled one after another,
 * each started before the one it replaces drains. Addresses that are new in `listen` are bound before, those that are gone
 * are given up after. A failure at any point turns round: the processes of the
 * new generation leave, and positions that were rolled already get a worker of the old one, again started
 * first. The service then goes on as it was, and says why.
 *
 * Whatever happens, systemd hears READY=1 at the end, and STATUS tells whether it went well.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "master/master.h"
#include "master/service.h"
#include "util/log.h"
#include "util/text.h"

#define LOSSES_MAX 3U

static struct process *find(struct service *service, enum process_role role, int number, uint64_t generation,
                            bool same) {
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role == role && process->number == number &&
                    process->state != PROCESS_LEAVING && (process->generation == generation) == same)
                        return process;
        }
        return NULL;
}

/* Everything that is not of this generation, or whose position it does not have, leaves. */
void reload_dismiss_others(struct service *service, const struct generation *generation) {
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->state == PROCESS_LEAVING || process->role == PROCESS_COMPUTE)
                        continue;
                if (process->generation != generation->number ||
                    (process->role == PROCESS_WORKER && process->number >= (int) generation->n_workers))
                        process_leave(process, MESSAGE_DRAIN);
        }
        compute_dismiss(service);
}

static void finish(struct service *service) {
        service->reload_ended = now_realtime();
        service->reload_took = now_monotonic() - service->reload_began;
        if (service_is_stopping(service))
                return;
        upgrade_proceed(service, service->reload_failure);
        status_ready(service);
        control_reload_finished(service);
        replace_proceed(service);
        if (service->reload_again && !upgrade_is_near(service)) {
                service->reload_again = false;
                reload_begin(service);
        }
}

static bool same_listen(const struct config *one, const struct config *other) {
        char *const *a = one->http.listen, *const *b = other->http.listen;

        for (; *a && *b && streq(*a, *b); a++)
                b++;
        return !*a && !*b;
}

/* A budget that has other numbers begins anew. */
static void update_budgets(struct service *service, const struct config *old) {
        const struct config *config = service->current->config;

        if (old->restart.limit == config->restart.limit && old->restart.interval == config->restart.interval)
                return;
        for (size_t i = 0; i < ELEMENTSOF(service->budget); i++) {
                struct pool_budget budget;

                if (pool_budget_init(&budget, config->restart.limit, config->restart.interval) < 0) {
                        log_oom();
                        return;
                }
                pool_budget_deinit(&service->budget[i]);
                service->budget[i] = budget;
        }
}

static void succeed(struct service *service) {
        struct generation *old = service->current;
        struct process *agent;

        service->current = service->next;
        service->next = NULL;
        service_cancel_starts(service);
        for (size_t i = 0; i < service->n_positions && service->upgrade.state != UPGRADE_ROLLING; i++)
                service->workers[i].stopped = false;
        scale_reset(&service->scale);
        service->active_at = 0; /* somebody is at work on it: exit_idle begins anew */
        reload_dismiss_others(service, service->current);
        agent = find(service, PROCESS_AGENT, -1, service->current->number, true);
        if (agent) {
                service_schedule_ready(service, agent);
                (void) process_send(agent, MESSAGE_MUSTER_READY);
        }
        update_budgets(service, old->config);
        service_quarantine_configure(service);
        log_set_level(service->current->config->log.level);
        log_info("Reloaded: generation %" PRIu64 ", %u workers", service->current->number,
                 service->current->n_workers);
        generation_free(old, service->current);
        finish(service);
}

/* The compute processes first, so that no worker waits for one. Then one position after another gets a worker of the
 * new generation; when all of those are ready, it is done. */
static void roll(struct service *service) {
        struct generation *next = service->next;
        int r;

        r = compute_roll(service, next);
        if (r < 0)
                reload_fail(service, "cannot start a compute process: %s", strerror(-r));
        if (r <= 0)
                return;
        for (unsigned int i = 0; i < next->n_workers; i++) {
                const struct process *process = find(service, PROCESS_WORKER, (int) i, next->number, true);

                if (process && process->state == PROCESS_READY)
                        continue;
                if (service->upgrade.state == UPGRADE_ROLLING && service->workers[i].stopped)
                        continue; /* nobody has asked for it */
                if (process)
                        return;
                r = service_spawn(&service->workers[i], next);
                if (r < 0)
                        reload_fail(service, "cannot start worker %u: %s", i, strerror(-r));
                return;
        }
        succeed(service);
}

/* Whether a process has to make room for this one: while a generation is being tried it replaces the current one and not
 * the other way round; what is neither is left over from a reload that failed. Within a generation, whoever is retiring
 * does. */
static bool makes_room(const struct service *service, const struct process *other,
                       const struct process *process) {
        if (service->next && other->generation == service->next->number)
                return false;
        if (other->generation == process->generation)
                return other->retiring;
        return process->role == PROCESS_WORKER; /* see compute_dismiss() for others */
}

static void make_room(struct service *service, struct process *process) {
        if (process->role == PROCESS_COMPUTE)
                compute_part(service, process);
        else
                process_leave(process, MESSAGE_DRAIN);
}

/* A process is ready: whoever has to make room for it leaves. That is how a roll proceeds, and how it is taken back. */
void reload_on_ready(struct service *service, struct process *process) {
        if (process->role != PROCESS_AGENT)
                LIST_FOREACH(node, &service->processes) {
                        struct process *other = container_of(node, struct process, node);

                        if (other != process && other->role == process->role &&
                            other->number == process->number && makes_room(service, other, process))
                                make_room(service, other);
                }
        if (service->next && process->generation == service->next->number)
                roll(service);
}

/* A process of the next generation is lost. One that had been ready was brought down by a request, which is
 * no fault of the reload unless it goes on and on; one that had not is the reason to turn round, and its end
 * tells why. */
void reload_on_lost(struct service *service, struct process *process) {
        if (!process->was_ready)
                return;
        if (++service->reload_losses > LOSSES_MAX || process->role == PROCESS_AGENT)
                reload_fail(service, "the new generation loses its processes");
        else
                roll(service);
}

/* The current generation takes its positions back: those that were rolled get a worker of it again, and the newer one
 * there leaves when that is ready (reload_on_ready()); where the current one is still there, the newer just leaves. */
static void take_back(struct service *service, const struct generation *failed) {
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->generation != failed->number || process->state == PROCESS_LEAVING ||
                    process->role == PROCESS_COMPUTE)
                        continue;
                if (process->role == PROCESS_AGENT || process->state != PROCESS_READY ||
                    process->number >= (int) service->current->n_workers ||
                    service->workers[process->number].stopped ||
                    find(service, PROCESS_WORKER, process->number, service->current->number, true))
                        process_leave(process, MESSAGE_DRAIN);
        }
        compute_dismiss(service);
        service_start_wanted(service); /* no loss: the budget is for crashes */
}

void reload_fail(struct service *service, const char *format, ...) {
        struct generation *failed = service->next;
        va_list arguments;
        char *text = NULL;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        free(service->reload_failure);
        service->reload_failure = n < 0 ? NULL : text_make_utf8(text_fold(text));
        log_error(0, "Reload failed: %s", service->reload_failure ?: "out of memory");

        service->next = NULL;
        if (failed)
                take_back(service, failed);
        generation_free(failed, service->current);
        finish(service);
}

/* Takes over the configuration, also when it fails. */
static int prepare(struct service *service, struct config *config, char **ret_reason) {
        int r;

        upkeep_warn_idle(service, config);
        generation_keep_fixed(service->current->config, config);
        r = generation_new(&service->next, service->n_reloads + 1, config);
        if (r < 0) {
                config_free(config);
                return r;
        }
        if (sockets_from_systemd(&service->current->sockets) &&
            !same_listen(service->current->config, config))
                log_warning(0, "[http] listen has changed, but the sockets come from systemd, ignoring");
        r = sockets_follow(&service->next->sockets, &service->current->sockets, config->http.listen,
                           ret_reason);
        if (r < 0)
                return r;
        service->next->n_workers =
                scale_carry(&service->current->bounds, service->current->n_workers, &service->next->bounds);
        return service_reserve_positions(service, PROCESS_WORKER, service->next->n_workers);
}

static void begin(struct service *service) {
        service->n_reloads++;
        service->reload_began = now_monotonic();
        service->reload_losses = 0;
        free(service->reload_failure);
        service->reload_failure = NULL;
        status_reloading(service);
}

/* The agent is the first; `r` is how it went so far. */
static void start_next(struct service *service, int r, const char *reason) {
        if (r >= 0)
                r = service_spawn(&service->agent, service->next);
        if (r < 0)
                reload_fail(service, "%s", reason ?: strerror(-r));
}

void reload_begin(struct service *service) {
        _cleanup_free_ char *reason = NULL;
        struct config *config;
        int r;

        if (service_is_stopping(service))
                return;
        if (service->next || service->phase != PHASE_RUNNING || upgrade_is_near(service)) {
                service->reload_again = true;
                return;
        }
        log_info("Reloading");
        begin(service);
        r = master_load_config(service->arguments, &config, &reason);
        r = r < 0 ? r : prepare(service, config, &reason);
        start_next(service, r, reason);
}

void reload_roll(struct service *service) {
        _cleanup_free_ char *reason = NULL, *text = NULL;
        struct config *config;
        int r;

        begin(service);
        r = config_save(service->current->config, &text);
        r = r < 0 ? r : config_restore(&config, text, &reason);
        r = r < 0 ? r : prepare(service, config, &reason);
        if (r >= 0)
                service->next->n_workers = service->current->n_workers;
        start_next(service, r, reason);
}
