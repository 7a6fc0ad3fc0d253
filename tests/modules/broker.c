/* SPDX-License-Identifier: MIT */

/*
 * An application that does with a message broker what it is told over that broker, for the tests: it subscribes to the
 * subjects in [app] subscribe, counts what it gets, and obeys what is sent to "command". Its answers go to "reply", and
 * begin with the number at the end of the command.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

#define SUBSCRIPTIONS_MAX 64

static struct {
        unsigned int count;
        unsigned int disorder; /* numbers that were not larger than the one before */
        unsigned long last;
        char subject[128]; /* of the last message */
        struct muster_subscription *subscriptions[SUBSCRIPTIONS_MAX];
        unsigned int n_subscriptions;
} got;

static const char *error_name(int r) {
        return r < 0 ? strerrorname_np(-r) : "0";
}

static unsigned long question;
static int *volatile nowhere = (int *) 16; /* not NULL, which UBSan would notice before the hardware does */

static void reply(struct muster *muster, const char *text) {
        char numbered[512];
        int r;

        (void) snprintf(numbered, sizeof(numbered), "%lu %s", question, text);
        r = muster_publish(muster, "reply", numbered, strlen(numbered));
        if (r < 0)
                muster_log(LOG_ERR, "No reply: %s", error_name(r));
}

static void on_message(struct muster *muster, const char *subject, const void *data, size_t size,
                       void *handler_data) {
        unsigned long number = strtoul(data, NULL, 10);

        got.count++;
        if (number <= got.last)
                got.disorder++;
        got.last = number;
        (void) snprintf(got.subject, sizeof(got.subject), "%s", subject);
}

static void subscribe_more(struct muster *muster, const char *subject) {
        struct muster_subscription *subscription = muster_subscribe(muster, subject, on_message, NULL);

        if (subscription && got.n_subscriptions < SUBSCRIPTIONS_MAX)
                got.subscriptions[got.n_subscriptions++] = subscription;
        reply(muster, subscription ? "0" : error_name(-errno));
}

static void publish_size(struct muster *muster, size_t size) {
        char *bytes = calloc(1, size + 1);
        int r;

        if (!bytes)
                return;
        memset(bytes, 'x', size);
        r = muster_publish(muster, "large", bytes, size);
        free(bytes);
        reply(muster, error_name(r));
}

static void flood(struct muster *muster, unsigned long count) {
        char text[64];
        unsigned long sent = 0;
        int r = 0;

        for (; sent < count && r >= 0; sent += r >= 0) {
                (void) snprintf(text, sizeof(text), "%lu", sent + 1);
                r = muster_publish(muster, "flood", text, strlen(text));
        }
        (void) snprintf(text, sizeof(text), "%lu %s", sent, error_name(r));
        muster_log(LOG_NOTICE, "Flood: %s", text);
}

static void on_command(struct muster *muster, const char *subject, const void *data, size_t size,
                       void *handler_data) {
        char command[1024], text[256], *mark;
        const char *argument;

        (void) snprintf(command, sizeof(command), "%s", (const char *) data);
        mark = strstr(command, " #");
        if (mark) {
                *mark = '\0';
                question = strtoul(mark + 2, NULL, 10);
        }
        argument = strchr(command, ' ');
        argument = argument ? argument + 1 : "";
        if (strcmp(command, "count") == 0) {
                (void) snprintf(text, sizeof(text), "%u %u %s", got.count, got.disorder, got.subject);
                reply(muster, text);
        } else if (strcmp(command, "pid") == 0) {
                (void) snprintf(text, sizeof(text), "%d", getpid());
                reply(muster, text);
        } else if (strcmp(command, "crash") == 0)
                *nowhere = 0;
        else if (strcmp(command, "publish-crash") == 0)
                (void) muster_publish(muster, "reply", (const void *) 16, 100000);
        else if (strcmp(command, "exit") == 0)
                _exit(7);
        else if (strncmp(command, "sleep ", 6) == 0)
                (void) usleep((useconds_t) strtoul(argument, NULL, 10) * 1000);
        else if (strcmp(command, "unsubscribe") == 0) {
                if (got.n_subscriptions > 0)
                        (void) muster_unsubscribe(got.subscriptions[--got.n_subscriptions]);
                reply(muster, "0");
        } else if (strncmp(command, "subscribe ", 10) == 0)
                subscribe_more(muster, argument);
        else if (strncmp(command, "to ", 3) == 0)
                reply(muster, error_name(muster_publish(muster, argument, "x", 1)));
        else if (strncmp(command, "size ", 5) == 0)
                publish_size(muster, strtoul(argument, NULL, 10));
        else if (strncmp(command, "flood ", 6) == 0)
                flood(muster, strtoul(argument, NULL, 10));
}

