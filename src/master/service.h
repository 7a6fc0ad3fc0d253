/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "config/config.h"
#include "ipc/scoreboard.h"
#include "master/pool.h"
#include "master/process.h"
#include "master/sockets.h"
#include "master/master.h"

/* The state of the master, shared by the files of this folder and by nobody else. */

enum phase {
        PHASE_AGENT,   /* waiting for the agent */
        PHASE_WORKERS, /* waiting for the workers */
        PHASE_RUNNING,
        PHASE_STOPPING, /* workers are draining */
        PHASE_STOPPING_AGENT,
};

/* A place that has to be filled: the agent's, or that of one worker. */
struct position {
        struct service *service;
        enum process_role role;
        int number;
        sd_event_source *timer; /* a start that is waiting for its time */
};

struct service {
        struct config *config;
        int config_fd;    /* the sealed copy for children */
        char *program[2]; /* by process_role */
        sd_event *event;
        struct sockets sockets;
        struct scoreboard scoreboard;
        bool *slots_used;

        enum phase phase;
        uint64_t generation;
        struct position agent;
        struct position *workers;
        unsigned int n_workers;
        struct list processes;
        struct pool_budget budget[2]; /* by process_role */
        bool limit_logged;

        bool worker_was_ready; /* any, ever */
        uint64_t restarts;
        uint64_t crashes;
        uint64_t requests_gone;  /* answered by processes that have ended */
        uint64_t requests_shown; /* at the last status line */
        usec_t shown_at;
        char *failure; /* why the service gives up */
        int exit_status;

        sd_event_source *stop_timer;
        sd_event_source *status_timer;
        sd_event_source *signals[5];
};

/* service.c: the pool of processes. */
int service_start_position(struct position *position);
void service_stop(struct service *service);
void service_fail(struct service *service, int exit_status, const char *format, ...) _printf_(3, 4);
unsigned int service_count(const struct service *service, enum process_role role, enum process_state state);

/* status.c: what systemd is told. */
void status_starting(struct service *service);
void status_ready(struct service *service);
void status_running(struct service *service);
void status_stopping(struct service *service);
void status_failed(struct service *service);
int status_watch(struct service *service);

/* reap.c: descendants that are not children of ours by birth. */
int reap_watch(struct service *service);
void reap_kill_all(void);
