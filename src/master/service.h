/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "config/config.h"
#include "ipc/scoreboard.h"
#include "master/cgroup.h"
#include "master/compute.h"
#include "master/control.h"
#include "master/pool.h"
#include "master/process.h"
#include "master/quarantine.h"
#include "master/route.h"
#include "master/scale.h"
#include "master/schedule.h"
#include "master/service-schedule.h"
#include "master/sockets.h"
#include "master/state.h"
#include "master/handover.h"
#include "master/master.h"
#include "master/upgrade.h"
#include "master/watch.h"

/* The state of the master, shared by the files of this folder and by nobody else. */

enum phase {
        PHASE_AGENT,   /* waiting for the agent */
        PHASE_WORKERS, /* waiting for the workers */
        PHASE_RUNNING,
        PHASE_STOPPING, /* workers are draining */
        PHASE_STOPPING_AGENT,
};

/* One reading of the configuration, and what was made of it. */
struct generation {
        uint64_t number;
        struct config *config;
        int config_fd;          /* the sealed copy for children */
        unsigned int n_workers; /* wanted now, within the bounds unless an operator said otherwise */
        unsigned int n_computes;
        struct scale_bounds bounds;
        struct sockets sockets;         /* what it listens on */
        struct schedule_list schedules; /* what its agent has declared */
};

/* A place that has to be filled: the agent's, or that of one worker or compute process. */
struct position {
        struct service *service;
        enum process_role role;
        int number;
        uint64_t restarts;
        sd_event_source *timer; /* a start that is waiting for its time */
        bool stopped;           /* an operator wants it empty */
};

struct service {
        const struct master_arguments *arguments; /* not owned */
        struct generation *current;               /* what serves */
        struct generation *next;                  /* what a reload is trying, or NULL */
        char *program[_PROCESS_ROLE_MAX];         /* by process_role */
        char *master_program;                     /* our own, as it is installed now */
        sd_event *event;
        struct scoreboard scoreboard;
        bool *slots_used;
        struct state state; /* totals that outlive this master */
        struct cgroup cgroup;
        bool cgroup_failed; /* that was said, */
        bool unlimited;     /* and that limits do not hold */
        bool counters_lost; /* and that there are too many counters */

        enum phase phase;
        struct position agent;
        struct position *workers;
        size_t n_positions; /* of workers: the most any generation had */
        struct position *computes;
        size_t n_compute_positions; /* likewise */
        struct list processes;
        struct pool_budget budget[_PROCESS_ROLE_MAX]; /* by process_role */
        struct quarantine quarantine;
        struct route route;
        struct schedules schedules;
        struct compute compute;

        bool worker_was_ready; /* any, ever */
        usec_t started;
        uint64_t restarts;
        uint64_t requests_gone;  /* answered by processes that have ended */
        uint64_t refused_gone;   /* of them, those that were in quarantine */
        uint64_t requests_shown; /* at the last look */
        usec_t shown_at;
        uint64_t rate; /* requests per second before it */
        char *failure; /* why the service gives up */
        uint64_t n_reloads;
        unsigned int reload_losses; /* ready workers of the next generation that were lost */
        bool reload_again;          /* another was asked for while one goes on */
        char *reload_failure;       /* why the last one failed, or NULL */
        usec_t reload_began;        /* monotonic */
        usec_t reload_ended;        /* realtime; 0: there was none */
        usec_t reload_took;
        int exit_status;
        struct upgrade upgrade;

        struct control *control; /* NULL: it can't be controlled */
        unsigned int n_monitors; /* clients of it that watch the messages */
        struct scale scale;
        usec_t round_at;     /* the last round of upkeep.c */
        usec_t active_at;    /* the last one that saw any request or connection */
        uint64_t large_told; /* the generation of which it was said that max_rss is too small */
        struct watch watch;
        sd_event_source *watch_timer;

        bool hurried; /* told to stop twice */
        sd_event_source *stop_timer;
        sd_event_source *status_timer;
        sd_event_source *quarantine_timer;
        sd_event_source *stop_signals[3];
        sd_event_source *hangup;
        sd_event_source *upgrade_signal;
        sd_event_source *sigchld;
        sd_event_source *round_timer;
        sd_event_source *replace_timer;
        sd_event_source *refused; /* a system call of our own */
};

/* generation.c: configurations. */
int generation_new(struct generation **ret, uint64_t number, struct config *config);

/* Takes NULL, returns NULL. Its sockets are given up but for those that `heir`, which may be NULL, has too. */
struct generation *generation_free(struct generation *generation, const struct generation *heir);

/* Gives keys that a reload cannot change the value they have, and logs it. */
void generation_keep_fixed(const struct config *current, struct config *next);

/* service.c: the pool of processes. */
int service_spawn(struct position *position, const struct generation *generation);
int service_start_agent(struct service *service);
void service_fail(struct service *service, int exit_status, const char *format, ...) _printf_(3, 4);
unsigned int service_count(const struct service *service, enum process_role role, enum process_state state);

/* The slot as it can be believed; an empty one where it can't. */
void service_read_slot(const struct service *service, const struct process *process, struct slot *ret);

/* What the processes tell the service; `userdata` is the service. */
extern const struct process_events service_events;

struct position *service_position(struct service *service, enum process_role role, int number);

