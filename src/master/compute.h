/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "master/compute-queue.h"
#include "master/process.h"

/* Compute processes and what they are given. See compute.c for the processes, compute-jobs.c for the jobs. */

struct service;
struct generation;

struct compute_counts {
        uint64_t done;
        uint64_t crashed;
        uint64_t late;
        uint64_t refused;
        uint64_t cancelled;
};

struct compute {
        struct compute_queue queue;
        struct compute_counts counts;
        sd_event_source *timer; /* for the next deadline */
        usec_t armed;           /* for when it is; USEC_NEVER: it is not */
        bool was_ready;         /* any, ever */
};

void compute_init(struct compute *compute);
void compute_deinit(struct compute *compute);

/* ---- compute.c: the processes ---- */

/* An agent is ready and has told whether its generation has anything to compute. */
int compute_plan(struct service *service, const struct process *agent);

/* Starts all that are wanted and have none; whether all of a generation are ready. */
void compute_start(struct service *service);
bool compute_is_ready(const struct service *service, const struct generation *generation);

/* A reload: starts what the next generation lacks. Returns 1 when all of it is ready, 0 when that is to be waited for, a
 * negative errno. */
int compute_roll(struct service *service, struct generation *next);

/* Processes of other generations leave when nobody is left who could give them anything. */
void compute_dismiss(struct service *service);

/* Once a second: one that is old or large is replaced. */
void compute_recycle(struct service *service, usec_t now);

/* ---- compute-jobs.c: the jobs ---- */

/* A message about jobs; the descriptor is the callee's. */
void compute_receive(struct service *service, struct process *process, const struct message *message,
                     int fd);

/* A message about jobs that waited for a process cannot be sent, for the descriptor beside it. */
void compute_unsent(struct service *service, struct process *to, const struct message *message);

/* Gives jobs to whoever has none. */
void compute_proceed(struct service *service);

/* A compute process is lost, or has ended; a client has ended. */
void compute_on_lost(struct service *service, struct process *process);
void compute_on_gone(struct service *service, struct process *process);

/* It leaves, when it has done its job. */
void compute_part(struct service *service, struct process *process);

/* Whether it is at a job. */
bool compute_is_busy(const struct service *service, const struct process *process);

/* Has the deadlines looked at by then. The process with that pid, NULL for none. */
void compute_arm(struct service *service, usec_t when);
struct process *compute_find_process(const struct service *service, pid_t pid);

/* ---- compute-answer.c: what is told of them ---- */

/* An answer without a result takes little room, and no descriptor. */
int compute_send_end(const struct process *client, uint64_t id, enum job_outcome outcome, int error);

/* There is a result, and no way to carry it. */
int compute_send_broken(const struct service *service, const struct compute_job *job, int error);

/* An answer as it was received, or made. The descriptor, if any, stays the caller's. */
void compute_send_answer(const struct service *service, const struct compute_job *job, const void *payload,
                         size_t size, int fd);

/* Adds one more job that ended like this. */
void compute_count(struct compute_counts *counts, enum job_outcome outcome);

/* Its process was killed, since its time was over. */
void compute_say_late(const struct compute_job *job);

/* ---- compute-handover.c: an upgrade ---- */

/* Whatever is in memory goes to descriptors, which survive. A job that was left by another master is taken over, also
 * when that fails. */
int compute_store(struct service *service);
int compute_adopt(struct service *service, struct compute_job *job);
