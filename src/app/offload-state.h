/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/offload.h"
#include "app/threads.h"
#include "ipc/job.h"

/* What offload.c and offload-call.c share. */

struct offload {
        struct muster *muster;
        struct list pending;  /* calls that are out */
        struct list finished; /* calls whose end is to be told */
        uint64_t last_id;
        usec_t armed; /* when the timer is set for; USEC_NEVER: it is not */
        sd_event_source *timer;
        sd_event_source *later;
        struct threads *threads;
};

/* Where it is to be told, one of the two. */
struct handlers {
        muster_offload_handler_t request;
        muster_offload_call_handler_t call;
};

struct offload_call {
        struct list node;
        struct list of_request; /* in the list of its request */
        struct offload *offload;
        struct muster_request *request; /* NULL: it has none, or none any more */
        uint64_t id;
        usec_t deadline;
        bool errors;
        struct handlers handlers;
        void *data;
        struct thread_job *thread; /* NULL: a compute process has it */
        int error;                 /* of one that is finished */
        char task[JOB_TASK_SIZE];
};

/* The process's own; made if it is not there. */
int offload_need(struct muster *muster, struct offload **ret);

/* Has the time looked at by then. */
void offload_arm(struct offload *offload, usec_t when);

/* The call ends with an error, which is told when the loop turns. The source for that is there from the beginning: this
 * cannot fail. */
void offload_tell_later(struct offload_call *call, int error);

/* A thread has done a job. */
void offload_thread_done(struct thread_job *job);
