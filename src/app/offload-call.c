/* SPDX-License-Identifier: MIT */

/*
 * Calls on their way out: what is asked is checked, written down and sent. See offload.c for what comes back.
 */

#include <errno.h>

#include "app/offload-state.h"
#include "app/request.h"
#include "ipc/channel.h"
#include "util/fd.h"

#define GRACE (2 * USEC_PER_SEC) /* what the master's word may be late by */

/* What the application asks for. */
struct asking {
        struct muster *muster;
        struct muster_request *request; /* NULL: for none */
        const char *name;
        const struct muster_task *task;
        const void *input;
        size_t size;
        usec_t timeout;
        bool thread;
};

static const struct muster_task *find_task(const struct muster *muster, const char *name) {
        const struct muster_task *task = muster->application ? muster->application->tasks : NULL;

        for (; task && task->name; task++)
                if (streq(task->name, name))
                        return task;
        return NULL;
}

/* Also decides where it goes. */
static int check(struct asking *asking) {
        const struct muster *muster = asking->muster;

        if (muster->role != MUSTER_ROLE_WORKER && muster->role != MUSTER_ROLE_AGENT)
                return -EOPNOTSUPP;
        if (!asking->name || (!asking->input && asking->size > 0))
                return -EINVAL;
        if (asking->request && asking->request->state == REQUEST_ANSWERED)
                return -EALREADY;
        if (asking->size > JOB_DATA_MAX)
                return -EMSGSIZE;
        asking->task = find_task(muster, asking->name);
        if (!asking->task || !asking->task->function)
                return -ENOENT;
        if (!job_is_text(asking->name, strnlen(asking->name, JOB_TASK_SIZE) + 1) ||
            strlen(asking->name) >= JOB_TASK_SIZE)
                return -EINVAL;
        if (!muster->channel)
                asking->thread = true;
        if (!asking->thread && muster->config->compute.processes == 0)
                return -ENOTCONN;
        return 0;
}

/* ---- To a thread ---- */

static int start_thread(struct offload *offload, const struct asking *asking, struct offload_call *call) {
        struct thread_job *job;
        int r = 0;

        if (!offload->threads)
                r = threads_new(&offload->threads, asking->muster, offload_thread_done);
        if (r < 0)
                return r;
        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        *job = (struct thread_job){
                .function = asking->task->function,
                .input = malloc(asking->size + 1),
                .size = asking->size,
                .result = { .muster = asking->muster, .fd = -1 },
                .owner = call,
        };
        list_init(&job->node);
        if (job->input) {
                if (asking->size > 0)
                        memcpy(job->input, asking->input, asking->size);
                job->input[asking->size] = '\0';
                r = threads_submit(offload->threads, job);
        } else
                r = -ENOMEM;
        if (r < 0)
                thread_job_free(job);
        else
                call->thread = job;
        return r;
}

/* ---- To a compute process ---- */

/* Goes to the log of others. */
static void copy_visible(char *target, size_t size, const char *source) {
        size_t i = 0;

        for (; i < size - 1 && source[i]; i++)
                target[i] = source[i] < ' ' || source[i] > '~' ? '?' : source[i];
}

/* For the report of a crash, and for the quarantine. */
static void describe_request(struct job_call *call, const struct muster_request *request) {
        const struct quarantine_page *page = request->muster->quarantine;
        struct quarantine_request view;

        copy_visible(call->route, sizeof(call->route), request->route->label);
        if (!page)
                return;
        view = request_for_quarantine(request);
        call->request_id = quarantine_request_id(page, &view);
        call->route_id = quarantine_route_id(page, view.route_method, view.route_path);
        (void) quarantine_format(call->request, sizeof(call->request), view.method, view.segments,
                                 view.size);
}

static int send_large(struct channel *channel, const struct job_call *call, const void *input) {
        _cleanup_fd_ int fd = -1;
        char *memory;
        int r;

        fd = job_memory_new(call->size, &memory);
        if (fd < 0)
                return fd;
        memcpy(memory, input, call->size);
        r = job_memory_seal(fd, memory, call->size, call->size);
        return r < 0 ? r : channel_send_fd(channel, MESSAGE_JOB, call, sizeof(*call), fd);
}

