/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "util/list.h"
#include "util/time.h"

/* The control interface: what an operator can ask and tell a running master. control.c holds the connections,
 * control-methods.c what can be told, control-status.c what can be asked. */

struct service;
struct process;
struct control;
struct monitor;
struct envelope;

/* What an earlier master of this service has left: its socket, and the directory it has made for it, or NULL. */
struct control_left {
        int fd;
        char *directory;
};

/* Opens the socket. A service without one serves all the same, so what goes wrong is logged and that is all. `left`, which
 * may be NULL, is taken over with its descriptor. */
void control_open(struct service *service, const struct control_left *left);
struct control *control_free(struct control *control);

/* control-access.c: whether a peer with these credentials may control a service that runs as `own`. */
bool control_may(const struct ucred *peer, uid_t own);

/* A reload has ended; whoever waits for it is told. */
void control_reload_finished(struct service *service);

/* An upgrade has ended; the same. */
void control_upgrade_finished(struct service *service);

/* A run of a schedule is over; whoever waits for it is told. */
struct schedule_tick;
void control_schedule_finished(struct service *service, const struct schedule_tick *tick);

/* Ticks may be gone without an end: who waits for one is told why. */
void control_schedule_look(struct service *service, const char *reason);

/* The service stops: calls that wait are answered so. */
void control_stopping(struct service *service);

/* A worker or the agent has changed its state, or has gone: told as a signal to whoever listens, and to whoever waits for
 * it. */
void control_process_changed(struct service *service, const struct process *process);
void control_process_gone(struct service *service, const struct process *process);

/* One could not be started. */
void control_start_failed(struct service *service, const struct process *process, const char *reason);

/* A message of `from`, NULL for none of ours, has been given to as many processes, the last of which had that pid. To be called
 * only while service->n_monitors is not 0. */
void control_message_passed(struct service *service, const struct process *from,
                            const struct envelope *envelope, unsigned int receivers, pid_t last);

/* ---- Shared by the files of this part ---- */

struct control_client {
        struct list node;
        struct control *control;
        sd_bus *bus;
        sd_event_source *timer;  /* until it has authenticated */
        usec_t active;           /* when it came, or last asked something */
        unsigned int n_calls;    /* that wait */
        struct monitor *monitor; /* of the messages that pass, or NULL */
};

/* For what a call waits, beside a reload. */
enum control_wait {
        CONTROL_WAIT_NOTHING,
        CONTROL_WAIT_REPLACED, /* a worker is ready that is another than before */
        CONTROL_WAIT_STOPPED,  /* a worker has gone */
        CONTROL_WAIT_FULL,     /* as many workers are ready as are wanted */
};

/* A call that is answered later. */
struct control_call {
        struct list node;
        struct control_client *client;
        sd_bus_message *message;
        uint64_t reload; /* the one it waits for */
        enum control_wait wait;
        uint64_t number; /* of a worker */
        pid_t pid;       /* that it had */
        bool upgrade;    /* it waits for that */
        uint64_t tick;   /* of a schedule that it waits for, 0: none */
};

struct control {
        struct service *service;
        char *directory; /* that we have made, and remove; or NULL */
        char *path;      /* of the socket */
        int fd;
        sd_event_source *accept;
        sd_event_source *pause; /* accepting is off until then */
        sd_event_source *monitor_timer;
        struct list clients;
        unsigned int n_clients;
        struct list calls;
};

/* Offers the interface on a connection. */
int control_methods_add(struct control_client *client);

/* Keeps a call to be answered later. Returns NULL, and sets the error, when it can't wait. */
struct control_call *control_call_keep(struct control_client *client, sd_bus_message *message,
                                       sd_bus_error *error);

/* Answers it with an error, and frees it. */
void control_call_fail(struct control_call *call, const char *name, const char *text);

/* Sends a signal to all clients that read what they get. */
void control_emit(struct control *control, const char *signal, const char *types, ...);

/* Ends a wait, with or without an answer having been sent. */
struct control_call *control_call_free(struct control_call *call);

/* What the vtable in control-methods.c names. */
typedef int control_getter_t(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error);
typedef int control_method_t(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* control-status.c */
control_getter_t control_get_text, control_get_number, control_get_workers, control_get_agent,
        control_get_sockets, control_get_budgets, control_get_last_reload, control_get_totals;

/* control-broker.c */
control_getter_t control_get_broker;
/* What its slot and the kernel say of a process; it in a reply; a position that has none. */
struct position;
struct process;
struct slot;
struct usage;
void control_look_at(const struct service *service, const struct process *process, struct slot *ret_slot,
                     struct usage *ret_usage);
int control_append_process(sd_bus_message *reply, const struct service *service,
                           const struct process *process, const struct slot *slot,
                           const struct usage *usage);
int control_append_vacant(sd_bus_message *reply, const char *label, const struct position *position);

/* control-compute.c */
control_getter_t control_get_computes, control_get_jobs;

/* control-counters.c */
control_getter_t control_get_counters;

/* control-quarantine.c */
control_getter_t control_get_quarantine;
control_method_t control_quarantine_add, control_quarantine_lift, control_quarantine_lift_all;

/* control-schedule.c */
control_getter_t control_get_schedules;
control_method_t control_schedule_run, control_schedule_pause, control_schedule_resume;

/* control-upgrade.c */
control_getter_t control_get_last_upgrade;
control_method_t control_upgrade, control_await_upgrade;

/* control-messages.c */
control_method_t control_send_message, control_monitor;
void control_monitor_end(struct control_client *client);

/* control-workers.c */
control_method_t control_replace_worker, control_stop_worker, control_scale;

/* Looks whether what calls wait for has come. `gone`, which may be NULL, does not count any more. */
void control_look(struct service *service, const struct process *gone);

/* "starting", "running", "reloading", "stopping". */
const char *control_service_state(const struct service *service);

/* The agent of the present generation; while there is none, the one that is there, or NULL. */
const struct process *control_find_agent(const struct service *service);

/* The name of what a process is doing: "starting", "ready", "draining", "crashed". */
const char *control_state_name(const struct service *service, const struct process *process);
