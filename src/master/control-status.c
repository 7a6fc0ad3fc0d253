/* SPDX-License-Identifier: MIT */

/*
 * What is shown of a running service: the properties of the control interface.
 *
 * Everything is taken at the moment somebody asks; nothing is kept for it but what the master knows anyway. What has
 * several facts is a dictionary, so that a later version can add one without breaking a reader. Numbers are 64 bits wide,
 * spans are in microseconds, sizes in bytes. What processes say of themselves comes out of their slots by
 * scoreboard_read(), which lets only text through that may be shown.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "master/control.h"
#include "master/service.h"
#include "util/text.h"

/* ---- The service ---- */

const char *control_service_state(const struct service *service) {
        if (service_is_stopping(service))
                return "stopping";
        if (service->phase < PHASE_RUNNING)
                return "starting";
        return service->next ? "reloading" : "running";
}

int control_get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        char buffer[1024] = PACKAGE_VERSION;

        if (streq(property, "Instance"))
                (void) snprintf(buffer, sizeof(buffer), "%s", service->current->config->instance);
        else if (streq(property, "Module"))
                (void) snprintf(buffer, sizeof(buffer), "%s", service->current->config->muster.module);
        else if (streq(property, "State"))
                (void) snprintf(buffer, sizeof(buffer), "%s", control_service_state(service));
        else if (streq(property, "Status"))
                status_format(service, buffer, sizeof(buffer));
        return sd_bus_message_append(reply, "s", text_make_utf8(buffer));
}

static uint64_t get_pid(const struct service *service) {
        return (uint64_t) getpid();
}

static uint64_t get_uptime(const struct service *service) {
        return now_monotonic() - service->started;
}

static uint64_t get_generation(const struct service *service) {
        return service->current->number;
}

static uint64_t get_wanted(const struct service *service) {
        return service->current->n_workers;
}

static uint64_t get_ready(const struct service *service) {
        return service_count(service, PROCESS_WORKER, PROCESS_READY);
}

static uint64_t get_stopped(const struct service *service) {
        return service_stopped(service);
}

static uint64_t get_restarts(const struct service *service) {
        return service->restarts;
}

static uint64_t get_rate(const struct service *service) {
        return service->rate;
}

static uint64_t get_messages(const struct service *service) {
        return service->route.messages;
}

static uint64_t get_relayed(const struct service *service) {
        return service->route.relayed;
}

static uint64_t get_dropped(const struct service *service) {
        return service->route.dropped;
}

static const struct {
        const char *property;
        uint64_t (*get)(const struct service *service);
} numbers[] = {
        { "Pid", get_pid },
        { "UptimeUsec", get_uptime },
        { "Generation", get_generation },
        { "WorkersWanted", get_wanted },
        { "WorkersReady", get_ready },
        { "WorkersStopped", get_stopped },
        { "Restarts", get_restarts },
        { "Requests", status_requests },
        { "RequestsPerSecond", get_rate },
        { "Messages", get_messages },
        { "MessagesRelayed", get_relayed },
        { "MessagesDropped", get_dropped },
        { "QuarantineRefused", service_quarantine_refused },
};

int control_get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(numbers[i].property, property))
                        return sd_bus_message_append(reply, "t", numbers[i].get(client->control->service));
        return -ENXIO;
}

/* ---- Processes ---- */

const char *control_state_name(const struct service *service, const struct process *process) {
        struct slot slot;

        if (process->state == PROCESS_STARTING)
                return "starting";
        if (process->state == PROCESS_READY)
                return "ready";
        if (!process->asked && scoreboard_read(&service->scoreboard, process->slot, &slot) >= 0 &&
            slot.crash.stage != CRASH_NONE)
                return "crashed";
        return "draining";
}

/* What its slot and the kernel say of it now, as far as it can be believed. The share in which it was busy is that of
 * the last whole second. */
void control_look_at(const struct service *service, const struct process *process, struct slot *ret_slot,
                     struct usage *ret_usage) {
        *ret_usage = process->usage;
        service_read_slot(service, process, ret_slot);
        if (ret_slot->pid == process->pid)
                usage_update(ret_usage, ret_slot, process->started, now_monotonic());
        ret_usage->business = process->usage.business;
        usage_update_rss(ret_usage, process->pid);
}

int control_append_process(sd_bus_message *reply, const struct service *service,
                           const struct process *process, const struct slot *slot,
                           const struct usage *usage) {
        return sd_bus_message_append(
                reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "Pid", "t",
                (uint64_t) process->pid, "State", "s", control_state_name(service, process), "Generation",
                "t", process->generation, "UptimeUsec", "t", now_monotonic() - process->started, "BusyUsec",
                "t", usage->busy, "BusyPercent", "d", (double) usage->business / 10, "Rss", "t", usage->rss,
                "Faults", "t", (uint64_t) slot->crash.count, "Route", "s", slot->route, "MessagesSent", "t",
                process->messages.sent, "MessagesReceived", "t", process->messages.received,
                "MessagesDropped", "t", process->messages.dropped);
}