/* Whether a process of that role has ever been ready; one agent has when there is any of the others. */
bool service_was_ready(const struct service *service, enum process_role role);

/* position.c: the places that are to be filled. Makes room for that many; they move, so nothing may wait in them
 * but timers, which are told. */
int service_reserve_positions(struct service *service, enum process_role role, size_t n);

/* Fills a position, if there is need, after `pause` or when the budget allows; or all of them: those of compute
 * processes, or those of workers and agent. */
void service_position_lost(struct position *position, usec_t pause);
void service_fill_positions(struct service *service, enum process_role role);

/* Starts a process at a position that has none, without waiting for its time; or at all that are wanted, have none and
 * wait for no time. Neither is a loss, or spends the budget. */
void service_start_now(struct position *position);
void service_start_wanted(struct service *service);

/* How many positions of those wanted an operator has emptied. */
unsigned int service_stopped(const struct service *service);

/* Has a position filled at that time. */
int service_wait_start(struct position *position, usec_t when);

/* Cancels every start that is waiting for its time. */
void service_cancel_starts(struct service *service);

/* sandbox.c: what the master and its children may do. */
int service_enter_sandbox(struct service *service);

/* stop.c: the orderly end. */
bool service_is_stopping(const struct service *service);
void service_stop(struct service *service);
void service_proceed_stop(struct service *service);

/* limits.c: the cgroups of the processes, and what they may use. */
void limits_open(struct service *service);
int limits_prepare(struct service *service, const struct generation *generation,
                   const struct position *position, char *ret_name);
int limits_open_detached(struct service *service, const struct generation *generation);
void limits_on_ready(struct service *service, const struct process *process);
void limits_look(struct service *service); /* now and then */
void limits_on_gone(struct service *service, struct process *process);

/* replace.c: one worker for another. Both return -ENOENT for a number that there is not and -EAGAIN when it is not the
 * time.
 *
 * A successor is started, and the worker drains when that is ready; during a reload, which replaces it anyway, only if that
 * fails. An empty position gets a worker. `why` goes to the log. */
int service_replace(struct service *service, unsigned int number, const char *why);

/* The worker drains, and its position stays empty until service_replace(), service_scale() or a reload. Also -EALREADY, and
 * -EBUSY for the last worker that is ready. */
int service_stop_worker(struct service *service, unsigned int number);

/* Starts the next successor, if one is due and none is on the way. To be called when something of that has changed. */
void replace_proceed(struct service *service);

/* Whether the failed start of a process was a replacement; then that is logged, and tried again later. */
bool replace_on_failed(struct service *service, const struct process *process, const char *reason);

/* Whether a worker is being replaced, until it has gone. */
bool replace_is_going_on(const struct service *service);

/* resize.c: the number of workers.
 *
 * Sets it until the next call or reload; with min_workers and max_workers, it must be within and is where scaling goes on
 * from. Stopped positions are filled. Returns 0, or a negative errno with a reason that the caller frees. */
int service_scale(struct service *service, unsigned int n, char **ret_reason);
int service_resize(struct service *service, unsigned int n, const char *why);

/* upkeep.c: what is looked at once a second. */
int upkeep_watch(struct service *service);
void upkeep_warn_idle(const struct service *service, const struct config *config);

/* reload.c: another generation takes over, or does not. */
void reload_begin(struct service *service);

/* All processes become new ones, of the programs and the module that are installed now, with the configuration there is.
 */
void reload_roll(struct service *service);

void reload_on_ready(struct service *service, struct process *process);
void reload_on_lost(struct service *service, struct process *process);
void reload_dismiss_others(struct service *service, const struct generation *generation);
void reload_fail(struct service *service, const char *format, ...) _printf_(2, 3);

/* service-quarantine.c: what is refused by all workers. The control interface lifts and adds; -ENOENT for a number there
 * is not, -EINVAL for a text that is no method and path ("GET /items/7") or route ("GET /items/{id}"). */
int service_quarantine_set_up(struct service *service);
void service_quarantine_configure(struct service *service);
void service_quarantine_crashed(struct service *service, const struct slot *slot);
int service_quarantine_add(struct service *service, enum quarantine_kind kind, const char *text,
                           usec_t span);
int service_quarantine_lift(struct service *service, uint32_t number);
unsigned int service_quarantine_lift_all(struct service *service);
uint64_t service_quarantine_refused(const struct service *service);

/* service-counters.c: adds what the process in a slot has counted to what is kept. It has ended. */
void service_keep_counters(struct service *service, size_t slot);

/* status.c: what systemd is told. */
void status_starting(struct service *service);
void status_ready(struct service *service);
void status_running(struct service *service);
void status_stopping(struct service *service);
void status_failed(struct service *service);
void status_reloading(struct service *service);
void status_rolling(struct service *service);
int status_watch(struct service *service);
void status_format(const struct service *service, char *buffer, size_t size);

/* How many requests the processes of this master have answered. */
uint64_t status_requests(const struct service *service);

/* watchdog.c: who hangs, and what systemd's watchdog hears. */
int watchdog_start(struct service *service);
void watchdog_look(struct service *service);

/* reap.c: descendants that are not children of ours by birth. */
int reap_watch(struct service *service);
void reap_strangers(const struct service *service);
void reap_kill_all(void);
