/* SPDX-License-Identifier: MIT */

/*
 * Jobs on their way: from a worker (or the agent) to a compute process that has nothing to do, and the answer back.
 *
 * Which is next is decided in compute-queue.c; here the messages are read and sent. The master looks at the fixed
 * part only: what a job works on is passed on as it came, and if it is large, as a descriptor. Bytes that come from
 * children are checked (ipc/job.c), an answer is believed only for the job that its sender was given, and of what a client
 * says about its jobs nothing touches those of another.
 *
 * A job ends in one of these ways, each of which its client is told once: it is done; its process crashed or was killed;
 * its time was over; there was no room for it; its client went away, and nobody is told.
 *
 * A function cannot be interrupted, only its process ended. That is done when the time is over. When the client is gone a
 * job has a moment to come to its end by itself, since a new process costs more than a short job. A process that
 * dies may have a job that it has not begun, as its slot says: that one is given to another.
 */

#include <errno.h>

#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"

#define UNWANTED_SPAN USEC_PER_SEC /* what a job that nobody waits for may still take */
#define ATTEMPTS_MAX  3U
#define IDLE_MAX      ((size_t) 2 * CONFIG_COMPUTE_MAX) /* two generations */

void compute_init(struct compute *compute) {
        *compute = (struct compute){ .armed = USEC_NEVER };
        compute_queue_init(&compute->queue);
}

void compute_deinit(struct compute *compute) {
        sd_event_source_disable_unref(compute->timer);
        compute_queue_deinit(&compute->queue);
}

struct process *compute_find_process(const struct service *service, pid_t pid) {
        LIST_FOREACH(node, (struct list *) &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->pid == pid)
                        return process;
        }
        return NULL;
}

bool compute_is_busy(const struct service *service, const struct process *process) {
        return process->role == PROCESS_COMPUTE &&
               compute_queue_find_on(&service->compute.queue, process->pid) != NULL;
}

/* ---- Ends of jobs ---- */

/* The end of a job, which the queue does not have any more. */
static void fail(struct service *service, struct compute_job *job, enum job_outcome outcome) {
        char payload[sizeof(struct job_answer) + 1] = {};
        const struct job_answer answer = { .id = job->call.id, .outcome = outcome };

        memcpy(payload, &answer, sizeof(answer));
        if (job->client > 0) {
                compute_count(&service->compute.counts, outcome);
                compute_send_answer(service, job, payload, sizeof(payload), -1);
        }
        compute_job_free(job);
}

static void drop(struct service *service, struct compute_job *job, enum job_outcome outcome) {
        compute_queue_remove(&service->compute.queue, job);
        fail(service, job, outcome);
}

/* ---- Deadlines ---- */

/* Ends the process that is at a job, and has the place filled. */
static void end_process(struct service *service, const struct compute_job *job) {
        struct process *process = compute_find_process(service, job->runs_on);

        if (!process || process->killed)
                return;
        process_end(process);
        control_process_changed(service, process);
        if (!service_is_stopping(service))
                service_start_now(service_position(service, process->role, process->number));
}

static void arm(struct service *service);

static int dispatch_deadline(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;
        struct compute_queue *queue = &service->compute.queue;
        usec_t now = now_monotonic();
        struct compute_job *job;

        service->compute.armed = USEC_NEVER;
        while ((job = compute_queue_find_late(queue, now))) {
                if (job->runs_on > 0 && job->client > 0)
                        compute_say_late(job);
                if (job->runs_on > 0)
                        end_process(service, job);
                drop(service, job, JOB_LATE);
        }
        arm(service);
        return 0;
}

