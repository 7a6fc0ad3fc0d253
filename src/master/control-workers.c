/* SPDX-License-Identifier: MIT */

/*
 * Workers in the control interface: one in the place of another, a place emptied, another number of them.
 *
 * Each answers when it is done and not when it has begun, so a call waits and is looked at again whenever a process
 * gets ready, has gone or could not be started. It never asks for a process by its place in memory: what it waits for
 * is said in numbers and pids, which stay true whatever happens meanwhile.
 */

#include <errno.h>
#include <inttypes.h>

#include "ipc/control.h"
#include "master/control.h"
#include "master/service.h"

static const struct process *find_ready(const struct service *service, unsigned int number) {
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_WORKER && process->state == PROCESS_READY &&
                    process->number == (int) number)
                        return process;
        }
        return NULL;
}

/* ---- Waiting ---- */

/* Somebody else is ready in its place. */
static bool is_replaced(const struct service *service, const struct control_call *call, pid_t *ret_pid) {
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role != PROCESS_WORKER || process->state != PROCESS_READY ||
                    process->number != (int) call->number || process->pid == call->pid)
                        continue;
                *ret_pid = process->pid;
                return true;
        }
        return false;
}

static bool is_there(const struct service *service, pid_t pid, const struct process *except) {
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->pid == pid)
                        return process != except;
        }
        return false;
}

static bool is_full(const struct service *service) {
        unsigned int n = 0;

        for (unsigned int i = 0; i < service->current->n_workers; i++)
                n += find_ready(service, i) != NULL;
        return n + service_stopped(service) >= service->current->n_workers;
}

static void answer(struct control_call *call, uint64_t number) {
        (void) sd_bus_reply_method_return(call->message, "t", number);
        control_call_free(call);
}

static void look(const struct service *service, struct control_call *call, const struct process *gone) {
        pid_t pid;

        switch (call->wait) {
        case CONTROL_WAIT_REPLACED:
                if (is_replaced(service, call, &pid))
                        answer(call, (uint64_t) pid);
                else if (call->number >= service->current->n_workers ||
                         service->workers[call->number].stopped)
                        control_call_fail(call, CONTROL_ERROR_FAILED, "The worker is not wanted any more");
                break;
        case CONTROL_WAIT_STOPPED:
                if (!is_there(service, call->pid, gone))
                        answer(call, call->number);
                break;
        case CONTROL_WAIT_FULL:
                if (is_full(service))
                        answer(call, service->current->n_workers);
                break;
        default:
                break;
        }
}

void control_look(struct service *service, const struct process *gone) {
        if (!service->control)
                return;
        LIST_FOREACH_SAFE(node, &service->control->calls)
                look(service, container_of(node, struct control_call, node), gone);
}

void control_start_failed(struct service *service, const struct process *process, const char *reason) {
        if (!service->control || process->role != PROCESS_WORKER)
                return;
        LIST_FOREACH_SAFE(node, &service->control->calls) {
                struct control_call *call = container_of(node, struct control_call, node);

                if (call->wait == CONTROL_WAIT_FULL ||
                    (call->wait == CONTROL_WAIT_REPLACED && (int) call->number == process->number))
                        control_call_fail(call, CONTROL_ERROR_FAILED, reason);
        }
}

/* ---- The methods ---- */

static int refuse(const struct service *service, uint64_t number, int error, sd_bus_error *ret) {
        if (error == -ENOENT)
                return sd_bus_error_setf(ret, CONTROL_ERROR_UNKNOWN,
                                         "There is no worker %" PRIu64 ", they are 0 to %u", number,
                                         service->current->n_workers - 1);
        if (error == -EAGAIN)
                return sd_bus_error_setf(ret, CONTROL_ERROR_BUSY, "The service is %s",
                                         control_service_state(service));
        if (error == -EALREADY)
                return sd_bus_error_setf(ret, CONTROL_ERROR_FAILED, "Worker %" PRIu64 " is stopped already",
                                         number);
        if (error == -EBUSY)
                return sd_bus_error_setf(ret, CONTROL_ERROR_FAILED,
                                         "Worker %" PRIu64 " is the last one that is ready", number);
        return error;
}

/* The number of a position that there is, and the worker that is ready there, or NULL. */
static int read_worker(sd_bus_message *message, const struct service *service, unsigned int *ret_number,
                       const struct process **ret_process, sd_bus_error *error) {
        uint64_t number;
        int r;

        r = sd_bus_message_read(message, "t", &number);
        if (r < 0)
                return r;
        if (number >= service->current->n_workers)
                return refuse(service, number, -ENOENT, error);
        *ret_number = (unsigned int) number;
        *ret_process = find_ready(service, *ret_number);
        return 0;
}

int control_replace_worker(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        const struct process *process = NULL;
        struct control_call *call;
        unsigned int number = 0;
        int r;

        r = read_worker(message, service, &number, &process, error);
        if (r < 0)
                return r;
        call = control_call_keep(client, message, error);
        if (!call)
                return -EBUSY; /* what is said is in the error */
        call->wait = CONTROL_WAIT_REPLACED;
        call->number = number;
        /* One that a reload has just put there is another than before. */
        if (process && !(service->next && process->generation == service->next->number))
                call->pid = process->pid;
        r = service_replace(service, number, "an operator wants it");
        if (r < 0) {
                control_call_free(call);
                return refuse(service, number, r, error);
        }
        control_look(service, NULL);
        return 1;
}

int control_stop_worker(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        const struct process *process = NULL;
        struct control_call *call;
        unsigned int number = 0;
        int r;

        r = read_worker(message, service, &number, &process, error);
        if (r < 0)
                return r;
        r = service_stop_worker(service, number);
        if (r < 0)
                return refuse(service, number, r, error);
        call = control_call_keep(client, message, error);
        if (!call)
                return -EBUSY; /* what is said is in the error */
        call->wait = CONTROL_WAIT_STOPPED;
        call->number = number;
        call->pid = process ? process->pid : 0;
        look(service, call, NULL);
        return 1;
}

int control_scale(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        _cleanup_free_ char *reason = NULL;
        struct control_call *call;
        uint64_t n;
        int r;

        r = sd_bus_message_read(message, "t", &n);
        if (r < 0)
                return r;
        r = service_scale(service, (unsigned int) MIN(n, (uint64_t) UINT32_MAX), &reason);
        if (r < 0)
                return sd_bus_error_setf(error, CONTROL_ERROR_FAILED, "Cannot scale to %" PRIu64 ": %s", n,
                                         reason ?: "out of memory");
        call = control_call_keep(client, message, error);
        if (!call)
                return -EBUSY; /* what is said is in the error */
        call->wait = CONTROL_WAIT_FULL;
        look(service, call, NULL);
        return 1;
}
