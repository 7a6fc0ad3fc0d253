/* SPDX-License-Identifier: MIT */

/*
 * Runs of schedules in a worker.
 *
 * The master says which schedule, by name, since its table may be another than that of the agent who says when, while
 * a reload goes on. The handler runs under the guard, and "schedule NAME" is what the log then says instead of a route.
 * Whatever happens, the master hears of it exactly once, as long as this process lives; of one that it does not hear of
 * it makes another worker's.
 *
 * A suspended job is finished in the drain: worker.c waits for it as it does for requests.
 */

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "app/job.h"
#include "ipc/schedule.h"
#include "util/log.h"

struct muster_job {
        struct list node;
        struct muster *muster;
        const struct muster_schedule *declared;
        uint64_t id;
        unsigned int attempt;
        usec_t began;
        bool running; /* in its handler: it is freed when that is back */
        bool suspended;
        bool finished;
};

static const struct muster_schedule *find(const struct muster *muster, const char *name) {
        const struct muster_schedule *declared = muster->application->schedules;

        for (; declared && declared->name; declared++)
                if (strcasecmp(declared->name, name) == 0)
                        return declared;
        return NULL;
}

static void tell(struct muster *muster, struct message_done *done) {
        int r;

        r = channel_send(muster->channel, MESSAGE_DONE, done, sizeof(*done));
        if (r < 0)
                (void) log_error(r, "Failed to tell the master how a schedule ended: %m");
}

static void refuse(struct muster *muster, uint64_t id, enum done_how how) {
        struct message_done done = { .id = id, .how = how };

        tell(muster, &done);
}

static struct muster_job *job_free(struct muster_job *job) {
        list_remove(&job->node);
        free(job);
        return NULL;
}

/* `text` may be NULL. */
static void finish(struct muster_job *job, enum done_how how, int result, const char *text) {
        struct message_done done = {
                .id = job->id,
                .took = now_monotonic() - job->began,
                .how = how,
                .result = MIN(result, 0),
        };

        (void) snprintf(done.text, sizeof(done.text), "%s", text ?: "");
        job->finished = true;
        tell(job->muster, &done);
        if (!job->running)
                job_free(job);
}

struct call {
        struct muster_job *job;
        int result;
};

static void call_handler(void *argument) {
        struct call *call = argument;

        call->result = call->job->declared->handler(call->job->muster, call->job);
}

static void run(struct muster_job *job) {
        char route[SCOREBOARD_ROUTE_SIZE] = "";
        const struct guard_context context = { .route = route };
        struct slot *slot = job->muster->slot;
        struct call call = { .job = job };
        int signal;

        (void) snprintf(route, sizeof(route), "schedule %.48s", job->declared->name);
        memcpy(slot->route, route, sizeof(slot->route));
        job->running = true;
        signal = muster_process_run(job->muster, &context, call_handler, &call);
        job->running = false;
        slot->route[0] = '\0';

        if (job->finished)
                job_free(job);
        else if (signal != 0)
                finish(job, guard_was_hung() ? DONE_HUNG : DONE_CRASHED, -EFAULT, NULL);
        else if (!job->suspended || call.result < 0)
                finish(job, DONE_FINISHED, call.result, NULL);
}

void job_receive(struct muster *muster, const struct message *message, bool leaving) {
        const struct message_run *order = (const void *) message->payload;
        const struct muster_schedule *declared = find(muster, order->name);
        struct muster_job *job;

        if (leaving || !declared) {
                refuse(muster, order->id, leaving ? DONE_REFUSED : DONE_UNKNOWN);
                return;
        }
        job = calloc(1, sizeof(*job));
        if (!job) {
                refuse(muster, order->id, DONE_REFUSED);
                return;
        }
        *job = (struct muster_job){
                .muster = muster,
                .declared = declared,
                .id = order->id,
                .attempt = order->attempt,
                .began = now_monotonic(),
        };
        list_append(&muster->jobs, &job->node);
        run(job);
}

bool jobs_pending(const struct muster *muster) {
        return !list_empty(&muster->jobs);
}

void jobs_free(struct muster *muster) {
        LIST_FOREACH_SAFE(node, &muster->jobs)
                job_free(container_of(node, struct muster_job, node));
}

/* ---- What the application calls ---- */

const char *muster_job_name(const struct muster_job *job) {
        return job->declared->name;
}

unsigned int muster_job_attempt(const struct muster_job *job) {
        return job->attempt;
}

int muster_job_suspend(struct muster_job *job) {
        if (job->suspended || job->finished)
                return -EALREADY;
        job->suspended = true;
        return 0;
}

int muster_job_finish(struct muster_job *job, int result, const char *format, ...) {
        char text[SCHEDULE_TEXT_SIZE] = "";
        va_list arguments;

        if (job->finished)
                return -EALREADY;
        if (format) {
                errno = result < 0 ? -result : 0;
                va_start(arguments, format);
                (void) vsnprintf(text, sizeof(text), format, arguments);
                va_end(arguments);
        }
        finish(job, DONE_FINISHED, result, text);
        return 0;
}
