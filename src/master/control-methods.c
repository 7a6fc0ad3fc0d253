/* SPDX-License-Identifier: MIT */

/*
 * The control interface itself: one object, its methods, properties and signals. musterctl(1) describes it.
 *
 * What takes its time is answered when it is done: the call is kept and the master goes on. A reload is such a
 * call; one that is asked for while another goes on waits for the next, which is the one that reads what the caller has
 * written.
 */

#include <errno.h>
#include <stdarg.h>

#include "config/config.h"
#include "ipc/control.h"
#include "master/control.h"
#include "master/service.h"
#include "util/log.h"
#include "util/text.h"

#define CALLS_MAX    8U  /* of one client that wait */
#define SIGNAL_QUEUE 16U /* a client that leaves more lying gets no signals */

/* ---- Calls that wait ---- */

struct control_call *control_call_keep(struct control_client *client, sd_bus_message *message,
                                       sd_bus_error *error) {
        struct control_call *call;

        if (client->n_calls >= CALLS_MAX) {
                (void) sd_bus_error_set(error, CONTROL_ERROR_LIMIT, "Too many calls are waiting already");
                return NULL;
        }
        call = calloc(1, sizeof(*call));
        if (!call) {
                (void) sd_bus_error_set_errno(error, -ENOMEM);
                return NULL;
        }
        *call = (struct control_call){ .client = client, .message = sd_bus_message_ref(message) };
        list_append(&client->control->calls, &call->node);
        client->n_calls++;
        return call;
}

struct control_call *control_call_free(struct control_call *call) {
        if (!call)
                return NULL;
        list_remove(&call->node);
        call->client->n_calls--;
        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}

void control_call_fail(struct control_call *call, const char *name, const char *text) {
        (void) sd_bus_reply_method_errorf(call->message, name, "%s", text);
        control_call_free(call);
}

void control_stopping(struct service *service) {
        if (!service->control)
                return;
        LIST_FOREACH_SAFE(node, &service->control->calls)
                control_call_fail(container_of(node, struct control_call, node), CONTROL_ERROR_STOPPING,
                                  "The service stops");
}

/* ---- Signals ---- */

/* A client that is there and reads what it gets. */
static bool is_listening(const struct control_client *client) {
        uint64_t n;

        return sd_bus_is_ready(client->bus) > 0 && sd_bus_get_n_queued_write(client->bus, &n) >= 0 &&
               n < SIGNAL_QUEUE;
}

void control_emit(struct control *control, const char *signal, const char *types, ...) {
        va_list arguments, copy;

        va_start(arguments, types);
        LIST_FOREACH(node, &control->clients) {
                const struct control_client *client = container_of(node, struct control_client, node);

                if (!is_listening(client))
                        continue;
                va_copy(copy, arguments);
                (void) sd_bus_emit_signalv(client->bus, CONTROL_OBJECT, CONTROL_INTERFACE, signal, types,
                                           copy);
                va_end(copy);
        }
        va_end(arguments);
}

static void tell_state(struct service *service, const struct process *process, const char *state) {
        control_emit(service->control, "ProcessChanged", "sixts", process_role_name(process->role),
                     process->number, (int64_t) process->pid, process->generation, state);
}

void control_process_changed(struct service *service, const struct process *process) {
        if (!service->control)
                return;
        tell_state(service, process, control_state_name(service, process));
        control_look(service, NULL);
}

void control_process_gone(struct service *service, const struct process *process) {
        if (!service->control)
                return;
        tell_state(service, process, "gone");
        control_look(service, process);
}

/* ---- Reload ---- */

static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        struct control_call *call;

        if (service_is_stopping(service))
                return sd_bus_error_set(error, CONTROL_ERROR_STOPPING, "The service stops");
        call = control_call_keep(client, message, error);
        if (!call)
                return -EBUSY; /* what is said is in the error */
        /* Whether it begins now or one goes on already */
        call->reload = service->n_reloads + 1;
        log_info("Told to reload on the control socket");
        reload_begin(service);
        return 1;
}

