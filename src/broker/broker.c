/* SPDX-License-Identifier: MIT */

/*
 * A connection to a message broker, for a process whose one thread must not wait.
 *
 * Libraries of brokers wait and have threads. So theirs is kept away from our loop: everything that speaks to the
 * broker happens on one more thread (link.c) and on those that the library starts from it, and what passes between
 * them and the loop are two bounded queues and a status, under one lock that is held for moments. No function of
 * the application ever runs on another thread than the loop's, and the loop never calls the library: so one
 * that faults or is interrupted in the middle of publishing leaves no lock of it behind.
 *
 * What arrives and does not fit is dropped, counted and told; what is published and does not fit is refused. The
 * broker is never held up by us.
 *
 * The threads have all signals blocked but those of their own faults, which belong to whoever caused them; SIGTERM and the
 * master's interruption of a hang reach the loop's thread. A fault there, in a library, ends the process: it is in
 * nobody's callback.
 */

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "broker/state.h"
#include "util/fd.h"

#define MESSAGES_PER_TURN 64U /* then others have their turn */

void broker_wake(struct broker *broker) {
        uint64_t one = 1;

        if (broker->woken)
                return;
        broker->woken = true;
        (void) !write(broker->wake_fd, &one, sizeof(one));
}

/* ---- What has come ---- */

static bool is_wanted(const struct broker *broker, unsigned int number) {
        LIST_FOREACH(node, &broker->subscriptions) {
                const struct subscription *subscription = container_of(node, struct subscription, node);

                if (subscription->number == number)
                        return subscription->wanted;
        }
        return false;
}

/* The next message that somebody waits for; when there is one more, the loop comes back. */
static struct queue_message *take_message(struct broker *broker) {
        struct queue_message *message;

        (void) pthread_mutex_lock(&broker->lock);
        while ((message = queue_pop(&broker->arrived)) && !is_wanted(broker, message->subscription))
                queue_message_free(message);
        (void) pthread_mutex_unlock(&broker->lock);
        return message;
}

static bool deliver_one(struct broker *broker) {
        _cleanup_(cleanup_queue_message_free) struct queue_message *message = take_message(broker);

        if (!message)
                return false;
        broker->callbacks.message(broker->callbacks.userdata, message->subscription, message->subject,
                                  message->data, message->size);
        return true;
}

void broker_deliver(struct broker *broker, usec_t span) {
        usec_t until = usec_add(now_monotonic(), span);

        while (deliver_one(broker) && now_monotonic() < until)
                ;
}

static int broker_dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct broker *broker = userdata;
        struct broker_status status;
        uint64_t count;
        bool changed;

        (void) !read(fd, &count, sizeof(count));
        (void) pthread_mutex_lock(&broker->lock);
        broker->woken = false;
        changed = broker->changed;
        broker->changed = false;
        status = broker->status;
        (void) pthread_mutex_unlock(&broker->lock);

        if (changed)
                broker->callbacks.changed(broker->callbacks.userdata, &status);
        for (unsigned int i = 0; i < MESSAGES_PER_TURN; i++)
                if (!deliver_one(broker))
                        return 0;
        (void) pthread_mutex_lock(&broker->lock);
        broker_wake(broker);
        (void) pthread_mutex_unlock(&broker->lock);
        return 0;
}

/* ---- Beginning and end ---- */

static int start_thread(struct broker *broker) {
        static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP };
        sigset_t blocked, before;
        int r;

        (void) sigfillset(&blocked);
        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                (void) sigdelset(&blocked, own[i]);
        (void) pthread_sigmask(SIG_SETMASK, &blocked, &before);
        r = -pthread_create(&broker->thread, NULL, link_run, broker);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        broker->running = r == 0;
        return r;
}

