/* SPDX-License-Identifier: MIT */

/*
 * The hand-over between the threads of a driver and the loop, with a driver that stands in for a library: it has a thread
 * for each subscription that delivers as fast as it can, and it is told when to fail. Runs under ThreadSanitizer too.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/broker.h"
#include "util/macro.h"

#define SOON          (20 * USEC_PER_SEC)
#define SUBJECTS_MAX  8U
#define PUBLISHED_MAX 64U

/* ---- The driver ---- */

struct line {
        pthread_t thread;
        unsigned int number;
        char subject[32];
};

static struct {
        pthread_mutex_t lock;
        const struct broker_host *host;
        unsigned int connects; /* attempts */
        unsigned int refusals; /* how many of them are still to fail */
        unsigned int made;     /* subscriptions, ever */
        unsigned int ended;    /* of them, by unsubscribe() */
        unsigned int burst;    /* messages for each subscription, when it is made */
        unsigned int bursts;   /* that are over */
        unsigned int published;
        unsigned int flushed;
        bool publish_fails; /* once */
        bool flush_fails;   /* once */
        bool stuck;         /* connect() does not return */
        sigset_t signals;   /* blocked in its thread */
        struct line lines[SUBJECTS_MAX];
        unsigned int n_lines;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

static unsigned int peek(const unsigned int *number) {
        unsigned int value;

        (void) pthread_mutex_lock(&fake.lock);
        value = *number;
        (void) pthread_mutex_unlock(&fake.lock);
        return value;
}

static int fake_check_subject(const char *subject, bool pattern) {
        return *subject ? 0 : -EINVAL;
}

static int fake_open(void **ret, const struct broker_settings *settings, const struct broker_host *host) {
        (void) pthread_mutex_lock(&fake.lock);
        fake.host = host;
        (void) pthread_sigmask(SIG_SETMASK, NULL, &fake.signals);
        (void) pthread_mutex_unlock(&fake.lock);
        *ret = &fake;
        return 0;
}

static void fake_close(void *driver) {
        fake.host = NULL;
}

static int fake_connect(void *driver, const struct config_broker_url *server, char *reason, size_t size) {
        bool refuse, stuck;

        (void) pthread_mutex_lock(&fake.lock);
        fake.connects++;
        refuse = fake.refusals > 0;
        fake.refusals -= refuse;
        stuck = fake.stuck;
        (void) pthread_mutex_unlock(&fake.lock);
        while (stuck) {
                (void) usleep(1000);
                (void) pthread_mutex_lock(&fake.lock);
                stuck = fake.stuck;
                (void) pthread_mutex_unlock(&fake.lock);
        }
        (void) snprintf(reason, size, "%s", refuse ? "Go\naway" : "");
        return refuse ? -ECONNREFUSED : 0;
}

static void fake_disconnect(void *driver) {
        for (unsigned int i = 0; i < fake.n_lines; i++)
                (void) pthread_join(fake.lines[i].thread, NULL);
        fake.n_lines = 0;
}

static void *deliver(void *userdata) {
        const struct line *line = userdata;

        for (unsigned int i = 0; i < fake.burst; i++)
                fake.host->message(fake.host->userdata, line->number, line->subject, &i, sizeof(i));
        (void) pthread_mutex_lock(&fake.lock);
        fake.bursts++;
        (void) pthread_mutex_unlock(&fake.lock);
        return NULL;
}

static int fake_subscribe(void *driver, unsigned int number, const char *subject) {
        struct line *line = &fake.lines[fake.n_lines++];

        line->number = number;
        (void) snprintf(line->subject, sizeof(line->subject), "%s", subject);
        if (pthread_create(&line->thread, NULL, deliver, line) != 0)
                abort();
        (void) pthread_mutex_lock(&fake.lock);
        fake.made++;
        (void) pthread_mutex_unlock(&fake.lock);
        return 0;
}

static int fake_unsubscribe(void *driver, unsigned int number) {
        (void) pthread_mutex_lock(&fake.lock);
        fake.ended++;
        (void) pthread_mutex_unlock(&fake.lock);
        return 0;
}

static int fake_publish(void *driver, const char *subject, const void *data, size_t size) {
        bool fails;

        (void) pthread_mutex_lock(&fake.lock);
        fails = fake.publish_fails;
        fake.publish_fails = false;
        fake.published += !fails;
        (void) pthread_mutex_unlock(&fake.lock);
        return fails ? -EPIPE : 0;
}

static uint64_t fake_size_max(void *driver) {
        return 1000;
}

static int fake_flush(void *driver, usec_t timeout) {
        bool fails;

        (void) pthread_mutex_lock(&fake.lock);
        fails = fake.flush_fails;
        fake.flush_fails = false;
        fake.flushed++;
        (void) pthread_mutex_unlock(&fake.lock);
        return fails ? -ETIMEDOUT : 0;
}

static const struct broker_driver driver = {
        .version = BROKER_DRIVER_VERSION,
        .check_subject = fake_check_subject,
        .open = fake_open,
        .close = fake_close,
        .connect = fake_connect,
        .disconnect = fake_disconnect,
        .subscribe = fake_subscribe,
        .unsubscribe = fake_unsubscribe,
        .publish = fake_publish,
        .size_max = fake_size_max,
        .flush = fake_flush,
};

/* ---- The loop ---- */

struct fixture {
        sd_event *event;
        struct config_broker_url server;
        struct broker_settings settings;
        struct broker *broker;
        struct broker_status status;
        unsigned int changes;
        unsigned int made;                   /* subscriptions, when it was connected last */
        unsigned int received[SUBJECTS_MAX]; /* by subscription */
        unsigned int next[SUBJECTS_MAX];
        bool in_order;
        unsigned int unsubscribe_at; /* in the message after so many */
        pthread_t loop;
        bool elsewhere; /* a callback came on another thread */
};

static void on_message(void *userdata, unsigned int number, const char *subject, const void *data,
                       size_t size) {
        struct fixture *fixture = userdata;
        unsigned int i;

        assert_in_range(number, 1, SUBJECTS_MAX - 1);
        assert_int_equal(size, sizeof(i));
        memcpy(&i, data, sizeof(i));
        fixture->in_order &= i >= fixture->next[number] || i == 0;
        fixture->next[number] = i + 1;
        fixture->received[number]++;
        fixture->elsewhere |= !pthread_equal(pthread_self(), fixture->loop);
        if (fixture->received[number] == fixture->unsubscribe_at)
                broker_unsubscribe(fixture->broker, number);
}

static void on_changed(void *userdata, const struct broker_status *status) {
        struct fixture *fixture = userdata;

        if (status->state == BROKER_CONNECTED && fixture->status.state != BROKER_CONNECTED)
                fixture->made = peek(&fake.made);
        fixture->status = *status;
        fixture->changes++;
        fixture->elsewhere |= !pthread_equal(pthread_self(), fixture->loop);
}

static void begin(struct fixture *fixture, uint64_t queue) {
        const struct broker_callbacks callbacks = { on_message, on_changed, fixture };

        fixture->settings = (struct broker_settings){
                .servers = &fixture->server,
                .n_servers = 1,
                .queue = queue,
        };
        assert_int_equal(
                broker_new(&fixture->broker, fixture->event, &driver, &fixture->settings, &callbacks), 0);
}

#define run_until(fixture, condition)                                                                       \
        do {                                                                                                \
                usec_t _until = now_monotonic() + SOON;                                                     \
                while (!(condition) && now_monotonic() < _until)                                            \
                        assert_true(sd_event_run((fixture)->event, 10000) >= 0);                            \
                assert_true(condition);                                                                     \
        } while (false)

static int setup(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        if (!fixture || sd_event_new(&fixture->event) < 0 ||
            config_broker_url_parse("nats://me:secret@host:1", &fixture->server) < 0)
                return -1;
        fixture->in_order = true;
        fixture->loop = pthread_self();
        fake.connects = fake.refusals = fake.made = fake.ended = fake.burst = fake.bursts = fake.published =
                fake.flushed = 0;
        fake.publish_fails = fake.flush_fails = fake.stuck = false;
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        int r = 0;

        if (fixture->broker)
                r = broker_stop(fixture->broker, SOON);
        broker_free(fixture->broker);
        sd_event_unref(fixture->event);
        r = fixture->elsewhere ? -1 : r;
        free(fixture);
        return r;
}

/* ---- What is promised ---- */

static void messages_reach_the_loop_in_order(void **state) {
        struct fixture *fixture = *state;
        unsigned int number;

        fake.burst = 10000;
        begin(fixture, 1 << 26);
        for (unsigned int i = 1; i <= 4; i++) {
                assert_int_equal(broker_subscribe(fixture->broker, "a", &number), 0);
                assert_int_equal(number, i);
        }
        broker_activate(fixture->broker, true);
        run_until(fixture, fixture->received[1] + fixture->received[2] + fixture->received[3] +
                                           fixture->received[4] ==
                                   40000);
        assert_true(fixture->in_order);
        assert_int_equal(fixture->status.dropped, 0);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        assert_string_equal(fixture->status.server, "nats://host:1");
}

static void nothing_is_subscribed_to_in_standby(void **state) {
        struct fixture *fixture = *state;
        unsigned int number;

        fake.burst = 1;
        begin(fixture, 1 << 20);
        assert_int_equal(broker_subscribe(fixture->broker, "a", &number), 0);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        assert_int_equal(peek(&fake.made), 0);
        broker_activate(fixture->broker, true);
        run_until(fixture, fixture->received[1] == 1);
        broker_activate(fixture->broker, false);
        run_until(fixture, peek(&fake.ended) == 1);
        broker_activate(fixture->broker, true);
        run_until(fixture, fixture->received[1] == 2);
}

static void what_exceeds_the_queue_is_dropped_counted_and_told(void **state) {
        struct fixture *fixture = *state;
        usec_t until = now_monotonic() + SOON;
        unsigned int number;

        fake.burst = 10000;
        begin(fixture, 4096);
        assert_int_equal(broker_subscribe(fixture->broker, "a", &number), 0);
        broker_activate(fixture->broker, true);
        /* The loop does not turn meanwhile */
        while (peek(&fake.bursts) == 0 && now_monotonic() < until)
                (void) usleep(1000);
        run_until(fixture, fixture->received[1] + fixture->status.dropped == 10000);
        assert_in_range(fixture->received[1], 1, 100);
        assert_true(fixture->in_order);
        assert_int_equal(fixture->next[1], fixture->received[1]); /* the oldest are kept */
}

static void connecting_is_tried_for_ever_and_the_reason_is_told(void **state) {
        struct fixture *fixture = *state;

        fake.refusals = 3;
        begin(fixture, 1 << 20);
        run_until(fixture, fixture->changes > 0);
        assert_int_equal(fixture->status.state, BROKER_CONNECTING);
        assert_string_equal(fixture->status.reason, "Go away");
        assert_int_equal(broker_publish(fixture->broker, "a", "x", 1), -EAGAIN);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        assert_int_equal(peek(&fake.connects), 4);
        assert_string_equal(fixture->status.reason, "");
        assert_int_equal(fixture->status.connections, 1);
}

static void after_a_loss_all_is_subscribed_to_again(void **state) {
        struct fixture *fixture = *state;
        unsigned int first, second;

        fake.burst = 1;
        begin(fixture, 1 << 20);
        broker_activate(fixture->broker, true);
        assert_int_equal(broker_subscribe(fixture->broker, "a", &first), 0);
        run_until(fixture, fixture->received[1] == 1 && fixture->status.state == BROKER_CONNECTED);
        fake.host->lost(fake.host->userdata, "Unplugged");
        run_until(fixture, fixture->status.state == BROKER_RECONNECTING || fixture->status.connections == 2);
        assert_int_equal(broker_subscribe(fixture->broker, "b", &second), 0);
        run_until(fixture, fixture->received[1] == 2 && fixture->received[2] == 1);
        run_until(fixture, fixture->status.connections == 2 && fixture->status.state == BROKER_CONNECTED);
        assert_true(fixture->status.outage >= 50 * USEC_PER_MSEC);
}

static void a_subscription_may_end_in_its_own_message(void **state) {
        struct fixture *fixture = *state;
        unsigned int first, second;

        fake.burst = 1000;
        fixture->unsubscribe_at = 10;
        begin(fixture, 1 << 20);
        assert_int_equal(broker_subscribe(fixture->broker, "a", &first), 0);
        broker_activate(fixture->broker, true);
        run_until(fixture, peek(&fake.ended) == 1);
        assert_int_equal(broker_subscribe(fixture->broker, "b", &second), 0);
        run_until(fixture, fixture->received[2] == 10);
        run_until(fixture, peek(&fake.ended) == 2);
        assert_int_equal(fixture->received[1], 10);
}

static void what_is_published_is_sent_before_the_end(void **state) {
        struct fixture *fixture = *state;

        begin(fixture, 1 << 20);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        for (unsigned int i = 0; i < 1000; i++)
                assert_int_equal(broker_publish(fixture->broker, "a", "x", 1), 0);
        assert_int_equal(broker_stop(fixture->broker, SOON), 0);
        assert_int_equal(fake.published, 1000);
        assert_int_equal(fake.flushed, 1);
}

static void a_connection_is_one_when_all_is_subscribed_to(void **state) {
        struct fixture *fixture = *state;
        unsigned int number, connects;

        begin(fixture, 1 << 20);
        for (unsigned int i = 0; i < 3; i++)
                assert_int_equal(broker_subscribe(fixture->broker, "a", &number), 0);
        broker_activate(fixture->broker, true);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED && peek(&fake.made) == 3);
        connects = peek(&fake.connects);
        fake.flush_fails = true;
        fake.host->lost(fake.host->userdata, "Unplugged");
        run_until(fixture, fixture->status.connections == 2 && fixture->status.state == BROKER_CONNECTED);
        assert_int_equal(fixture->made, 9); /* the second time in vain */
        assert_int_equal(peek(&fake.connects), connects + 2);
}

