/* SPDX-License-Identifier: MIT */

/*
 * Threads for calls that block: a library that knows nothing of loops.
 *
 * They are started as jobs come, up to `[compute] threads`, and then stay. Each takes the next job there is; what is done
 * goes back by a second list, and an eventfd wakes the loop. All else belongs to the loop: a job is allocated and freed
 * there, and whether anybody still wants it is never looked at here. So there is one lock, which is held for the
 * moment of linking a node, and no order of locks to get wrong.
 *
 * A thread gives way to the loop as compute processes do to workers: the loop must win wherever it wants the CPU. All
 * signals are blocked, but for those that a fault raises: they end the process, as a fault on a thread leaves
 * nothing that could be unwound (app/guard.c). Each has a stack for that, so that even an overflow is reported.
 *
 * What a thread is at cannot be stopped. A process that ends while one is busy ends without cleaning up.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/threads.h"
#include "util/fd.h"

#define STACK_SIZE  ((size_t) 1024 * 1024)
#define SIGNAL_SIZE ((size_t) 64 * 1024)

struct threads {
        struct muster *muster; /* not owned */
        void (*done)(struct thread_job *job);
        sd_event_source *source;
        int fd; /* an eventfd: something is done */

        pthread_mutex_t lock; /* of all that follows */
        pthread_cond_t wake;
        struct list waiting;
        struct list finished;
        unsigned int n_waiting;
        unsigned int n_busy;
        unsigned int n; /* those that are only starting too */
        bool stopping;
        pthread_t threads[];
};

struct thread_job *thread_job_free(struct thread_job *job) {
        if (!job)
                return NULL;
        result_clear(&job->result);
        free(job->input);
        free(job);
        return NULL;
}

/* ---- In a thread ---- */

/* What is not granted is done without. */
static void give_way(const struct config *config) {
        const struct sched_param none = {};

        if (config->compute.idle)
                (void) sched_setscheduler(0, SCHED_IDLE, &none);
        if (config->compute.nice > 0)
                (void) setpriority(PRIO_PROCESS, (id_t) gettid(), (int) config->compute.nice);
}

