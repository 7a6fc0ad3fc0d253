/* SPDX-License-Identifier: MIT */

/*
 * Which job is next, and which has to go when too many wait.
 *
 * Jobs wait here and never at a compute process, so that whichever is free first takes the next one, and a long
 * job delays nobody who has another process to go to. Those of one client (a worker, or the agent) keep their
 * order; the clients take turns. So a worker that has sent a hundred delays the single job of another by one.
 *
 * The bound is on all that wait together, and it is shared by the same rule: when it is reached, the client that has
 * most of them loses its last one. One that floods the queue so refuses its own jobs and nobody else's, and one that
 * is alone has all of the room.
 *
 * A few hundred jobs are looked through where something rare is looked for (a cancellation, a deadline); the
 * common way, in at the end and out at the front, looks at none but its own.
 */

#include <errno.h>

#include "master/compute-queue.h"
#include "util/fd.h"

/* One that has jobs waiting. */
struct compute_client {
        struct list node;
        pid_t pid;
        uint64_t generation;
        unsigned int n;
        struct list jobs;
};

static struct compute_job *job_at(struct list *node) {
        return container_of(node, struct compute_job, node);
}

static struct compute_client *client_at(struct list *node) {
        return container_of(node, struct compute_client, node);
}

struct compute_job *compute_job_free(struct compute_job *job) {
        if (!job)
                return NULL;
        free(job->input);
        fd_close(job->fd);
        free(job);
        return NULL;
}

void compute_queue_init(struct compute_queue *queue) {
        *queue = (struct compute_queue){};
        list_init(&queue->clients);
        list_init(&queue->running);
}

static void free_jobs(struct list *jobs) {
        LIST_FOREACH_SAFE(node, jobs)
                compute_job_free(job_at(node));
}

void compute_queue_deinit(struct compute_queue *queue) {
        LIST_FOREACH_SAFE(node, &queue->clients) {
                free_jobs(&client_at(node)->jobs);
                free(client_at(node));
        }
        free_jobs(&queue->running);
        compute_queue_init(queue);
}

static struct compute_client *find_client(const struct compute_queue *queue, pid_t pid) {
        LIST_FOREACH(node, (struct list *) &queue->clients)
                if (client_at(node)->pid == pid)
                        return client_at(node);
        return NULL;
}

/* A new one is served after all others. */
static struct compute_client *need_client(struct compute_queue *queue, const struct compute_job *job) {
        struct compute_client *client = find_client(queue, job->client);

        if (client)
                return client;
        client = calloc(1, sizeof(*client));
        if (!client)
                return NULL;
        client->pid = job->client;
        client->generation = job->generation;
        list_init(&client->jobs);
        list_append(&queue->clients, &client->node);
        return client;
}

static void wait_at(struct compute_queue *queue, struct compute_client *client, struct list *before,
                    struct compute_job *job) {
        list_append(before, &job->node);
        job->waits = client;
        job->runs_on = 0;
        client->n++;
        queue->n_waiting++;
}

void compute_queue_remove(struct compute_queue *queue, struct compute_job *job) {
        struct compute_client *client = job->waits;

        list_remove(&job->node);
        job->waits = NULL;
        if (!client) {
                queue->n_running--;
                return;
        }
        queue->n_waiting--;
        if (--client->n > 0)
                return;
        list_remove(&client->node);
        free(client);
}

int compute_queue_add(struct compute_queue *queue, struct compute_job *job) {
        struct compute_client *client = need_client(queue, job);

        if (!client)
                return -ENOMEM;
        wait_at(queue, client, &client->jobs, job);
        return 0;
}

struct compute_job *compute_queue_shorten(struct compute_queue *queue, unsigned int limit, pid_t newest) {
        struct compute_client *most = find_client(queue, newest);
        struct compute_job *victim;