static void what_cannot_be_published_is_refused(void **state) {
        static const char large[1001];
        struct fixture *fixture = *state;
        int r = 0;

        begin(fixture, 4096);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        assert_int_equal(broker_publish(fixture->broker, "", "x", 1), -EINVAL);
        assert_int_equal(broker_publish(fixture->broker, "a", large, 1001), -EMSGSIZE);
        assert_int_equal(broker_publish(fixture->broker, "a", large, 1000), 0);
        for (unsigned int i = 0; i < 1000000 && r >= 0; i++)
                r = broker_publish(fixture->broker, "a", large, 1000);
        assert_int_equal(r, -ENOBUFS);
}

static void a_connection_that_does_not_send_is_given_up(void **state) {
        struct fixture *fixture = *state;

        begin(fixture, 1 << 20);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        fake.publish_fails = true;
        assert_int_equal(broker_publish(fixture->broker, "a", "x", 1), 0);
        run_until(fixture, fixture->status.connections == 2);
        assert_int_equal(broker_publish(fixture->broker, "a", "x", 1), 0);
        run_until(fixture, peek(&fake.published) == 1);
}

static void what_the_broker_refuses_is_told(void **state) {
        struct fixture *fixture = *state;

        begin(fixture, 1 << 20);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        fake.host->problem(fake.host->userdata, "Not\nallowed");
        fake.host->dropped(fake.host->userdata, 7);
        run_until(fixture, fixture->status.problems == 1 && fixture->status.dropped == 7);
        assert_string_equal(fixture->status.problem, "Not allowed");
}

