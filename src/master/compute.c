/* SPDX-License-Identifier: MIT */

/*
 * The compute processes: started with the workers, kept at their number, replaced like them.
 *
 * They are there before anybody needs them: the service is ready when they are, and a reload has those of the next
 * generation ready before the first worker of it. An application that has nothing to offload gets none; the agent, which
 * is the first to load the module, says so.
 *
 * A job runs in the generation it comes from, since the module of another may do something else under the same
 * name. So the processes of an old generation stay as long as anybody of it is left who could offload (a worker that
 * drains), and leave then. That one rule serves a reload that succeeds and one that fails, and an upgrade.
 *
 * A process that is ended in the middle of a job that nobody wants any more is no loss, and its place is filled at
 * once; one that crashes is, and spends the budget of its role, which is not that of the workers: computing
 * may have to wait then, serving does not.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "master/recycle.h"
#include "master/service.h"
#include "util/cpu.h"
#include "util/log.h"
#include "util/parse.h"

static struct generation *generation_of(struct service *service, const struct process *process) {
        if (service->next && process->generation == service->next->number)
                return service->next;
        return process->generation == service->current->number ? service->current : NULL;
}

int compute_plan(struct service *service, const struct process *agent) {
        struct generation *generation = generation_of(service, agent);
        unsigned int n;

        if (!generation || !agent->has_tasks)
                return 0;
        n = generation->config->compute.processes;
        generation->n_computes = n == UINT_MAX ? MIN(cpu_available(), CONFIG_COMPUTE_MAX) : n;
        return service_reserve_positions(service, PROCESS_COMPUTE, generation->n_computes);
}

void compute_start(struct service *service) {
        for (unsigned int i = 0; i < service->current->n_computes && !service_is_stopping(service); i++)
                service_start_now(&service->computes[i]);
}

/* ---- Generations ---- */

static const struct process *find(const struct service *service, int number, uint64_t generation) {
        LIST_FOREACH(node, (struct list *) &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_COMPUTE && process->number == number &&
                    process->generation == generation && process->state != PROCESS_LEAVING)
                        return process;
        }
        return NULL;
}

static bool has_position(const struct service *service, const struct generation *generation,
                         unsigned int number) {
        const struct process *process = find(service, (int) number, generation->number);

        return process && process->state == PROCESS_READY;
}

bool compute_is_ready(const struct service *service, const struct generation *generation) {
        for (unsigned int i = 0; i < generation->n_computes; i++)
                if (!has_position(service, generation, i))
                        return false;
        return true;
}

int compute_roll(struct service *service, struct generation *next) {
        for (unsigned int i = 0; i < next->n_computes; i++) {
                int r;

                if (find(service, (int) i, next->number))
                        continue;
                r = service_spawn(&service->computes[i], next);
                if (r < 0)
                        return r;
        }
        return compute_is_ready(service, next);
}

/* Whether there is somebody of the generation who could offload. */
static bool is_needed(const struct service *service, uint64_t generation) {
        if (generation == service->current->number)
                return true;
        LIST_FOREACH(node, (struct list *) &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_COMPUTE && process->generation == generation)
                        return true;
        }
        return service->next && generation == service->next->number;
}

void compute_dismiss(struct service *service) {
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_COMPUTE || process->state == PROCESS_LEAVING)
                        continue;
                if (!is_needed(service, process->generation))
                        process_leave(process, MESSAGE_DRAIN);
        }
}

/* ---- Recycling ---- */

static void retire(struct process *process, enum recycle_reason reason) {
        char name[32];

        if (reason == RECYCLE_REQUESTS)
                log_info("Replacing the %s (pid %d): it has done %" PRIu64 " jobs",
                         process_name(process, name, sizeof(name)), process->pid, process->jobs_given);
        else
                log_info("Replacing the %s (pid %d): it takes %" PRIu64 "K of memory",
                         process_name(process, name, sizeof(name)), process->pid, process->usage.rss / 1024);
        process->retiring = true;
        process->replace_again = 0;
}

void compute_recycle(struct service *service, usec_t now) {
        const struct config *config = service->current->config;
        const struct recycle_limits limits = {
                .requests = config->compute.max_jobs,
                .age = USEC_NEVER,
                .rss = config->compute.max_rss,
        };
        struct recycle_candidate candidates[CONFIG_COMPUTE_MAX];
        struct process *processes[CONFIG_COMPUTE_MAX];
        enum recycle_reason reason;
        size_t n = 0, i;

        if (replace_is_going_on(service))
                return;
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_COMPUTE || process->state != PROCESS_READY ||
                    process->generation != service->current->number || n == ELEMENTSOF(candidates))
                        continue;
                processes[n] = process;
                candidates[n++] = (struct recycle_candidate){
                        .seed = (unsigned int) process->number,
                        .age = now - process->started,
                        .requests = process->jobs_given,
                        .rss = process->usage.rss,
                        .rss_first = process->usage.rss_first,
                };
        }
        reason = recycle_choose(&limits, candidates, n, &i);
        if (reason == RECYCLE_NONE)
                return;
        retire(processes[i], reason);
        replace_proceed(service);
}