void compute_arm(struct service *service, usec_t when) {
        struct compute *compute = &service->compute;
        int r;

        if (when >= compute->armed)
                return;
        compute->armed = when;
        if (!compute->timer)
                r = sd_event_add_time(service->event, &compute->timer, CLOCK_MONOTONIC, when, USEC_PER_MSEC,
                                      dispatch_deadline, service);
        else {
                r = sd_event_source_set_time(compute->timer, when);
                r = r < 0 ? r : sd_event_source_set_enabled(compute->timer, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                log_error(r, "Failed to time a job: %m");
}

static void arm(struct service *service) {
        compute_arm(service, compute_queue_deadline(&service->compute.queue));
}

/* ---- Giving jobs ---- */

/* Whether a generation has processes, or will have. */
static bool has_processes(const struct service *service, uint64_t generation) {
        if (generation == service->current->number || (service->next && generation == service->next->number))
                return true;
        LIST_FOREACH(node, (struct list *) &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_COMPUTE && process->generation == generation &&
                    process->state != PROCESS_LEAVING)
                        return true;
        }
        return false;
}

struct taker {
        const struct service *service;
        const struct process *process;
};

/* Whether a client takes no results for now. */
static bool is_crowded(const struct service *service, pid_t pid) {
        const struct process *client = compute_find_process(service, pid);

        return client && client->channel && channel_is_crowded(client->channel);
}

/* Its own, or a job of those who have no process any more. */
static bool suits(pid_t client, uint64_t generation, void *userdata) {
        const struct taker *taker = userdata;

        if (generation != taker->process->generation && has_processes(taker->service, generation))
                return false;
        return !is_crowded(taker->service, client);
}

static int give(struct process *process, struct compute_job *job) {
        char payload[JOB_MESSAGE_MAX];
        int r;

        memcpy(payload, &job->call, sizeof(job->call));
        if (job->fd >= 0)
                r = channel_send_fd(process->channel, MESSAGE_JOB, payload, sizeof(job->call), job->fd);
        else {
                memcpy(payload + sizeof(job->call), job->input ?: "", job->call.size + 1);
                r = channel_send(process->channel, MESSAGE_JOB, payload,
                                 sizeof(job->call) + job->call.size + 1);
        }
        if (r < 0)
                return r;
        job->runs_on = process->pid;
        process->job = job->call;
        process->jobs_given++;
        return 0;
}

/* Less busy in the last second, or with fewer jobs in all. */
static int compare(const void *a, const void *b) {
        const struct process *one = *(struct process *const *) a, *other = *(struct process *const *) b;

        if (one->usage.business != other->usage.business)
                return one->usage.business < other->usage.business ? -1 : 1;
        return one->jobs_given < other->jobs_given ? -1 : one->jobs_given > other->jobs_given;
}

/* Those that have nothing to do, the least busy first. */
static size_t collect_idle(const struct service *service, struct process *idle[static IDLE_MAX]) {
        size_t n = 0;

        LIST_FOREACH(node, (struct list *) &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_COMPUTE && process->state == PROCESS_READY &&
                    process->channel && !process->dismissed && !compute_is_busy(service, process) &&
                    n < IDLE_MAX)
                        idle[n++] = process;
        }
        qsort((void *) idle, n, sizeof(struct process *), compare);
        return n;
}

/* One that can't be given anything is no use, and its job is another's; but for want of memory or of descriptors here nobody
 * can be given it. */
static void give_up(struct service *service, struct process *process, struct compute_job *job, int error) {
        char name[32];

        if (error != -EPIPE) {
                log_warning(error, "A job of pid %d is refused: %m", job->client);
                drop(service, job, JOB_REFUSED);
                return;
        }
        log_debug("The %s (pid %d) takes no job: its channel has ended",
                  process_name(process, name, sizeof(name)), process->pid);
        job->runs_on = process->pid;
        end_process(service, job);
        if (job->attempts >= ATTEMPTS_MAX || compute_queue_return(&service->compute.queue, job) < 0)
                drop(service, job, JOB_CRASHED);
}

