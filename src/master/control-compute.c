/* SPDX-License-Identifier: MIT */

/*
 * Compute processes and jobs in the control interface.
 */

#include "master/control.h"
#include "master/service.h"

static int append_compute(sd_bus_message *reply, const struct service *service,
                          const struct process *process) {
        struct usage usage;
        struct slot slot;
        int r;

        control_look_at(service, process, &slot, &usage);
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        r = r < 0 ? r : sd_bus_message_append(reply, "{sv}", "Compute", "t", (uint64_t) process->number);
        r = r < 0 ? r : control_append_process(reply, service, process, &slot, &usage);
        r = r < 0 ? r
                  : sd_bus_message_append(reply, "{sv}{sv}", "Jobs", "t", process->jobs_given, "Restarts",
                                          "t", service->computes[process->number].restarts);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_position(sd_bus_message *reply, const struct service *service, int number) {
        bool found = false;
        int r = 0;

        LIST_FOREACH(node, (struct list *) &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_COMPUTE || process->number != number || r < 0)
                        continue;
                found = true;
                r = append_compute(reply, service, process);
        }
        if (r < 0 || found || number >= (int) service->current->n_computes)
                return r;
        return control_append_vacant(reply, "Compute", &service->computes[number]);
}

int control_get_computes(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct service *service = client->control->service;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; i < service->n_compute_positions && r >= 0; i++)
                r = append_position(reply, service, (int) i);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int control_get_jobs(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct compute *compute = &client->control->service->compute;
        const struct compute_counts *counts = &compute->counts;

        return sd_bus_message_append(reply, "a{sv}", 7, "Waiting", "t", (uint64_t) compute->queue.n_waiting,
                                     "Running", "t", (uint64_t) compute->queue.n_running, "Done", "t",
                                     counts->done, "Crashed", "t", counts->crashed, "Late", "t",
                                     counts->late, "Refused", "t", counts->refused, "Cancelled", "t",
                                     counts->cancelled);
}
