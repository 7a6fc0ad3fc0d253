/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/result.h"
#include "util/list.h"

/* The threads of a process, for calls that block. See threads.c. */

struct threads;

struct thread_job {
        struct list node;
        muster_task_function_t function;
        char *input; /* owned, with a NUL behind it */
        size_t size;
        struct muster_result result;
        int error;
        void *owner; /* the loop's; NULL: nobody wants it any more */
};

/* `done` is called on the loop for each job that was run; the job is the callee's then. */
int threads_new(struct threads **ret, struct muster *muster, void (*done)(struct thread_job *job));

/* Takes NULL. -EBUSY while any of them runs a job: nothing has been freed then but what waited. */
int threads_free(struct threads *threads);

/* Whether any of them runs a job. */
bool threads_are_busy(struct threads *threads);

/* Has a job run. -EAGAIN where too many wait, another negative errno: it stays the caller's. */
int threads_submit(struct threads *threads, struct thread_job *job);

/* Takes back a job that has not begun, which is the caller's then. False: it has. */
bool threads_withdraw(struct threads *threads, struct thread_job *job);

struct thread_job *thread_job_free(struct thread_job *job);
