/* SPDX-License-Identifier: MIT */

/*
 * Schedules in the control interface: how they are, and that they shall run now, pause or go on.
 *
 * Whoever lets one run gets the answer when that run is over, with what came of it.
 */

#include <errno.h>
#include <stdio.h>

#include "ipc/control.h"
#include "master/control.h"
#include "master/schedule-report.h"
#include "master/service.h"
#include "util/text.h"

/* In the order of enum muster_schedule_type and enum muster_overlap. */
static const char *const type_names[] = { "worker", "all" };
static const char *const overlap_names[] = { "skip", "queue", "allow" };

static const char *state_of(const struct schedule *schedule, unsigned int running) {
        if (running > 0)
                return "running";
        if (schedule->paused)
                return "paused";
        return now_monotonic() < schedule->held_until ? "held" : "waiting";
}

static int append_schedule(sd_bus_message *reply, const struct schedules *schedules, unsigned int index) {
        const struct schedule *schedule = &schedules->items[index];
        unsigned int running = schedules_ticks(schedules, index);
        char result[SCHEDULE_TEXT_SIZE + 128] = "";

        if (schedule->ended > 0)
                (void) schedule_format_result(schedule->how, schedule->result, schedule->text, result,
                                              sizeof(result));
        return sd_bus_message_append(
                reply, "a{sv}", 16, "Name", "s", schedule->declared.name, "When", "s",
                schedule->declared.when, "Type", "s", type_names[schedule->declared.type], "Overlap", "s",
                overlap_names[schedule->declared.overlap], "State", "s", state_of(schedule, running),
                "Paused", "b", (int) schedule->paused, "Running", "t", (uint64_t) running, "NextUsec", "t",
                schedule->paused ? UINT64_C(0) : schedule->next, "BeganUsec", "t", schedule->began,
                "EndedUsec", "t", schedule->ended, "TookUsec", "t", schedule->took, "Result", "s", result,
                "Runs", "t", schedule->n_runs, "Failures", "t", schedule->n_failures, "Skipped", "t",
                schedule->n_skipped, "Missed", "t", schedule->n_missed);
}

int control_get_schedules(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct schedules *schedules = &client->control->service->schedules;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (unsigned int i = 0; i < schedules->n && r >= 0; i++)
                r = append_schedule(reply, schedules, i);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* Which one a call means; -1 with the error set. */
static int read_name(sd_bus_message *message, const struct service *service, sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0) {
                (void) sd_bus_error_set_errno(error, r);
                return -1;
        }
        r = schedules_find(&service->schedules, name);
        if (r < 0)
                (void) sd_bus_error_setf(error, CONTROL_ERROR_UNKNOWN, "There is no schedule \"%.80s\"",
                                         name);
        return r;
}

static int set_pause(sd_bus_message *message, void *userdata, sd_bus_error *error, bool pause) {
        struct control_client *client = userdata;
        int index = read_name(message, client->control->service, error);

        if (index < 0)
                return -ENOENT; /* what is said is in the error */
        service_schedule_pause(client->control->service, (unsigned int) index, pause);
        return sd_bus_reply_method_return(message, NULL);
}

int control_schedule_pause(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return set_pause(message, userdata, error, true);
}

int control_schedule_resume(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        return set_pause(message, userdata, error, false);
}

int control_schedule_run(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        struct service *service = client->control->service;
        struct control_call *call;
        uint64_t serial;
        int index, r;

        index = read_name(message, service, error);
        if (index < 0)
                return -ENOENT;
        if (service->phase != PHASE_RUNNING)
                return sd_bus_error_set(error, CONTROL_ERROR_FAILED, "The service does not run");
        call = control_call_keep(client, message, error);
        if (!call)
                return -EBUSY;
        r = service_schedule_run(service, (unsigned int) index, &serial);
        if (r < 0) {
                control_call_fail(call, r == -EBUSY ? CONTROL_ERROR_BUSY : CONTROL_ERROR_FAILED,
                                  r == -EBUSY
                                          ? "It goes on already, and its overlap does not allow another run"
                                          : "There is no worker to run it");
                return 1;
        }
        call->tick = serial;
        control_schedule_look(service, "There is no worker to run it");
        return 1;
}

void control_schedule_finished(struct service *service, const struct schedule_tick *tick) {
        char result[SCHEDULE_TEXT_SIZE + 128];

        if (!service->control)
                return;
        LIST_FOREACH_SAFE(node, &service->control->calls) {
                struct control_call *call = container_of(node, struct control_call, node);

                if (call->tick != tick->serial)
                        continue;
                (void) schedule_format_result(tick->how, tick->result, tick->text, result, sizeof(result));
                (void) sd_bus_reply_method_return(call->message, "btsuu",
                                                  (int) (tick->n_failed == 0 && tick->n_ok > 0), tick->took,
                                                  result, tick->n_ok, tick->n_failed);
                control_call_free(call);
        }
}

void control_schedule_look(struct service *service, const char *reason) {
        if (!service->control)
                return;
        LIST_FOREACH_SAFE(node, &service->control->calls) {
                struct control_call *call = container_of(node, struct control_call, node);

                if (call->tick != 0 && !schedules_has_tick(&service->schedules, call->tick))
                        control_call_fail(call, CONTROL_ERROR_FAILED, reason);
        }
}