void control_reload_finished(struct service *service) {
        const char *failure = service->reload_failure;

        if (!service->control)
                return;
        control_emit(service->control, "ReloadFinished", "bts", failure == NULL, service->current->number,
                     failure ?: "");
        LIST_FOREACH_SAFE(node, &service->control->calls) {
                struct control_call *call = container_of(node, struct control_call, node);

                if (call->reload == 0 || call->reload > service->n_reloads)
                        continue;
                if (failure)
                        control_call_fail(call, CONTROL_ERROR_RELOAD, failure);
                else {
                        (void) sd_bus_reply_method_return(call->message, "t", service->current->number);
                        control_call_free(call);
                }
        }
}

/* ---- Configuration ---- */

static int append_setting(const char *section, const char *key, const char *value, const char *origin,
                          void *userdata) {
        _cleanup_free_ char *clean = strdup(value), *place = strdup(origin);

        if (!clean || !place)
                return -ENOMEM;
        return sd_bus_message_append(userdata, "(ssss)", section, key,
                                     text_make_utf8(text_hide_passwords(clean)), text_make_utf8(place));
}

static int method_get_configuration(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        r = r < 0 ? r : sd_bus_message_open_container(reply, 'a', "(ssss)");
        r = r < 0 ? r : config_each(client->control->service->current->config, append_setting, reply);
        r = r < 0 ? r : sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* ---- The interface ---- */

static const sd_bus_vtable interface[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_NAMES("Reload", NULL, , "t", SD_BUS_PARAM(generation), method_reload, 0),
        SD_BUS_METHOD_WITH_NAMES("Upgrade", NULL, , "ss", SD_BUS_PARAM(from) SD_BUS_PARAM(to),
                                 control_upgrade, 0),
        SD_BUS_METHOD_WITH_NAMES("AwaitUpgrade", NULL, , "ss", SD_BUS_PARAM(from) SD_BUS_PARAM(to),
                                 control_await_upgrade, 0),
        SD_BUS_METHOD_WITH_NAMES("ReplaceWorker", "t", SD_BUS_PARAM(number), "t", SD_BUS_PARAM(pid),
                                 control_replace_worker, 0),
        SD_BUS_METHOD_WITH_NAMES("StopWorker", "t", SD_BUS_PARAM(number), "t", SD_BUS_PARAM(number),
                                 control_stop_worker, 0),
        SD_BUS_METHOD_WITH_NAMES("Scale", "t", SD_BUS_PARAM(workers), "t", SD_BUS_PARAM(workers),
                                 control_scale, 0),
        SD_BUS_METHOD_WITH_NAMES("AddToQuarantine", "sst",
                                 SD_BUS_PARAM(kind) SD_BUS_PARAM(text) SD_BUS_PARAM(span), NULL, ,
                                 control_quarantine_add, 0),
        SD_BUS_METHOD_WITH_NAMES("LiftQuarantine", "t", SD_BUS_PARAM(number), NULL, ,
                                 control_quarantine_lift, 0),
        SD_BUS_METHOD_WITH_NAMES("LiftAllQuarantine", NULL, , "t", SD_BUS_PARAM(count),
                                 control_quarantine_lift_all, 0),
        SD_BUS_METHOD_WITH_NAMES("RunSchedule", "s", SD_BUS_PARAM(name), "btsuu",
                                 SD_BUS_PARAM(ok) SD_BUS_PARAM(took) SD_BUS_PARAM(result)
                                         SD_BUS_PARAM(succeeded) SD_BUS_PARAM(failed),
                                 control_schedule_run, 0),
        SD_BUS_METHOD_WITH_NAMES("PauseSchedule", "s", SD_BUS_PARAM(name), NULL, , control_schedule_pause,
                                 0),
        SD_BUS_METHOD_WITH_NAMES("ResumeSchedule", "s", SD_BUS_PARAM(name), NULL, , control_schedule_resume,
                                 0),
        SD_BUS_METHOD_WITH_NAMES("SendMessage", "ssay",
                                 SD_BUS_PARAM(to) SD_BUS_PARAM(action) SD_BUS_PARAM(data), "t",
                                 SD_BUS_PARAM(receivers), control_send_message, 0),
        SD_BUS_METHOD_WITH_NAMES("Monitor", "s", SD_BUS_PARAM(pattern), NULL, , control_monitor, 0),
        SD_BUS_METHOD_WITH_NAMES("GetConfiguration", NULL, , "a(ssss)", SD_BUS_PARAM(settings),
                                 method_get_configuration, 0),

        SD_BUS_PROPERTY("Instance", "s", control_get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Version", "s", control_get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Module", "s", control_get_text, 0, 0),
        SD_BUS_PROPERTY("State", "s", control_get_text, 0, 0),
        SD_BUS_PROPERTY("Status", "s", control_get_text, 0, 0),
        SD_BUS_PROPERTY("Pid", "t", control_get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("UptimeUsec", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("Generation", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("WorkersWanted", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("WorkersReady", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("WorkersStopped", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("Restarts", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("Requests", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("RequestsPerSecond", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("Messages", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("MessagesRelayed", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("MessagesDropped", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("Workers", "aa{sv}", control_get_workers, 0, 0),
        SD_BUS_PROPERTY("Agent", "a{sv}", control_get_agent, 0, 0),
        SD_BUS_PROPERTY("Broker", "a{sv}", control_get_broker, 0, 0),
        SD_BUS_PROPERTY("Computes", "aa{sv}", control_get_computes, 0, 0),
        SD_BUS_PROPERTY("Jobs", "a{sv}", control_get_jobs, 0, 0),
        SD_BUS_PROPERTY("Sockets", "aa{sv}", control_get_sockets, 0, 0),
        SD_BUS_PROPERTY("LastReload", "a{sv}", control_get_last_reload, 0, 0),
        SD_BUS_PROPERTY("LastUpgrade", "a{sv}", control_get_last_upgrade, 0, 0),
        SD_BUS_PROPERTY("RestartBudgets", "aa{sv}", control_get_budgets, 0, 0),
        SD_BUS_PROPERTY("Totals", "a{sv}", control_get_totals, 0, 0),
        SD_BUS_PROPERTY("Schedules", "aa{sv}", control_get_schedules, 0, 0),
        SD_BUS_PROPERTY("Quarantine", "aa{sv}", control_get_quarantine, 0, 0),
        SD_BUS_PROPERTY("QuarantineRefused", "t", control_get_number, 0, 0),
        SD_BUS_PROPERTY("Counters", "aa{sv}", control_get_counters, 0, 0),

        SD_BUS_SIGNAL_WITH_NAMES("ReloadFinished", "bts",
                                 SD_BUS_PARAM(ok) SD_BUS_PARAM(generation) SD_BUS_PARAM(reason), 0),
        SD_BUS_SIGNAL_WITH_NAMES("UpgradeFinished", "bs", SD_BUS_PARAM(ok) SD_BUS_PARAM(reason), 0),
        SD_BUS_SIGNAL_WITH_NAMES("ProcessChanged", "sixts",
                                 SD_BUS_PARAM(role) SD_BUS_PARAM(number) SD_BUS_PARAM(pid)
                                         SD_BUS_PARAM(generation) SD_BUS_PARAM(state),
                                 0),
        SD_BUS_SIGNAL_WITH_NAMES("MessagesPassed", "ta(tsixsxtstbay)",
                                 SD_BUS_PARAM(not_shown) SD_BUS_PARAM(messages), 0),
        SD_BUS_VTABLE_END,
};

/* What a client that takes us for a broker asks first. */
static int method_hello(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return sd_bus_reply_method_return(message, "s", ":1.1");
}

static const sd_bus_vtable broker[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Hello", NULL, , "s", SD_BUS_PARAM(name), method_hello, 0),
        SD_BUS_VTABLE_END,
};

int control_methods_add(struct control_client *client) {
        int r;

        r = sd_bus_add_object_vtable(client->bus, NULL, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     broker, client);
        return r < 0 ? r
                     : sd_bus_add_object_vtable(client->bus, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
                                                interface, client);
}