/* Until there is one that it can be given. */
static void give_next(struct service *service, struct process *process) {
        const struct taker taker = { service, process };
        int r;

        do {
                struct compute_job *job;

                job = compute_queue_next(&service->compute.queue, suits, (void *) &taker);
                if (!job)
                        return;
                r = give(process, job);
                if (r < 0)
                        give_up(service, process, job, r);
        } while (r < 0 && r != -EPIPE);
}

void compute_proceed(struct service *service) {
        struct process *idle[IDLE_MAX];
        size_t n;

        if (service->compute.queue.n_waiting == 0)
                return;
        n = collect_idle(service, idle);
        for (size_t i = 0; i < n; i++)
                give_next(service, idle[i]);
}

/* ---- What clients say ---- */

static void misbehave(struct process *process) {
        process->misbehaved = true;
        process_kill(process, SIGKILL);
}

/* Whether there is or will be anybody to run jobs. How many there will be is known when the first agent is ready. */
static bool has_any(const struct service *service) {
        if (service->current->n_computes > 0 || service->phase == PHASE_AGENT)
                return true;
        LIST_FOREACH(node, (struct list *) &service->processes)
                if (container_of(node, struct process, node)->role == PROCESS_COMPUTE)
                        return true;
        return false;
}

static int take_job(const struct process *client, const struct job_call *call, const void *input, int fd,
                    struct compute_job **ret) {
        struct compute_job *job;

        job = calloc(1, sizeof(*job));
        if (!job) {
                fd_close(fd);
                return -ENOMEM;
        }
        *job = (struct compute_job){
                .client = client->pid,
                .generation = client->generation,
                .deadline = usec_add(now_monotonic(), call->timeout),
                .call = *call,
                .fd = fd,
        };
        list_init(&job->node);
        if (fd < 0 && call->size > 0) {
                job->input = malloc(call->size + 1);
                if (!job->input) {
                        compute_job_free(job);
                        return -ENOMEM;
                }
                memcpy(job->input, input, call->size + 1);
        }
        *ret = job;
        return 0;
}

/* One that has not become a job here. */
static void refuse(struct service *service, const struct process *client, const struct job_call *call) {
        compute_count(&service->compute.counts, JOB_REFUSED);
        (void) compute_send_end(client, call->id, JOB_REFUSED, 0);
}

static void receive_job(struct service *service, struct process *client, const struct message *message,
                        int fd) {
        struct compute_job *job, *refused;
        struct job_call call;
        const void *input;
        usec_t deadline;
        int r;

        r = job_read_call(message, fd >= 0, &call, &input);
        if (r == -EMFILE) {
                refuse(service, client, &call);
                return;
        }
        if (r < 0) {
                misbehave(client);
                fd_close(fd);
                return;
        }
        if (take_job(client, &call, input, fd, &job) < 0) {
                (void) log_oom();
                refuse(service, client, &call);
                return;
        }
        if (!has_any(service)) {
                fail(service, job, JOB_HOMELESS);
                return;
        }
        deadline = job->deadline;
        if (compute_queue_add(&service->compute.queue, job) < 0) {
                fail(service, job, JOB_REFUSED);
                return;
        }
        compute_proceed(service);
        refused = compute_queue_shorten(&service->compute.queue, service->current->config->compute.queue,
                                        client->pid);
        if (refused)
                fail(service, refused, JOB_REFUSED);
        compute_arm(service, deadline);
}

/* Nobody waits for it. */
static void forget(struct service *service, struct compute_job *job) {
        service->compute.counts.cancelled++;
        job->client = 0;
        if (job->runs_on == 0) {
                drop(service, job, JOB_DONE);
                return;
        }
        job->deadline = MIN(job->deadline, usec_add(now_monotonic(), UNWANTED_SPAN));
        compute_arm(service, job->deadline);
}

