/* SPDX-License-Identifier: MIT */

/*
 * The agent's part: it holds the one connection to the broker, and each message of the subject, whatever is in it, makes all
 * workers look for new data ("refresh", "push").
 *
 * The first message is passed on at once; those that follow within a moment become one. A broker that says a thousand things in
 * a second makes fifty messages, and the workers make fewer requests of them yet.
 *
 * What is published while nobody listens nobody will ever hear: while there is no connection, and between the end of an
 * agent and the beginning of the next. So when the connection is there (again), and when this process begins to listen,
 * the workers look whether they have missed something ("verify"), a moment later, when the broker knows of the
 * subscription.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent.h"
#include "settings.h"

#define MOMENT     MUSTER_MSEC(20)
#define UNTIL_LOOK MUSTER_MSEC(200)

static struct {
        struct settings settings;
        struct muster_subscription *subscription;
        struct muster_timer *moment;
        bool pending;              /* something was said within the moment */
        struct muster_timer *look; /* runs until the workers are told to look */
} agent;

static bool tell(struct muster *muster, const char *action) {
        int r;

        r = muster_send_to_app(muster, action, "push", 4);
        if (r < 0)
                muster_log(LOG_WARNING, "Failed to tell the workers: %s, trying again", strerror(-r));
        return r >= 0;
}

static void pass_on(struct muster *muster, void *data) {
        agent.moment = muster_timer_cancel(agent.moment);
        if (agent.pending) {
                agent.pending = !tell(muster, "refresh");
                agent.moment = muster_timer_after(muster, MOMENT, pass_on, NULL);
        }
}

static void on_changed(struct muster *muster, const char *subject, const void *data, size_t size,
                       void *handler_data) {
        muster_log(LOG_DEBUG, "The broker says that the data has changed");
        agent.pending = true;
        if (!agent.moment)
                pass_on(muster, NULL);
}

static void look(struct muster *muster, void *data) {
        agent.look = NULL;
        if (!tell(muster, "verify"))
                agent.look = muster_timer_after(muster, UNTIL_LOOK, look, NULL);
}

static void look_soon(struct muster *muster) {
        agent.look = muster_timer_cancel(agent.look);
        agent.look = muster_timer_after(muster, UNTIL_LOOK, look, NULL);
}

static void on_connection(struct muster *muster, bool connected, void *data) {
        if (connected)
                look_soon(muster);
}

int agent_start(struct muster *muster) {
        const char *subject;
        int r;

        r = settings_read(&agent.settings, muster);
        if (r < 0)
                return r;
        subject = agent.settings.subject;
        if (!subject)
                return 0;
        agent.subscription = muster_subscribe(muster, subject, on_changed, NULL);
        if (!agent.subscription)
                return errno == ENOTCONN
                               ? muster_fail(muster, -errno,
                                             "[app] subject = %s needs a broker: [broker] url is not set",
                                             subject)
                               : muster_fail(muster, -errno, "Cannot subscribe to [app] subject = %s: %s",
                                             subject, strerror(errno));
        return muster_on_broker(muster, on_connection, NULL);
}

void agent_ready(struct muster *muster) {
        if (agent.subscription && muster_broker_connected(muster))
                look_soon(muster);
}

void agent_stop(struct muster *muster) {
        agent.look = muster_timer_cancel(agent.look);
        agent.moment = muster_timer_cancel(agent.moment);
        agent.subscription = agent.subscription ? muster_unsubscribe(agent.subscription) : NULL;
}