static int append_worker(sd_bus_message *reply, const struct service *service,
                         const struct process *process) {
        struct usage usage;
        struct slot slot;
        int r;

        control_look_at(service, process, &slot, &usage);
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        r = r < 0 ? r : sd_bus_message_append(reply, "{sv}", "Worker", "t", (uint64_t) process->number);
        r = r < 0 ? r : control_append_process(reply, service, process, &slot, &usage);
        r = r < 0 ? r
                  : sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "Requests", "t", slot.requests,
                                          "Errors", "t", slot.errors, "Connections", "t",
                                          (uint64_t) slot.connections, "InFlight", "t",
                                          (uint64_t) slot.in_flight, "Restarts", "t",
                                          service->workers[process->number].restarts);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* A position that has no process. */
int control_append_vacant(sd_bus_message *reply, const char *label, const struct position *position) {
        uint64_t when = 0, now = now_monotonic(), wait = 0;

        if (position->timer && sd_event_source_get_time(position->timer, &when) >= 0 && when > now)
                wait = when - now;
        return sd_bus_message_append(reply, "a{sv}", 4, label, "t", (uint64_t) position->number, "State",
                                     "s",
                                     position->stopped ? "stopped"
                                     : position->timer ? "waiting"
                                                       : "missing",
                                     "StartsInUsec", "t", wait, "Restarts", "t", position->restarts);
}

static int append_position(sd_bus_message *reply, const struct service *service, int number) {
        bool found = false;
        int r = 0;

        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_WORKER || process->number != number || r < 0)
                        continue;
                found = true;
                r = append_worker(reply, service, process);
        }
        if (r < 0 || found || number >= (int) service->current->n_workers)
                return r;
        return control_append_vacant(reply, "Worker", &service->workers[number]);
}

int control_get_workers(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < service->n_positions && r >= 0; i++)
                r = append_position(reply, service, (int) i);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

const struct process *control_find_agent(const struct service *service) {
        const struct process *found = NULL;

        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_AGENT &&
                    (!found || process->generation == service->current->number))
                        found = process;
        }
        return found;
}

int control_get_agent(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        const struct process *agent = control_find_agent(service);
        struct usage usage;
        struct slot slot;
        int r;

        if (agent)
                control_look_at(service, agent, &slot, &usage);
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = agent ? control_append_process(reply, service, agent, &slot, &usage)
                          : sd_bus_message_append(reply, "{sv}", "State", "s",
                                                  service->agent.timer ? "waiting" : "missing");
        r = r < 0 ? r : sd_bus_message_append(reply, "{sv}", "Restarts", "t", service->agent.restarts);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* ---- Sockets ---- */

/* How many connections wait to be accepted, and how many may; zeros where the kernel does not say. */
static void queue_of(int fd, uint64_t *ret_waiting, uint64_t *ret_backlog) {
        struct tcp_info info = {};
        socklen_t size = sizeof(info);

        *ret_waiting = *ret_backlog = 0;
        if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
                return;
        *ret_waiting = info.tcpi_unacked;
        *ret_backlog = info.tcpi_sacked;
}

int control_get_sockets(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct sockets *sockets = &client->control->service->current->sockets;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < sockets->n && r >= 0; i++) {
                uint64_t waiting, backlog;
                char address[160], name[256];

                sockets_describe(sockets->fds[i], address, sizeof(address));
                queue_of(sockets->fds[i], &waiting, &backlog);
                (void) snprintf(name, sizeof(name), "%s", sockets->names[i]);
                r = sd_bus_message_append(reply, "a{sv}", 4, "Name", "s", text_make_utf8(name), "Address",
                                          "s", text_make_utf8(address), "Waiting", "t", waiting, "Backlog",
                                          "t", backlog);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* ---- Supervision ---- */

int control_get_last_reload(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        const char *result = service->reload_failure ? "failed" : service->reload_ended ? "ok" : "none";

        return sd_bus_message_append(reply, "a{sv}", 5, "Count", "t", service->n_reloads, "Result", "s",
                                     result, "Reason", "s", service->reload_failure ?: "", "EndedUsec", "t",
                                     service->reload_ended, "TookUsec", "t", service->reload_took);
}

int control_get_budgets(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        static const char *const roles[] = { [PROCESS_AGENT] = "agent",
                                             [PROCESS_WORKER] = "workers",
                                             [PROCESS_COMPUTE] = "compute processes" };
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        usec_t now = now_monotonic();
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < ELEMENTSOF(roles) && r >= 0; i++) {
                const struct pool_budget *budget = &service->budget[i];

                if (i == PROCESS_COMPUTE && service->n_compute_positions == 0)
                        continue;
                r = sd_bus_message_append(reply, "a{sv}", 4, "For", "s", roles[i], "Left", "t",
                                          (uint64_t) pool_budget_left(budget, now), "Limit", "t",
                                          (uint64_t) budget->limit, "IntervalUsec", "t", budget->interval);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int control_get_totals(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct state_totals *totals = &client->control->service->state.totals;

        return sd_bus_message_append(reply, "a{sv}", 5, "SinceUsec", "t", totals->since, "Starts", "t",
                                     totals->starts, "Restarts", "t", totals->restarts, "Crashes", "t",
                                     totals->crashes, "Requests", "t", totals->requests);
}
