/* SPDX-License-Identifier: MIT */

/*
 * The article: "使用Node编写守护进程", a process that goes on in the background when the one that started it has ended.
 *
 *     // master.js                                              // agent.js
 *     const agent = spawn('node', ['agent.js'],                 const logger = new Console(
 *         { cwd: '/usr', detached: true, stdio: 'ignore' });        fs.createWriteStream('./stdout.log'),
 *     console.log('守护进程开启，父进程pid%s,守护进程pid:%s',                fs.createWriteStream('./stderr.log'));
 *                 process.pid, agent.pid);                      setInterval(() => logger.log('agent pid:', process.pid,
 *     agent.unref();                                                ',ppid:', process.ppid), 10000)
 *
 * /start is the article's master.js, `agent` below its agent.js. A detached child has a session of its own and its standard
 * streams at /dev/null; it outlives the worker that has started it, but not the service: a daemon that is to outlive that
 * is a service of its own, and systemd's business. For work in the background an application has the agent (egg-agent.c)
 * and schedules anyway.
 *
 * In the article the daemon works in /usr and writes its logs there, where only root may; so its log has a path of its own
 * here, `[app] log`, and `[app] interval` is the time between two lines, 10 s as there. `requre` is require.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

/* ---- agent.js ---- */

static FILE *output;

static void say(struct muster *muster, void *data) {
        (void) fprintf(output, "agent pid: %d ,ppid: %d\n", getpid(), getppid());
        (void) fflush(output);
}

static int agent(struct muster *muster, int argc, char **argv) {
        const char *path = muster_config(muster, "log");
        uint64_t interval;
        int r;

        r = muster_config_duration(muster, "interval", MUSTER_SEC(10), &interval);
        if (r < 0)
                return r;
        output = fopen(path ? path : "/tmp/stdout.log", "ae");
        if (!output)
                return -errno;
        return muster_timer_every(muster, interval, say, NULL) ? 0 : -errno;
}

/* ---- master.js ---- */

static void start_daemon(struct muster_request *request) {
        const struct muster_spawn_options options = { .directory = "/usr", .detached = true };
        struct muster_child *child;

        child = muster_fork(muster_request_muster(request), "agent", NULL, &options);
        if (!child) {
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
                return;
        }
        muster_log(LOG_INFO, "守护进程开启，父进程pid%d,守护进程pid:%d", getpid(), muster_child_pid(child));
        muster_respond_text(request, 200, "pid:%d,daemon:%d", getpid(), muster_child_pid(child));
}

static const struct muster_fork forks[] = {
        { "agent", agent },
        {},
};

static const struct muster_route routes[] = {
        { "GET", "/start", start_daemon },
        {},
};

MUSTER_APPLICATION(.name = "daemon", .routes = routes, .forks = forks);
