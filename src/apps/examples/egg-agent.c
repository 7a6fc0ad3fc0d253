/* SPDX-License-Identifier: MIT */

/*
 * The article: "Egg的守护进程用法", agent.js and app.js, which talk when everything has started.
 *
 *     // agent.js                                              // app.js
 *     agent.messenger.on('egg-ready', () => {                  app.messenger.on('xxx_action', data => {
 *         const data = { ... };                                    // ...
 *         agent.messenger.sendToApp('xxx_action', data);       })
 *     });
 *
 * agent_start, agent_ready and agent_stop of the application run in the agent, as agent.js does; worker_start and its kin
 * and the routes run in the workers, as app.js does. "egg-ready" is "muster-ready", and agent_ready is called at
 * that moment.
 *
 * The article warns that what is sent before is lost. Here it waits: "early" is sent while there are no workers yet, and
 * every one of them gets it.
 *
 * The article's data, { ... }, is JSON; here it is any bytes, and JSON again if you like.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

static const char data[] = "{\"foo\":\"bar\"}";
static char heard[256];

/* ---- agent.js ---- */

static int agent_start(struct muster *muster) {
        static const char early[] = "sent before muster-ready";

        return muster_send_to_app(muster, "early", early, strlen(early));
}

static void agent_ready(struct muster *muster) {
        if (muster_send_to_app(muster, "xxx_action", data, strlen(data)) < 0)
                muster_log(LOG_ERR, "Cannot send: %m");
}

/* ---- app.js ---- */

static void on_action(struct muster *muster, struct muster_message *message, void *userdata) {
        const char *text = muster_message_data(message, NULL), *action = muster_message_action(message);
        size_t n = strlen(heard);

        muster_log(LOG_INFO, "%s: %s", action, text);
        (void) snprintf(heard + n, sizeof(heard) - n, "%s %s\n", action, text);
}

static void say(struct muster_request *request) {
        muster_respond_text(request, 200, "pid:%d\n%s", getpid(), heard);
}

static int worker_start(struct muster *muster) {
        int r;

        r = muster_on(muster, "xxx_action", on_action, NULL);
        return r < 0 ? r : muster_on(muster, "early", on_action, NULL);
}

static const struct muster_route routes[] = {
        { "GET", "/", say },
        {},
};

MUSTER_APPLICATION(.name = "egg-agent", .routes = routes, .agent_start = agent_start,
                   .agent_ready = agent_ready, .worker_start = worker_start);
