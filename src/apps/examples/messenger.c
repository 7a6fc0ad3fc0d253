/* SPDX-License-Identifier: MIT */

/*
 * The article: the list of what Egg's messenger sends, and app.js, which sends when it has heard "egg-ready".
 *
 *     app.messenger.once('egg-ready', () => {
 *         app.messenger.sendToAgent('agent-event', { foo: 'bar' });
 *         app.messenger.sendToApp('app-event', { foo: 'bar' });
 *     });
 *     app.messenger.on(action, data => { … });
 *     app.messenger.once(action, data => { … });
 *
 *     broadcast(action, data)     muster_broadcast()       all, the sender too
 *     sendToApp(action, data)     muster_send_to_app()     all workers
 *     sendToAgent(action, data)   muster_send_to_agent()   the agent
 *     sendRandom(action, data)    muster_send_random()     one worker, the least busy; a worker may ask for it too
 *     sendTo(pid, action, data)   muster_send_to()         one process
 *
 * Each has a route here, such as /broadcast?data=hello: the worker that serves it sends "event" with the data. Who hears it
 * says so in the log and counts it. /sendRandom lets the agent do it, as only Egg's agent can.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

static const char *role(enum muster_role role) {
        return role == MUSTER_ROLE_AGENT ? "agent" : "worker";
}

static void on_event(struct muster *muster, struct muster_message *message, void *data) {
        muster_log(LOG_INFO, "%s %d heard %s from %s %d: %s", role(muster_role(muster)), getpid(),
                   muster_message_action(message), role(muster_message_from_role(message)),
                   (int) muster_message_from(message), (const char *) muster_message_data(message, NULL));
}

/* Only the first time. */
static void on_first_event(struct muster *muster, struct muster_message *message, void *data) {
        muster_log(LOG_INFO, "%s %d heard it once", role(muster_role(muster)), getpid());
}

static int listen_for_events(struct muster *muster) {
        static const char *const actions[] = { "event", "agent-event", "app-event" };
        int r = 0;

        for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]) && r >= 0; i++)
                r = muster_on(muster, actions[i], on_event, NULL);
        return r < 0 ? r : muster_once(muster, "event", on_first_event, NULL);
}

/* ---- The agent ---- */

static void send_random(struct muster *muster, struct muster_message *message, void *data) {
        const void *bytes;
        size_t size;

        bytes = muster_message_data(message, &size);
        (void) muster_send_random(muster, "event", bytes, size);
}

static int agent_start(struct muster *muster) {
        int r;

        r = listen_for_events(muster);
        return r < 0 ? r : muster_on(muster, "send-random", send_random, NULL);
}

/* ---- The workers ---- */

static void worker_ready(struct muster *muster) {
        static const char data[] = "{\"foo\":\"bar\"}";

        (void) muster_send_to_agent(muster, "agent-event", data, strlen(data));
        (void) muster_send_to_app(muster, "app-event", data, strlen(data));
}

/* Where it goes stands at the end of the path. */
static int send_event(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        const char *how = muster_request_param(request, "how"),
                   *data = muster_request_query(request, "data");
        const char *pid = muster_request_query(request, "pid");
        size_t size;

        data = data ? data : "";
        size = strlen(data);
        if (strcmp(how, "broadcast") == 0)
                return muster_broadcast(muster, "event", data, size);
        if (strcmp(how, "sendToApp") == 0)
                return muster_send_to_app(muster, "event", data, size);
        if (strcmp(how, "sendToAgent") == 0)
                return muster_send_to_agent(muster, "event", data, size);
        if (strcmp(how, "sendRandom") == 0)
                return muster_send_to_agent(muster, "send-random", data, size);
        if (strcmp(how, "sendTo") == 0 && pid)
                return muster_send_to(muster, (pid_t) strtol(pid, NULL, 10), "event", data, size);
        return -EINVAL;
}

static void send_and_say(struct muster_request *request) {
        int r = send_event(request);

        if (r < 0)
                muster_respond_text(request, 400, "%s", strerror(-r));
        else
                muster_respond_text(request, 200, "pid:%d", getpid());
}

static const struct muster_route routes[] = {
        { "GET", "/{how}", send_and_say },
        {},
};

MUSTER_APPLICATION(.name = "messenger", .routes = routes, .agent_start = agent_start,
                   .worker_start = listen_for_events, .worker_ready = worker_ready);
