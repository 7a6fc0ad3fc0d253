/* SPDX-License-Identifier: MIT */

/*
 * Offloading, as the application's side of it: a call goes out (offload-call.c), to a compute process or to a thread, and
 * its end comes back to the handler.
 *
 * Each call is known by a number, under which it waits here until one of these comes first: the result; the word that
 * there will be none; the time (which the master keeps for compute processes, so that here it is only the last
 * resort); the end of the request. Whichever it is, the call is taken out of all lists before anybody is told,
 * so that what comes later finds nothing.
 *
 * A request may have several calls out. When it is answered the others are cancelled, by whatever it was answered.
 * Ends that come in the middle of something else, when the server lets go of a connection or the application has just
 * answered, are told when the loop turns, never from within.
 *
 * A failure that the application has not asked for is answered and logged here, so that the simple case has one
 * handler that knows only results.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "app/offload-state.h"
#include "app/request.h"
#include "ipc/channel.h"
#include "ipc/job.h"
#include "util/fd.h"
#include "util/log.h"

static const struct guard_context offload_context = { .route = "offload" };

static struct offload_call *call_at(struct list *node) {
        return container_of(node, struct offload_call, node);
}

static void call_unlink(struct offload_call *call) {
        list_remove(&call->node);
        list_remove(&call->of_request);
}

static struct offload_call *call_free(struct offload_call *call) {
        call_unlink(call);
        free(call);
        return NULL;
}

/* ---- Telling the end ---- */

struct telling {
        const struct offload_call *call;
        struct muster_request *request;
        int error;
        const void *output;
        size_t size;
};

static void call_handler(void *argument) {
        const struct telling *telling = argument;
        const struct offload_call *call = telling->call;

        if (call->handlers.request)
                call->handlers.request(telling->request, telling->error, telling->output, telling->size,
                                       call->data);
        else
                call->handlers.call(call->offload->muster, telling->error, telling->output, telling->size,
                                    call->data);
}

static unsigned int status_of(int error) {
        switch (error) {
        case -EAGAIN:
        case -ENOTCONN:
        case -ECANCELED:
                return 503;
        case -ETIMEDOUT:
                return 504;
        default:
                return 500;
        }
}

/* The master has logged what crashed, and what was killed for its time. */
static void answer_failure(const struct offload_call *call, struct muster_request *request, int error) {
        unsigned int status = status_of(error);

        if (status == 500 && error != -EFAULT)
                log_full(LOG_ERR, error, "The job %s of %s failed: %m", call->task, request->route->label);
        response_set_status(&request->response, status);
        if (status == 503)
                response_set_retry(&request->response);
        request->state = REQUEST_ANSWERED;
        request_cancel_waits(request);
        if (request->parked)
                request->ops->answered(request);
}

/* The call is used up. */
static void tell(struct offload_call *call, int error, const void *output, size_t size) {
        struct muster_request *request = call->request;
        struct telling telling = { call, request, error, output, size };

        call_unlink(call);
        if (request && error < 0 && !call->errors)
                answer_failure(call, request, error);
        else if (request) {
                if (request_run_function(request, call_handler, &telling) != 0)
                        request->ops->answered(request);
        } else if (call->errors)
                (void) muster_process_run(call->offload->muster, &offload_context, call_handler, &telling);
        free(call);
}

/* Those that there are now: a handler that asks again where there is no room is told so in the next turn, or room would never
 * come. */
static int dispatch_later(sd_event_source *source, uint64_t when, void *userdata) {
        struct offload *offload = userdata;
        struct list finished;

        offload->muster->event_changed = true;
        list_init(&finished);
        LIST_FOREACH_SAFE(node, &offload->finished) {
                list_remove(node);
                list_append(&finished, node);
        }
        while (!list_empty(&finished)) {
                struct offload_call *call = call_at(finished.next);

                tell(call, call->error, "", 0);
        }
        return 0;
}

void offload_tell_later(struct offload_call *call, int error) {
        struct offload *offload = call->offload;

        call->error = error;
        list_remove(&call->node);
        list_append(&offload->finished, &call->node);
        (void) sd_event_source_set_enabled(offload->later, SD_EVENT_ONESHOT);
        offload->muster->event_changed = true;
}

/* ---- Cancelling ---- */

/* Wherever it is, its result is of no use. */
static void call_withdraw(struct offload_call *call) {
        struct offload *offload = call->offload;
        const struct job_cancel cancel = { call->id };

        if (!call->thread) {
                if (offload->muster->channel)
                        (void) channel_send(offload->muster->channel, MESSAGE_CANCEL, &cancel,
                                            sizeof(cancel));
                return;
        }
        call->thread->owner = NULL;
        if (threads_withdraw(offload->threads, call->thread))
                thread_job_free(call->thread);
        call->thread = NULL;
}

static bool is_finished(const struct offload_call *call) {
        return call->error != 0;
}

static struct offload_call *of_request(struct list *node) {
        return container_of(node, struct offload_call, of_request);
}

void offload_abandon(struct muster_request *request) {
        LIST_FOREACH_SAFE(node, &request->jobs) {
                struct offload_call *call = of_request(node);

                if (is_finished(call))
                        continue;
                call_withdraw(call);
                offload_tell_later(call, -ECANCELED);
        }
}