static void on_tick(struct muster *muster, void *data) {
        static bool connected;

        if (muster_broker_connected(muster) == connected)
                return;
        connected = !connected;
        muster_log(LOG_NOTICE, "The application sees %s", connected ? "a connection" : "no connection");
}

static void on_state(struct muster *muster, bool connected, void *data) {
        muster_log(LOG_NOTICE, "The application is told of %s", connected ? "a connection" : "a loss");
}

static int agent_start(struct muster *muster) {
        const char *subjects = muster_config(muster, "subscribe");
        char copy[1024], *subject, *rest = copy;
        bool strange;

        if (muster_config_bool(muster, "without", false, &strange) < 0)
                return -EINVAL;
        if (strange) {
                errno = 0;
                if (muster_subscribe(muster, "a", on_message, NULL))
                        return muster_fail(muster, -EINVAL, "Subscribed without a broker");
                muster_log(LOG_NOTICE, "Without a broker: %s %s %d", error_name(-errno),
                           error_name(muster_publish(muster, "a", "", 0)), muster_broker_connected(muster));
                if (muster_on_broker(muster, on_state, NULL) != -ENOTCONN)
                        return muster_fail(muster, -EINVAL, "Told of the broker that there is not");
                return 0;
        }
        (void) snprintf(copy, sizeof(copy), "%s", subjects ? subjects : "");
        while ((subject = strsep(&rest, " ")))
                if (*subject) {
                        struct muster_subscription *subscription =
                                muster_subscribe(muster, subject, on_message, NULL);

                        if (!subscription)
                                return muster_fail(muster, -errno, "Cannot subscribe to %s: %m", subject);
                        got.subscriptions[got.n_subscriptions++] = subscription;
                }
        if (muster_on_broker(muster, on_state, NULL) < 0 ||
            !muster_subscribe(muster, "command", on_command, NULL))
                return muster_fail(muster, -errno, "Cannot subscribe: %m");
        muster_log(LOG_NOTICE, "Before there is a connection: %s",
                   error_name(muster_publish(muster, "a", "", 0)));
        return muster_timer_every(muster, MUSTER_MSEC(10), on_tick, NULL) ? 0 : -ENOMEM;
}

static void agent_ready(struct muster *muster) {
        muster_log(LOG_NOTICE, "The agent is ready");
}

static void agent_stop(struct muster *muster) {
        reply(muster, "stopping");
}

static void in_worker(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        int r;

        errno = 0;
        (void) muster_subscribe(muster, "a", on_message, NULL);
        r = -errno;
        (void) muster_respond_text(request, 200, "%s %s %d", error_name(r),
                                   error_name(muster_publish(muster, "a", "", 0)),
                                   muster_broker_connected(muster));
}

static int worker_start(struct muster *muster) {
        uint64_t delay;
        int r = muster_config_duration(muster, "start_delay", 0, &delay);

        return r < 0 ? r : usleep((useconds_t) delay);
}

static const struct muster_route routes[] = {
        { "GET", "/", in_worker },
        {},
};

MUSTER_APPLICATION(.name = "broker", .routes = routes, .worker_start = worker_start,
                   .agent_start = agent_start, .agent_ready = agent_ready, .agent_stop = agent_stop);