static void signals_are_the_loops_business_but_those_of_a_fault(void **state) {
        struct fixture *fixture = *state;

        begin(fixture, 1 << 20);
        run_until(fixture, fixture->status.state == BROKER_CONNECTED);
        assert_int_equal(broker_stop(fixture->broker, SOON), 0);
        assert_int_equal(sigismember(&fake.signals, SIGTERM), 1);
        assert_int_equal(sigismember(&fake.signals, SIGABRT), 1);
        assert_int_equal(sigismember(&fake.signals, SIGCHLD), 1);
        assert_int_equal(sigismember(&fake.signals, SIGSEGV), 0);
        assert_int_equal(sigismember(&fake.signals, SIGSYS), 0);
}

static void one_that_is_stuck_is_left(void **state) {
        struct fixture *fixture = *state;

        fake.stuck = true;
        begin(fixture, 1 << 20);
        run_until(fixture, peek(&fake.connects) == 1);
        assert_int_equal(broker_stop(fixture->broker, 50 * USEC_PER_MSEC), -ETIMEDOUT);
        (void) pthread_mutex_lock(&fake.lock);
        fake.stuck = false;
        (void) pthread_mutex_unlock(&fake.lock);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                test(messages_reach_the_loop_in_order),
                test(nothing_is_subscribed_to_in_standby),
                test(what_exceeds_the_queue_is_dropped_counted_and_told),
                test(connecting_is_tried_for_ever_and_the_reason_is_told),
                test(after_a_loss_all_is_subscribed_to_again),
                test(a_subscription_may_end_in_its_own_message),
                test(what_is_published_is_sent_before_the_end),
                test(a_connection_is_one_when_all_is_subscribed_to),
                test(what_cannot_be_published_is_refused),
                test(a_connection_that_does_not_send_is_given_up),
                test(what_the_broker_refuses_is_told),
                test(signals_are_the_loops_business_but_those_of_a_fault),
                test(one_that_is_stuck_is_left),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