static void receive_cancel(struct service *service, const struct process *client,
                           const struct message *message) {
        struct job_cancel cancel;
        struct compute_job *job;

        memcpy(&cancel, message->payload, sizeof(cancel));
        job = compute_queue_find(&service->compute.queue, client->pid, cancel.id);
        if (job)
                forget(service, job);
}

/* ---- What compute processes say ---- */

/* It was to leave when it had done this. */
static void on_idle(struct service *service, struct process *process) {
        if (process->dismissed && process->state == PROCESS_READY)
                process_leave(process, MESSAGE_DRAIN);
        compute_proceed(service);
}

static void receive_answer(struct service *service, struct process *process, const struct message *message,
                           int fd) {
        struct compute_job *job = compute_queue_find_on(&service->compute.queue, process->pid);
        struct job_answer answer;
        const void *output;
        int r;

        r = job_read_answer(message, fd >= 0, &answer, &output);
        if (r == -EBADMSG || (answer.outcome != JOB_DONE && answer.outcome != JOB_BROKEN))
                misbehave(process);
        else if (job && job->call.id == answer.id) {
                if (job->client > 0) {
                        compute_count(&service->compute.counts, (enum job_outcome) answer.outcome);
                        if (r < 0)
                                (void) compute_send_broken(service, job, r);
                        else
                                compute_send_answer(service, job, message->payload, message->size, fd);
                }
                compute_queue_remove(&service->compute.queue, job);
                compute_job_free(job);
                process->job = (struct job_call){}; /* a crash that comes now is not its */
                on_idle(service, process);
        }
        fd_close(fd);
}

void compute_receive(struct service *service, struct process *process, const struct message *message,
                     int fd) {
        switch (message->type) {
        case MESSAGE_JOB:
                receive_job(service, process, message, fd);
                break;
        case MESSAGE_RESULT:
                receive_answer(service, process, message, fd);
                break;
        default:
                receive_cancel(service, process, message);
                break;
        }
}

/* ---- Ends ---- */

/* A result's client has no result then; a job's process has no job. */
void compute_unsent(struct service *service, struct process *to, const struct message *message) {
        struct compute_job *job;

        if (message->type == MESSAGE_RESULT) {
                struct job_answer answer;

                memcpy(&answer, message->payload, sizeof(answer));
                log_warning(
                        0, "The result of a job of pid %d is dropped: too many descriptors are on their way",
                        to->pid);
                (void) compute_send_end(to, answer.id, JOB_BROKEN, -ENOBUFS);
                return;
        }
        job = compute_queue_find_on(&service->compute.queue, to->pid);
        if (!job)
                return;
        to->jobs_given--;
        to->job = (struct job_call){};
        drop(service, job, JOB_REFUSED);
        on_idle(service, to);
}

/* What becomes of the job of a process that will not answer any more. */
static void settle(struct service *service, const struct process *process) {
        struct compute_job *job = compute_queue_find_on(&service->compute.queue, process->pid);
        struct slot slot;

        if (!job)
                return;
        service_read_slot(service, process, &slot);
        if (job->client > 0 && slot.jobs_begun < process->jobs_given && job->attempts < ATTEMPTS_MAX &&
            compute_queue_return(&service->compute.queue, job) >= 0)
                return;
        drop(service, job, JOB_CRASHED);
}

/* One that leaves in order answers first. */
void compute_on_lost(struct service *service, struct process *process) {
        if (process->role != PROCESS_COMPUTE || process->said_leaving)
                return;
        settle(service, process);
        compute_proceed(service);
}

void compute_on_gone(struct service *service, struct process *process) {
        struct compute_job *job;

        if (process->role == PROCESS_COMPUTE)
                settle(service, process);
        while ((job = compute_queue_find_any(&service->compute.queue, process->pid)))
                forget(service, job);
        compute_proceed(service);
}

void compute_part(struct service *service, struct process *process) {
        process->dismissed = true;
        if (!compute_is_busy(service, process))
                process_leave(process, MESSAGE_DRAIN);
}
