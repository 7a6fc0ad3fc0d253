/* SPDX-License-Identifier: MIT */

/*
 * What is told of a job: to its client, in the counts and in the log.
 *
 * A client that is gone or does not read is no reason to stop: it asks no more, or it will be found to hang.
 */

#include <errno.h>
#include <stdio.h>

#include "master/service.h"
#include "util/log.h"
#include "util/log-id.h"

int compute_send_end(const struct process *client, uint64_t id, enum job_outcome outcome, int error) {
        char payload[sizeof(struct job_answer) + 1] = {};
        const struct job_answer answer = { .id = id, .error = error, .outcome = outcome };

        memcpy(payload, &answer, sizeof(answer));
        return channel_send(client->channel, MESSAGE_RESULT, payload, sizeof(payload));
}

static const struct process *find_client(const struct service *service, const struct compute_job *job) {
        const struct process *client = job->client > 0 ? compute_find_process(service, job->client) : NULL;

        return client && client->channel ? client : NULL;
}

int compute_send_broken(const struct service *service, const struct compute_job *job, int error) {
        const struct process *client = find_client(service, job);

        log_warning(error, "The result of a job of pid %d is dropped: %m", job->client);
        return client ? compute_send_end(client, job->call.id, JOB_BROKEN, error) : -EPIPE;
}

void compute_send_answer(const struct service *service, const struct compute_job *job, const void *payload,
                         size_t size, int fd) {
        const struct process *client = find_client(service, job);
        int r = -EPIPE;

        if (client)
                r = fd >= 0 ? channel_send_fd(client->channel, MESSAGE_RESULT, payload, size, fd)
                            : channel_send(client->channel, MESSAGE_RESULT, payload, size);
        if (r < 0 && r != -EPIPE)
                r = compute_send_broken(service, job, r);
        if (r < 0)
                log_debug("The answer to a job of pid %d is lost: %s", job->client, strerror(-r));
}

void compute_count(struct compute_counts *counts, enum job_outcome outcome) {
        switch (outcome) {
        case JOB_CRASHED:
                counts->crashed++;
                break;
        case JOB_LATE:
                counts->late++;
                break;
        case JOB_REFUSED:
        case JOB_HOMELESS:
                counts->refused++;
                break;
        default:
                counts->done++;
                break;
        }
}

void compute_say_late(const struct compute_job *job) {
        char span[USEC_FORMAT_MAX], task[JOB_TASK_SIZE + 16], target[CRASH_REQUEST_SIZE + 16], pid[32];
        const char *const fields[] = {
                LOG_FIELD_ID(LOG_ID_JOB_LATE), "MUSTER_ROLE=compute", task, target, pid, NULL,
        };

        (void) snprintf(task, sizeof(task), "MUSTER_TASK=%s", job->call.task);
        (void) snprintf(target, sizeof(target), "MUSTER_TARGET=%s", job->call.request);
        (void) snprintf(pid, sizeof(pid), "MUSTER_PID=%d", job->runs_on);
        (void) log_fields(LOG_WARNING, 0, fields,
                          "The job %s%s%s took longer than its %s, the compute process (pid %d) was killed",
                          job->call.task, job->call.request[0] ? " of " : "", job->call.request,
                          usec_format(job->call.timeout, span, sizeof(span)), job->runs_on);
}