static void set_up_signal_stack(void) {
        stack_t stack = { .ss_size = SIGNAL_SIZE };

        stack.ss_sp = mmap(NULL, SIGNAL_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (stack.ss_sp != MAP_FAILED)
                (void) sigaltstack(&stack, NULL);
}

static void drop_signal_stack(void) {
        const stack_t none = { .ss_flags = SS_DISABLE };
        stack_t stack;

        if (sigaltstack(&none, &stack) == 0 && !(stack.ss_flags & SS_DISABLE))
                (void) munmap(stack.ss_sp, stack.ss_size);
}

/* The next job, NULL when there will be no more. With the lock. */
static struct thread_job *wait_for_job(struct threads *threads) {
        struct thread_job *job;

        while (list_empty(&threads->waiting) && !threads->stopping)
                (void) pthread_cond_wait(&threads->wake, &threads->lock);
        if (threads->stopping)
                return NULL;
        job = container_of(threads->waiting.next, struct thread_job, node);
        list_remove(&job->node);
        threads->n_waiting--;
        threads->n_busy++;
        return job;
}

static void finish(struct threads *threads, struct thread_job *job) {
        uint64_t one = 1;

        list_append(&threads->finished, &job->node);
        threads->n_busy--;
        (void) !write(threads->fd, &one, sizeof(one));
}

static void *run(void *argument) {
        struct threads *threads = argument;
        struct thread_job *job;

        set_up_signal_stack();
        give_way(threads->muster->config);
        (void) pthread_mutex_lock(&threads->lock);
        while ((job = wait_for_job(threads))) {
                (void) pthread_mutex_unlock(&threads->lock);
                job->error = job->function(job->input, job->size, &job->result);
                (void) pthread_mutex_lock(&threads->lock);
                finish(threads, job);
        }
        (void) pthread_mutex_unlock(&threads->lock);
        drop_signal_stack();
        return NULL;
}

/* ---- On the loop ---- */

static int dispatch_done(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct threads *threads = userdata;
        struct list finished;
        uint64_t count;

        (void) !read(fd, &count, sizeof(count));
        list_init(&finished);
        (void) pthread_mutex_lock(&threads->lock);
        while (!list_empty(&threads->finished)) {
                struct list *node = threads->finished.next;

                list_remove(node);
                list_append(&finished, node);
        }
        (void) pthread_mutex_unlock(&threads->lock);
        threads->muster->event_changed = true;
        while (!list_empty(&finished)) {
                struct thread_job *job = container_of(finished.next, struct thread_job, node);

                list_remove(&job->node);
                threads->done(job);
        }
        return 0;
}

int threads_new(struct threads **ret, struct muster *muster, void (*done)(struct thread_job *job)) {
        struct threads *threads;
        int r;

        threads = calloc(1, sizeof(*threads) + muster->config->compute.threads * sizeof(pthread_t));
        if (!threads)
                return -ENOMEM;
        threads->muster = muster;
        threads->done = done;
        list_init(&threads->waiting);
        list_init(&threads->finished);
        (void) pthread_mutex_init(&threads->lock, NULL);
        (void) pthread_cond_init(&threads->wake, NULL);
        threads->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = threads->fd < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_io(muster->event, &threads->source, threads->fd, EPOLLIN, dispatch_done,
                                    threads);
        if (r < 0) {
                (void) threads_free(threads);
                return r;
        }
        *ret = threads;
        return 0;
}

static void free_jobs(struct list *jobs) {
        LIST_FOREACH_SAFE(node, jobs) {
                list_remove(node);
                thread_job_free(container_of(node, struct thread_job, node));
        }
}

bool threads_are_busy(struct threads *threads) {
        bool busy;

        (void) pthread_mutex_lock(&threads->lock);
        busy = threads->n_busy > 0;
        (void) pthread_mutex_unlock(&threads->lock);
        return busy;
}

int threads_free(struct threads *threads) {
        bool busy;

        if (!threads)
                return 0;
        (void) pthread_mutex_lock(&threads->lock);
        threads->stopping = true;
        free_jobs(&threads->waiting);
        threads->n_waiting = 0;
        busy = threads->n_busy > 0;
        (void) pthread_cond_broadcast(&threads->wake);
        (void) pthread_mutex_unlock(&threads->lock);
        if (busy)
                return -EBUSY;
        for (unsigned int i = 0; i < threads->n; i++)
                (void) pthread_join(threads->threads[i], NULL);
        free_jobs(&threads->finished);
        sd_event_source_disable_unref(threads->source);
        fd_close(threads->fd);
        (void) pthread_cond_destroy(&threads->wake);
        (void) pthread_mutex_destroy(&threads->lock);
        free(threads);
        return 0;
}

/* It inherits the signal mask: those that a fault raises are not for it to block. */
static int start_one(struct threads *threads) {
        static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP };
        sigset_t blocked, before;
        pthread_attr_t attributes;
        int r;

        (void) sigfillset(&blocked);
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                (void) sigdelset(&blocked, faults[i]);
        (void) pthread_attr_init(&attributes);
        (void) pthread_attr_setstacksize(&attributes, STACK_SIZE);
        (void) pthread_sigmask(SIG_SETMASK, &blocked, &before);
        r = pthread_create(&threads->threads[threads->n], &attributes, run, threads);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void) pthread_attr_destroy(&attributes);
        if (r == 0)
                threads->n++;
        return -r;
}

/* Those that have no job, or none yet. With the lock. */
static unsigned int count_free(const struct threads *threads) {
        return threads->n - threads->n_busy;
}

int threads_submit(struct threads *threads, struct thread_job *job) {
        const struct config *config = threads->muster->config;
        int r = 0;

        (void) pthread_mutex_lock(&threads->lock);
        if (count_free(threads) <= threads->n_waiting && threads->n < config->compute.threads)
                r = start_one(threads);
        if (r < 0 && threads->n > 0)
                r = 0; /* those that there are will do it */
        if (r >= 0 && threads->n_waiting >= config->compute.queue + count_free(threads))
                r = -EAGAIN;
        if (r >= 0) {
                list_append(&threads->waiting, &job->node);
                threads->n_waiting++;
                (void) pthread_cond_signal(&threads->wake);
        }
        (void) pthread_mutex_unlock(&threads->lock);
        return r;
}

bool threads_withdraw(struct threads *threads, struct thread_job *job) {
        bool waits = false;

        (void) pthread_mutex_lock(&threads->lock);
        LIST_FOREACH(node, &threads->waiting)
                waits = waits || node == &job->node;
        if (waits) {
                list_remove(&job->node);
                threads->n_waiting--;
        }
        (void) pthread_mutex_unlock(&threads->lock);
        return waits;
}
