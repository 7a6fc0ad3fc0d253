/* SPDX-License-Identifier: MIT */

/*
 * The compute process: runs what workers offload, one job after another.
 *
 * The master gives it a job only when it has none, so there is no queue here, and nothing to be decided: a function of the
 * module runs on the loop's thread, and the loop rests. Whether that takes too long is for the master to say, who knows
 * what was asked; it ends this process then. A fault is one like any other: it is reported, the master tells whoever
 * waits, and the process ends. There is nothing else in it that could be drained.
 *
 * Once it is ready it gives way to everybody else who wants the CPU, so that serving wins over computing; before,
 * it hurries, since somebody may be waiting for it.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

#include "app/child.h"
#include "app/result.h"
#include "compute/compute.h"
#include "ipc/job.h"
#include "util/fd.h"
#include "util/log.h"

struct compute {
        struct child *child;
};

static void compute_deinit(struct compute *compute) {
        compute->child = child_free(compute->child);
}

/* What is not granted is done without. */
static int compute_open(struct child *child, void *userdata) {
        const struct config *config = child_config(child);
        const struct sched_param none = {};

        if (config->compute.nice > 0 && setpriority(PRIO_PROCESS, 0, (int) config->compute.nice) < 0)
                log_info("Cannot be nice, ignoring: %s (see [compute] nice in muster.conf(5))",
                         strerror(errno));
        if (config->compute.idle && sched_setscheduler(0, SCHED_IDLE, &none) < 0)
                log_info("Cannot be idle, ignoring: %s (see [compute] nice in muster.conf(5))",
                         strerror(errno));
        return 0;
}

static void compute_leave(struct child *child, void *userdata) {
        (void) sd_event_exit(child_muster(child)->event, 0);
}

static void compute_fault(struct muster *muster, const struct guard_context *context, int signal) {
        const struct compute *compute = muster->owner;

        child_leave(compute->child, false);
}

/* ---- A job ---- */

struct job {
        const struct muster_task *task;
        const void *input;
        size_t size;
        struct muster_result result;
        int error;
};

static void run(void *argument) {
        struct job *job = argument;

        job->error = job->task->function(job->input, job->size, &job->result);
}

static int send_answer(struct channel *channel, const struct job_answer *answer, const char *output,
                       int fd) {
        char payload[sizeof(*answer) + JOB_INLINE_MAX + 1];

        memcpy(payload, answer, sizeof(*answer));
        if (fd >= 0)
                return channel_send_fd(channel, MESSAGE_RESULT, payload, sizeof(*answer), fd);
        memcpy(payload + sizeof(*answer), output, answer->size + 1);
        return channel_send(channel, MESSAGE_RESULT, payload, sizeof(*answer) + answer->size + 1);
}

static void answer_broken(struct channel *channel, uint64_t id, int error) {
        const struct job_answer answer = { .id = id, .outcome = JOB_BROKEN, .error = error };

        (void) send_answer(channel, &answer, "", -1);
}

static void answer(struct channel *channel, uint64_t id, struct job *job) {
        struct job_answer done = {
                .id = id,
                .outcome = JOB_DONE,
                .error = job->error,
                .size = job->result.size,
        };
        _cleanup_fd_ int fd = -1;
        int r;

        r = result_seal(&job->result, &fd);
        if (r >= 0)
                r = send_answer(channel, &done, fd >= 0 ? NULL : result_bytes(&job->result), fd);
        if (r < 0)
                answer_broken(channel, id, r);
}

static const struct muster_task *find_task(const struct muster *muster, const char *name) {
        const struct muster_task *task = muster->application->tasks;

        for (; task && task->name; task++)
                if (task->function && streq(task->name, name))
                        return task;
        return NULL;
}

/* Returns whether the process lives on. */
static bool run_job(struct muster *muster, const struct job_call *call, struct job *job) {
        struct slot *slot = muster->slot;
        char route[SCOREBOARD_ROUTE_SIZE];
        const struct guard_context context = { .route = route, .target = call->request };
        int signal;

        (void) snprintf(route, sizeof(route), "task %.*s", (int) sizeof(route) - 6, call->task);
        memcpy(slot->route, route, sizeof(slot->route));
        slot->busy_since = now_monotonic();
        slot->in_flight = 1;
        signal = muster_process_run(muster, &context, run, job);
        slot->in_flight = 0;
        slot->busy += now_monotonic() - slot->busy_since;
        slot->busy_since = 0;
        slot->route[0] = '\0';
        return signal == 0;
}

static void do_job(struct muster *muster, const struct job_call *call, const void *input) {
        struct job job = {
                .task = find_task(muster, call->task),
                .input = input,
                .size = call->size,
                .result = { .muster = muster, .shared = true, .fd = -1 },
        };

        if (!job.task)
                answer_broken(muster->channel, call->id, -ENOENT);
        else if (run_job(muster, call, &job))
                answer(muster->channel, call->id, &job);
        result_clear(&job.result);
}

static void compute_job(struct child *child, const struct message *message, int fd, void *userdata) {
        struct muster *muster = child_muster(child);
        struct job_call call;
        const void *input;
        void *memory;
        int r;

        r = job_read_call(message, fd >= 0, &call, &input);
        if (r == -EBADMSG || child_is_leaving(child)) {
                fd_close(fd);
                return;
        }
        /* Also one that can't be done: the master compares this number with those it has given. */
        muster->slot->jobs_begun++;
        if (r >= 0 && fd < 0) {
                do_job(muster, &call, input);
                return;
        }
        r = r < 0 ? r : job_memory_map(fd, call.size, &memory);
        fd_close(fd);
        if (r < 0) {
                answer_broken(muster->channel, call.id, r);
                return;
        }
        do_job(muster, &call, memory);
        job_memory_unmap(memory, call.size);
}

static void compute_lost(struct muster *muster, const struct message *message) {
        struct job_answer lost;

        memcpy(&lost, message->payload, sizeof(lost));
        answer_broken(muster->channel, lost.id, -ENOBUFS);
}

int compute_main(int argc, char **argv) {
        _cleanup_(compute_deinit) struct compute compute = {};
        const struct child_callbacks callbacks = {
                .open = compute_open,
                .leave = compute_leave,
                .job = compute_job,
                .lost = compute_lost,
                .userdata = &compute,
        };
        int r, status;

        if (child_new(&compute.child, MUSTER_ROLE_COMPUTE, argc, argv) < 0)
                return EXIT_FAILURE;
        child_muster(compute.child)->on_fault = compute_fault;
        child_muster(compute.child)->owner = &compute;

        r = child_start(compute.child, &callbacks);
        if (r >= 0 && !child_is_leaving(compute.child)) {
                r = sd_event_loop(child_muster(compute.child)->event);
                if (r < 0)
                        log_error(r, "The event loop failed: %m");
        }
        status = child_finish(compute.child);
        (void) log_flush(LOG_FLUSH_AT_END);
        return r < 0 ? EXIT_FAILURE : status;
}
