/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"
#include "ipc/scoreboard.h"
#include "util/time.h"

/* A function's call on its way from a worker to a compute process, and what comes back. See job.c. */

#define JOB_TASK_SIZE   64U
#define JOB_INLINE_MAX  ((size_t) 64 * 1024) /* more than that is in a memfd */
#define JOB_DATA_MAX    ((size_t) 1024 * 1024 * 1024)
#define JOB_TIMEOUT_MAX (UINT64_C(366) * 86400 * USEC_PER_SEC)

/* What begins a MESSAGE_JOB; the input follows with a NUL after it, unless a descriptor brings it. */
struct job_call {
        uint64_t id;   /* the sender's name for it, by which the answer is known */
        uint64_t size; /* of the input */
        usec_t timeout;
        uint64_t request_id; /* of the request it is for, see struct crash_record; 0: none */
        uint64_t route_id;
        char task[JOB_TASK_SIZE];
        char route[SCOREBOARD_ROUTE_SIZE];
        char request[CRASH_REQUEST_SIZE];
};

enum job_outcome {
        JOB_DONE,     /* the function has returned `error` */
        JOB_CRASHED,  /* it faulted, or the process was killed */
        JOB_LATE,     /* its time was over */
        JOB_REFUSED,  /* too many wait */
        JOB_HOMELESS, /* there is nobody to run it */
        JOB_BROKEN,   /* its input or its output could not be carried: `error` */
        _JOB_OUTCOME_MAX,
};

/* What begins a MESSAGE_RESULT; the output follows with a NUL after it, unless a descriptor brings it. */
struct job_answer {
        uint64_t id;
        uint64_t size;
        int32_t error; /* 0 or a negative errno; a function may also return what is positive */
        uint32_t outcome;
};

#define JOB_MESSAGE_MAX (sizeof(struct job_call) + JOB_INLINE_MAX + 1)

/* A MESSAGE_CANCEL. */
struct job_cancel {
        uint64_t id;
};

/* Reads a payload, whose bytes are another process's. `brings_fd`: a descriptor has come with it, so that nothing follows.
 * *ret_data is inside the payload, NULL where the descriptor has it. Returns 0, -EBADMSG, or -EMFILE for one that is good but
 * for the descriptor that should have come with it: this process can't have any more, or the sender lies. */
int job_read_call(const struct message *message, bool brings_fd, struct job_call *ret,
                  const void **ret_data);
int job_read_answer(const struct message *message, bool brings_fd, struct job_answer *ret,
                    const void **ret_data);

/* Whether these bytes are a text that ends within them, of visible ASCII characters and blanks. */
bool job_is_text(const char *text, size_t size);

/* Sealed shared memory for data that is too large for a message. One byte beyond the data is there, and 0. */
int job_memory_new(size_t size, char **ret_memory);

/* Seals what was written to the memory, of which the first `size` bytes count, and unmaps it. */
int job_memory_seal(int fd, char *memory, size_t mapped, size_t size);

/* Maps what somebody has sent, read-only, when it is sealed and has so many bytes: -EBADMSG otherwise. */
int job_memory_map(int fd, size_t size, void **ret_memory);
void job_memory_unmap(void *memory, size_t size);
