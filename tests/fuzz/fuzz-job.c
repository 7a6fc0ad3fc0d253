/* SPDX-License-Identifier: MIT */

/*
 * Jobs and their results as master, worker and compute process read them: refused, or texts that end and are fit for the log,
 * and data that lies in the message with a NUL behind it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool good) {
        if (!good)
                abort();
}

static void check_data(const struct message *message, const void *data, uint64_t size, bool brings_fd) {
        const char *begin = data;

        check((data == NULL) == brings_fd);
        if (brings_fd) {
                check(size <= JOB_DATA_MAX);
                return;
        }
        check(begin >= message->payload && begin + size + 1 == message->payload + message->size);
        check(size <= JOB_INLINE_MAX && begin[size] == '\0');
}

static void read_both(const struct message *message, bool brings_fd) {
        struct job_answer answer;
        struct job_call call;
        const void *data;

        if (job_read_call(message, brings_fd, &call, &data) == 0) {
                check_data(message, data, call.size, brings_fd);
                check(call.task[0] && call.timeout > 0 && call.timeout <= JOB_TIMEOUT_MAX);
                check(strlen(call.task) < sizeof(call.task) && strlen(call.route) < sizeof(call.route) &&
                      strlen(call.request) < sizeof(call.request));
        }
        if (job_read_answer(message, brings_fd, &answer, &data) == 0) {
                check_data(message, data, answer.size, brings_fd);
                check(answer.outcome < _JOB_OUTCOME_MAX);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        /* Where it stands exactly, so that a read beyond it is seen */
        char *payload = malloc(size + !size);
        struct message message = { MESSAGE_JOB, payload, size };

        if (!payload)
                return 0;
        memcpy(payload, bytes, size);
        read_both(&message, false);
        read_both(&message, true);
        free(payload);
        return 0;
}