void offload_forget(struct muster_request *request) {
        LIST_FOREACH_SAFE(node, &request->jobs) {
                struct offload_call *call = of_request(node);

                list_remove(&call->of_request);
                call->request = NULL;
                if (!is_finished(call))
                        call_withdraw(call);
                if (call->errors)
                        offload_tell_later(call, -ECANCELED);
                else
                        call_free(call);
        }
}

/* ---- Time ---- */

void offload_arm(struct offload *offload, usec_t when) {
        if (when >= offload->armed)
                return;
        offload->armed = when;
        (void) sd_event_source_set_time(offload->timer, when);
        (void) sd_event_source_set_enabled(offload->timer, SD_EVENT_ONESHOT);
        offload->muster->event_changed = true;
}

static int dispatch_timer(sd_event_source *source, uint64_t when, void *userdata) {
        struct offload *offload = userdata;
        usec_t now = now_monotonic();

        offload->armed = USEC_NEVER;
        LIST_FOREACH_SAFE(node, &offload->pending) {
                struct offload_call *call = call_at(node);

                if (call->deadline > now) {
                        offload_arm(offload, call->deadline);
                        continue;
                }
                call_withdraw(call);
                offload_tell_later(call, -ETIMEDOUT);
        }
        return 0;
}

/* ---- What comes back ---- */

void offload_thread_done(struct thread_job *job) {
        struct offload_call *call = job->owner;

        if (call) {
                call->thread = NULL;
                tell(call, job->error, result_bytes(&job->result), job->result.size);
        }
        thread_job_free(job);
}

static int error_of(const struct job_answer *answer) {
        static const int errors[] = {
                [JOB_CRASHED] = -EFAULT,
                [JOB_LATE] = -ETIMEDOUT,
                [JOB_REFUSED] = -EAGAIN,
                [JOB_HOMELESS] = -ENOTCONN,
        };

        if (answer->outcome == JOB_DONE)
                return answer->error;
        if (answer->outcome == JOB_BROKEN)
                return answer->error < 0 ? answer->error : -EIO;
        return errors[answer->outcome];
}

static struct offload_call *find_pending(const struct offload *offload, uint64_t id) {
        LIST_FOREACH(node, (struct list *) &offload->pending)
                if (call_at(node)->id == id)
                        return call_at(node);
        return NULL;
}

static void tell_mapped(struct offload_call *call, const struct job_answer *answer, int fd) {
        void *memory;
        int r;

        r = job_memory_map(fd, answer->size, &memory);
        if (r < 0) {
                tell(call, r, "", 0);
                return;
        }
        tell(call, error_of(answer), memory, answer->size);
        job_memory_unmap(memory, answer->size);
}

void offload_receive(struct muster *muster, const struct message *message, int fd) {
        struct offload_call *call = NULL;
        struct job_answer answer;
        const void *output;
        int r;

        r = job_read_answer(message, fd >= 0, &answer, &output);
        if (muster->offload && r != -EBADMSG)
                call = find_pending(muster->offload, answer.id);
        muster->event_changed = true;
        if (call && r < 0)
                tell(call, r, "", 0);
        else if (call && fd >= 0)
                tell_mapped(call, &answer, fd);
        else if (call)
                tell(call, error_of(&answer), output, answer.size);
        fd_close(fd);
}

void offload_lost(struct muster *muster, const struct message *message) {
        struct offload_call *call;
        struct job_call lost;

        memcpy(&lost, message->payload, sizeof(lost));
        call = muster->offload ? find_pending(muster->offload, lost.id) : NULL;
        if (call)
                offload_tell_later(call, -EAGAIN);
}

/* ---- Beginning ---- */

int offload_need(struct muster *muster, struct offload **ret) {
        struct offload *offload = muster->offload;
        int r;

        *ret = offload;
        if (offload)
                return 0;
        offload = calloc(1, sizeof(*offload));
        if (!offload)
                return -ENOMEM;
        offload->muster = muster;
        offload->armed = USEC_NEVER;
        list_init(&offload->pending);
        list_init(&offload->finished);
        muster->offload = offload;
        /* Not one that is deferred: that goes first each time it is enabled anew, and nothing else has its turn. */
        r = sd_event_add_time(muster->event, &offload->later, CLOCK_MONOTONIC, 0, 1, dispatch_later,
                              offload);
        r = r < 0 ? r : sd_event_source_set_enabled(offload->later, SD_EVENT_OFF);
        r = r < 0 ? r
                  : sd_event_add_time(muster->event, &offload->timer, CLOCK_MONOTONIC, USEC_NEVER,
                                      USEC_PER_MSEC, dispatch_timer, offload);
        r = r < 0 ? r : sd_event_source_set_enabled(offload->timer, SD_EVENT_OFF);
        if (r < 0)
                offload_free(muster);
        *ret = muster->offload;
        return r;
}

/* ---- The end of the process ---- */

bool offload_is_busy(const struct muster *muster) {
        return muster->offload && muster->offload->threads && threads_are_busy(muster->offload->threads);
}

static void free_calls(struct list *calls) {
        LIST_FOREACH_SAFE(node, calls)
                call_free(call_at(node));
}

void offload_free(struct muster *muster) {
        struct offload *offload = muster->offload;

        if (!offload)
                return;
        (void) threads_free(offload->threads);
        free_calls(&offload->pending);
        free_calls(&offload->finished);
        sd_event_source_disable_unref(offload->timer);
        sd_event_source_disable_unref(offload->later);
        free(offload);
        muster->offload = NULL;
}
