/* SPDX-License-Identifier: MIT */

/*
 * Jobs in an upgrade: they go on with the next master, those that wait and those that run.
 *
 * What a job works on is in this program's memory or in a descriptor. Descriptors survive exec, so whatever is in memory is
 * put into one before the handover is written. A compute process does not notice that its job has come in
 * another way than others.
 */

#include <errno.h>

#include "master/service.h"
#include "util/fd.h"

static void store(struct compute_job *job, void *userdata) {
        int *error = userdata;
        char *memory;
        int fd;

        if (*error < 0 || !job->input)
                return;
        fd = job_memory_new(job->call.size, &memory);
        if (fd >= 0) {
                memcpy(memory, job->input, job->call.size);
                *error = job_memory_seal(fd, memory, job->call.size, job->call.size);
        } else
                *error = fd;
        if (*error < 0) {
                fd_close(fd);
                return;
        }
        free(job->input);
        job->input = NULL;
        job->fd = fd;
}

int compute_store(struct service *service) {
        int error = 0;

        compute_queue_each(&service->compute.queue, store, &error);
        return error;
}

int compute_adopt(struct service *service, struct compute_job *job) {
        struct process *process = job->runs_on > 0 ? compute_find_process(service, job->runs_on) : NULL;

        if (process)
                process->job = job->call;
        else
                job->runs_on = 0;
        if (compute_queue_restore(&service->compute.queue, job) < 0) {
                compute_job_free(job);
                return -ENOMEM;
        }
        compute_arm(service, job->deadline);
        return 0;
}
