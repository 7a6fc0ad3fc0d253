/* SPDX-License-Identifier: MIT */

/*
 * What each process may use: a cgroup of its own (cgroup.c), with the limits of the configuration where they can be
 * set.
 *
 * None of it is needed to serve, so nothing here keeps a process from starting. But a limit that was asked for and does
 * not hold is said, once.
 */

#include <errno.h>
#include <stdint.h>

#include "master/report.h"
#include "master/service.h"
#include "util/log.h"

struct limits {
        uint64_t high;
        uint64_t max;
};

/* The agent has none. */
static struct limits limits_of(const struct config *config, enum process_role role) {
        if (role == PROCESS_WORKER)
                return (struct limits){ config->worker.memory_high, config->worker.memory_max };
        if (role == PROCESS_COMPUTE)
                return (struct limits){ config->compute.memory_high, config->compute.memory_max };
        return (struct limits){ UINT64_MAX, UINT64_MAX };
}

static void warn_unlimited(struct service *service) {
        if (!service->unlimited)
                log_warning(0, "memory_high and memory_max do not hold: there is no memory controller here");
        service->unlimited = true;
}

void limits_open(struct service *service) {
        struct cgroup *cgroup = &service->cgroup;
        int r;

        r = cgroup_open(cgroup, "");
        if (r == -ENOENT)
                log_info("The processes get no cgroups of their own: there is no cgroup version 2");
        else if (r == -EPERM)
                log_info("The processes get no cgroups of their own: ours is not delegated (Delegate=yes)");
        else if (r == -EBADMSG)
                log_info("The processes get no cgroups of their own: ours is outside of our namespace");
        else if (r < 0)
                log_full(LOG_INFO, r, "The processes get no cgroups of their own: %m");
        else
                log_info("Each process gets a cgroup of its own below %s, %s the memory controller",
                         cgroup->path, cgroup->memory ? "with" : "without");
}

static void say_failure(struct service *service, int error, const char *name) {
        if (!service->cgroup_failed)
                log_warning(error, "Failed to set up the cgroup %s, ignoring: %m", name);
        service->cgroup_failed = true;
}

/* Returns the descriptor by which the process enters its cgroup, -1 when it has none. */
int limits_prepare(struct service *service, const struct generation *generation,
                   const struct position *position, char *ret_name) {
        struct limits limits = limits_of(generation->config, position->role);
        bool wanted = limits.high != UINT64_MAX || limits.max != UINT64_MAX;
        int r, fd;

        if (wanted && !service->cgroup.memory)
                warn_unlimited(service);
        r = cgroup_create(&service->cgroup, process_role_name(position->role), position->number,
                          generation->number, ret_name);
        if (r < 0)
                say_failure(service, r, "of a process");
        if (!ret_name[0])
                return -1;
        if (wanted) {
                r = cgroup_limit_memory(&service->cgroup, ret_name, limits.high, limits.max);
                if (r < 0)
                        say_failure(service, r, ret_name);
        }
        fd = cgroup_open_procs(&service->cgroup, ret_name);
        if (fd < 0)
                say_failure(service, -errno, ret_name);
        return fd;
}

/* Returns the descriptor by which detached children enter theirs, -1 when there are none or they have none. */
int limits_open_detached(struct service *service, const struct generation *generation) {
        int fd;

        if (!generation->config->worker.children || service->cgroup.fd < 0)
                return -1;
        fd = cgroup_open_detached(&service->cgroup);
        if (fd < 0)
                say_failure(service, -errno, CGROUP_DETACHED);
        return fd;
}

/* It has entered by itself, and could not tell if it failed. */
void limits_on_ready(struct service *service, const struct process *process) {
        if (!cgroup_is_populated(&service->cgroup, process->cgroup))
                say_failure(service, -ESRCH, process->cgroup);
}

/* The kernel may take a child of the application, and its parent lives on. What was seen at the last look already and has
 * not ended the process by now, was such a child. */
static void look_at(const struct cgroup *cgroup, struct process *process) {
        if (process->memory.oom_kills > process->oom_kills_said) {
                report_oom_below(process);
                process->oom_kills_said = process->memory.oom_kills;
        }
        cgroup_read_memory(cgroup, process->cgroup, &process->memory);
}

void limits_look(struct service *service) {
        if (service->cgroup.memory)
                LIST_FOREACH(node, &service->processes)
                        look_at(&service->cgroup, container_of(node, struct process, node));
        cgroup_sweep(&service->cgroup);
}

void limits_on_gone(struct service *service, struct process *process) {
        cgroup_read_memory(&service->cgroup, process->cgroup, &process->memory);
}