static int send_job(const struct asking *asking, uint64_t id) {
        char payload[JOB_MESSAGE_MAX];
        struct job_call call = { .id = id, .size = asking->size, .timeout = asking->timeout };

        copy_visible(call.task, sizeof(call.task), asking->name);
        if (asking->request)
                describe_request(&call, asking->request);
        if (asking->size > JOB_INLINE_MAX)
                return send_large(asking->muster->channel, &call, asking->input);
        memcpy(payload, &call, sizeof(call));
        if (asking->size > 0)
                memcpy(payload + sizeof(call), asking->input, asking->size);
        payload[sizeof(call) + asking->size] = '\0';
        return channel_send(asking->muster->channel, MESSAGE_JOB, payload, sizeof(call) + asking->size + 1);
}

/* ---- Both ---- */

static struct offload_call *call_new(struct offload *offload, const struct asking *asking, bool errors,
                                     const struct handlers *handlers, void *data) {
        struct offload_call *call;

        call = calloc(1, sizeof(*call));
        if (!call)
                return NULL;
        *call = (struct offload_call){
                .offload = offload,
                .request = asking->request,
                .id = ++offload->last_id,
                .deadline = usec_add(now_monotonic(), usec_add(asking->timeout, asking->thread ? 0 : GRACE)),
                .errors = errors,
                .handlers = *handlers,
                .data = data,
        };
        list_init(&call->node);
        list_init(&call->of_request);
        copy_visible(call->task, sizeof(call->task), asking->name);
        return call;
}

static void suspend(struct muster_request *request, struct offload_call *call) {
        list_append(&request->jobs, &call->of_request);
        (void) muster_request_suspend(request);
        request->ops->watch_client(request);
}

/* A request for which there is no room is answered like one for which the master has none: when the loop turns. */
static int begin(struct asking *asking, const struct muster_offload_options *options,
                 const struct handlers *handlers, void *data) {
        struct offload_call *call;
        struct offload *offload;
        int r;

        asking->timeout = options && options->timeout > 0 ? MIN(options->timeout, JOB_TIMEOUT_MAX)
                                                          : asking->muster->config->compute.timeout;
        if (!handlers->request && !handlers->call)
                return -EINVAL;
        r = check(asking);
        r = r < 0 ? r : offload_need(asking->muster, &offload);
        if (r < 0)
                return r;
        call = call_new(offload, asking, !asking->request || (options && options->errors), handlers, data);
        if (!call)
                return -ENOMEM;
        r = asking->thread ? start_thread(offload, asking, call) : send_job(asking, call->id);
        if (r < 0 && r != -EAGAIN) {
                free(call);
                return r;
        }
        list_append(&offload->pending, &call->node);
        if (asking->request)
                suspend(asking->request, call);
        if (r == -EAGAIN)
                offload_tell_later(call, r);
        else
                offload_arm(offload, call->deadline);
        return 0;
}

int muster_offload(struct muster_request *request, const char *task, const void *input, size_t size,
                   const struct muster_offload_options *options, muster_offload_handler_t handler,
                   void *data) {
        struct asking asking = { request->muster, request, task, NULL, input, size, 0, false };

        return begin(&asking, options, &(struct handlers){ .request = handler }, data);
}

int muster_offload_thread(struct muster_request *request, const char *task, const void *input, size_t size,
                          const struct muster_offload_options *options, muster_offload_handler_t handler,
                          void *data) {
        struct asking asking = { request->muster, request, task, NULL, input, size, 0, true };

        return begin(&asking, options, &(struct handlers){ .request = handler }, data);
}

int muster_offload_call(struct muster *muster, const char *task, const void *input, size_t size,
                        const struct muster_offload_options *options, muster_offload_call_handler_t handler,
                        void *data) {
        struct asking asking = { muster, NULL, task, NULL, input, size, 0, false };

        return begin(&asking, options, &(struct handlers){ .call = handler }, data);
}

int muster_offload_thread_call(struct muster *muster, const char *task, const void *input, size_t size,
                               const struct muster_offload_options *options,
                               muster_offload_call_handler_t handler, void *data) {
        struct asking asking = { muster, NULL, task, NULL, input, size, 0, true };

        return begin(&asking, options, &(struct handlers){ .call = handler }, data);
}
