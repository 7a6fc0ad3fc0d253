/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/job.h"
#include "util/list.h"
#include "util/time.h"

/* Jobs that wait for a compute process, and those that one is at. Pure decisions over given times; see compute-queue.c. */

struct compute_client;

struct compute_job {
        struct list node;             /* of its client's, or of those that run */
        struct compute_client *waits; /* with these, NULL: it runs */
        pid_t client;                 /* who wants it */
        uint64_t generation;          /* of that one */
        usec_t deadline;              /* monotonic */
        unsigned int attempts;        /* how often it was given to a process */
        pid_t runs_on;                /* 0: none */
        struct job_call call;
        char *input; /* NULL: it is in the descriptor, or there is none */
        int fd;      /* owned; -1 for none */
};

/* Takes NULL, returns NULL. */
struct compute_job *compute_job_free(struct compute_job *job);
DEFINE_CLEANUP(struct compute_job *, compute_job_free);

struct compute_queue {
        unsigned int n_waiting;
        unsigned int n_running;
        struct list clients; /* those that have jobs waiting; the first is next */
        struct list running;
};

void compute_queue_init(struct compute_queue *queue);
void compute_queue_deinit(struct compute_queue *queue);

/* Takes a job in, last of its client's. 0 or -ENOMEM. */
int compute_queue_add(struct compute_queue *queue, struct compute_job *job);

/* Where more than `limit` jobs wait, takes the last one of the client that has most of them, of `newest` if that has as many.
 * It is the caller's then. NULL: there are no more. */
struct compute_job *compute_queue_shorten(struct compute_queue *queue, unsigned int limit, pid_t newest);

/* Takes in one that another master had, as waiting or running as `runs_on` says. 0 or -ENOMEM. */
int compute_queue_restore(struct compute_queue *queue, struct compute_job *job);

/* The next job of a client that suits; it counts as running from then on. NULL for none. */
struct compute_job *compute_queue_next(struct compute_queue *queue,
                                       bool (*suits)(pid_t client, uint64_t generation, void *userdata),
                                       void *userdata);

/* It has not begun after all: it is the first of its client's again. */
int compute_queue_return(struct compute_queue *queue, struct compute_job *job);

/* Takes it out; it is the caller's then. */
void compute_queue_remove(struct compute_queue *queue, struct compute_job *job);

/* By the client's own name for it; any of a client's; one that a process is at. NULL for none. */
struct compute_job *compute_queue_find(const struct compute_queue *queue, pid_t client, uint64_t id);
struct compute_job *compute_queue_find_any(const struct compute_queue *queue, pid_t client);
struct compute_job *compute_queue_find_on(const struct compute_queue *queue, pid_t process);

/* One whose time is over, NULL for none; and when that will be so next, USEC_NEVER for never. */
struct compute_job *compute_queue_find_late(const struct compute_queue *queue, usec_t now);
usec_t compute_queue_deadline(const struct compute_queue *queue);

/* Calls a function for each job, those that run first, then in the order of arrival by client. */
void compute_queue_each(const struct compute_queue *queue,
                        void (*function)(struct compute_job *job, void *userdata), void *userdata);