static int make_condition(pthread_cond_t *condition) {
        pthread_condattr_t attributes;
        int r;

        r = -pthread_condattr_init(&attributes);
        if (r < 0)
                return r;
        (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        r = -pthread_cond_init(condition, &attributes);
        (void) pthread_condattr_destroy(&attributes);
        return r;
}

static int broker_make(struct broker *broker, sd_event *event) {
        int r;

        broker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (broker->wake_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &broker->source, broker->wake_fd, EPOLLIN, broker_dispatch, broker);
        return r < 0 ? r : start_thread(broker);
}

int broker_new(struct broker **ret, sd_event *event, const struct broker_driver *driver,
               const struct broker_settings *settings, const struct broker_callbacks *callbacks) {
        _cleanup_(cleanup_broker_free) struct broker *broker = NULL;
        int r;

        broker = calloc(1, sizeof(*broker));
        if (!broker)
                return -ENOMEM;
        *broker = (struct broker){
                .driver = driver,
                .settings = settings,
                .host = link_host,
                .wake_fd = -1,
                .callbacks = *callbacks,
                .arrived = { .limit = settings->queue },
                .leaving = { .limit = settings->queue },
                .status = { .since = now_monotonic() },
        };
        broker->host.userdata = broker;
        list_init(&broker->subscriptions);
        (void) pthread_mutex_init(&broker->lock, NULL);
        r = make_condition(&broker->work);
        r = r < 0 ? r : make_condition(&broker->over);
        r = r < 0 ? r : broker_make(broker, event);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(broker);
        return 0;
}

int broker_stop(struct broker *broker, usec_t timeout) {
        usec_t until = usec_add(now_monotonic(), timeout);
        const struct timespec deadline = {
                .tv_sec = (time_t) (until / USEC_PER_SEC),
                .tv_nsec = (long) (until % USEC_PER_SEC * 1000),
        };
        bool ended;

        if (!broker->running)
                return 0;
        (void) pthread_mutex_lock(&broker->lock);
        broker->stopping = true;
        (void) pthread_cond_signal(&broker->work);
        while (!broker->ended && pthread_cond_timedwait(&broker->over, &broker->lock, &deadline) == 0)
                ;
        ended = broker->ended;
        (void) pthread_mutex_unlock(&broker->lock);
        if (!ended)
                return -ETIMEDOUT;
        (void) pthread_join(broker->thread, NULL);
        broker->running = false;
        return 0;
}

struct broker *broker_free(struct broker *broker) {
        if (!broker || broker->running)
                return NULL;
        sd_event_source_disable_unref(broker->source);
        fd_close(broker->wake_fd);
        queue_clear(&broker->arrived);
        queue_clear(&broker->leaving);
        LIST_FOREACH_SAFE(node, &broker->subscriptions)
                free(container_of(node, struct subscription, node));
        (void) pthread_cond_destroy(&broker->work);
        (void) pthread_cond_destroy(&broker->over);
        (void) pthread_mutex_destroy(&broker->lock);
        free(broker);
        return NULL;
}

/* ---- What is wanted ---- */

void broker_activate(struct broker *broker, bool active) {
        (void) pthread_mutex_lock(&broker->lock);
        broker->active = active;
        (void) pthread_cond_signal(&broker->work);
        (void) pthread_mutex_unlock(&broker->lock);
}

int broker_subscribe(struct broker *broker, const char *subject, unsigned int *ret_subscription) {
        size_t length = strlen(subject);
        struct subscription *subscription;
        int r;

        r = broker->driver->check_subject(subject, true);
        if (r < 0)
                return r;
        subscription = malloc(sizeof(*subscription) + length + 1);
        if (!subscription)
                return -ENOMEM;
        *subscription = (struct subscription){ .number = ++broker->last_subscription, .wanted = true };
        memcpy(subscription->subject, subject, length + 1);
        *ret_subscription = subscription->number;

        (void) pthread_mutex_lock(&broker->lock);
        list_append(&broker->subscriptions, &subscription->node);
        (void) pthread_cond_signal(&broker->work);
        (void) pthread_mutex_unlock(&broker->lock);
        return 0;
}

void broker_unsubscribe(struct broker *broker, unsigned int number) {
        (void) pthread_mutex_lock(&broker->lock);
        LIST_FOREACH(node, &broker->subscriptions) {
                struct subscription *subscription = container_of(node, struct subscription, node);

                if (subscription->number == number)
                        subscription->wanted = false;
        }
        (void) pthread_cond_signal(&broker->work);
        (void) pthread_mutex_unlock(&broker->lock);
}

static int put_into_queue(struct broker *broker, struct queue_message *message) {
        if (broker->status.state != BROKER_CONNECTED || broker->lost || broker->stopping)
                return -EAGAIN;
        if (message->size > broker->size_max)
                return -EMSGSIZE;
        return queue_push(&broker->leaving, message);
}

int broker_publish(struct broker *broker, const char *subject, const void *data, size_t size) {
        struct queue_message *message;
        int r;

        r = broker->driver->check_subject(subject, false);
        if (r < 0)
                return r;
        /* Before the lock: whoever passes a bad pointer faults here, and holds nothing */
        r = queue_message_new(&message, 0, subject, data, size);
        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&broker->lock);
        r = put_into_queue(broker, message);
        (void) pthread_cond_signal(&broker->work);
        (void) pthread_mutex_unlock(&broker->lock);
        if (r < 0)
                queue_message_free(message);
        return r;
}

void broker_get_status(struct broker *broker, struct broker_status *ret) {
        (void) pthread_mutex_lock(&broker->lock);
        *ret = broker->status;
        (void) pthread_mutex_unlock(&broker->lock);
}