        if (queue->n_waiting <= limit)
                return NULL;
        LIST_FOREACH(node, &queue->clients)
                if (!most || client_at(node)->n > most->n)
                        most = client_at(node);
        victim = job_at(most->jobs.prev);
        compute_queue_remove(queue, victim);
        return victim;
}

static void run(struct compute_queue *queue, struct compute_job *job) {
        list_append(&queue->running, &job->node);
        queue->n_running++;
}

int compute_queue_restore(struct compute_queue *queue, struct compute_job *job) {
        if (job->runs_on == 0)
                return compute_queue_add(queue, job);
        run(queue, job);
        return 0;
}

struct compute_job *compute_queue_next(struct compute_queue *queue,
                                       bool (*suits)(pid_t client, uint64_t generation, void *userdata),
                                       void *userdata) {
        LIST_FOREACH(node, &queue->clients) {
                struct compute_client *client = client_at(node);
                struct compute_job *job;

                if (!suits(client->pid, client->generation, userdata))
                        continue;
                list_remove(&client->node);
                list_append(&queue->clients, &client->node);
                job = job_at(client->jobs.next);
                compute_queue_remove(queue, job);
                run(queue, job);
                job->attempts++;
                return job;
        }
        return NULL;
}

int compute_queue_return(struct compute_queue *queue, struct compute_job *job) {
        struct compute_client *client = need_client(queue, job);

        if (!client)
                return -ENOMEM;
        compute_queue_remove(queue, job);
        wait_at(queue, client, client->jobs.next, job);
        return 0;
}

/* ---- Looking for one ---- */

static struct compute_job *find(const struct compute_queue *queue,
                                bool (*is_it)(const struct compute_job *job, const void *userdata),
                                const void *userdata) {
        LIST_FOREACH(node, (struct list *) &queue->running)
                if (is_it(job_at(node), userdata))
                        return job_at(node);
        LIST_FOREACH(client, (struct list *) &queue->clients)
                LIST_FOREACH(node, &client_at(client)->jobs)
                        if (is_it(job_at(node), userdata))
                                return job_at(node);
        return NULL;
}

struct name {
        pid_t pid;
        uint64_t id;
};

static bool has_name(const struct compute_job *job, const void *userdata) {
        const struct name *name = userdata;

        return job->client == name->pid && job->call.id == name->id;
}

static bool is_of(const struct compute_job *job, const void *userdata) {
        return job->client == *(const pid_t *) userdata;
}

static bool is_late(const struct compute_job *job, const void *userdata) {
        return job->deadline <= *(const usec_t *) userdata;
}

struct compute_job *compute_queue_find(const struct compute_queue *queue, pid_t client, uint64_t id) {
        return find(queue, has_name, &(struct name){ client, id });
}

struct compute_job *compute_queue_find_any(const struct compute_queue *queue, pid_t client) {
        return find(queue, is_of, &client);
}

struct compute_job *compute_queue_find_on(const struct compute_queue *queue, pid_t process) {
        LIST_FOREACH(node, (struct list *) &queue->running)
                if (job_at(node)->runs_on == process)
                        return job_at(node);
        return NULL;
}

struct compute_job *compute_queue_find_late(const struct compute_queue *queue, usec_t now) {
        return find(queue, is_late, &now);
}

void compute_queue_each(const struct compute_queue *queue,
                        void (*function)(struct compute_job *job, void *userdata), void *userdata) {
        LIST_FOREACH(node, (struct list *) &queue->running)
                function(job_at(node), userdata);
        LIST_FOREACH(client, (struct list *) &queue->clients)
                LIST_FOREACH(node, &client_at(client)->jobs)
                        function(job_at(node), userdata);
}

static void take_earlier(struct compute_job *job, void *userdata) {
        usec_t *deadline = userdata;

        *deadline = MIN(*deadline, job->deadline);
}

usec_t compute_queue_deadline(const struct compute_queue *queue) {
        usec_t deadline = USEC_NEVER;

        compute_queue_each(queue, take_earlier, &deadline);
        return deadline;
}
