/* SPDX-License-Identifier: MIT */

/*
 * Schedules of every kind, all disabled until the configuration enables them. What a run does, the key of its name in [app]
 * says: "ok", "fail", "crash", "kill", "hang", "later MILLISECONDS", "later-fail MILLISECONDS", "never"; with "-once" at the end only
 * the first attempt does it. Each run logs that it began, where and for the how manieth time, and when it finished.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

/* Not NULL, which UBSan would notice before the hardware does. */
static volatile int *volatile nowhere = (int *) 16;

static void later(struct muster *muster, void *data) {
        struct muster_job *job = data;
        bool fails = strncmp(muster_config(muster, muster_job_name(job)), "later-fail", 10) == 0;

        muster_log(LOG_INFO, "finishing %s", muster_job_name(job));
        (void) muster_job_finish(job, fails ? -ETIMEDOUT : 0, "it took %s", "its time");
}

static int suspend(struct muster *muster, struct muster_job *job, const char *action) {
        const char *milliseconds = strchr(action, ' ');

        if (muster_job_suspend(job) < 0 || muster_job_suspend(job) != -EALREADY)
                return -ENOTRECOVERABLE;
        if (milliseconds &&
            !muster_timer_after(muster, MUSTER_MSEC(strtoul(milliseconds, NULL, 10)), later, job))
                return -errno;
        return 0;
}

static int act(struct muster *muster, struct muster_job *job, const char *action) {
        if (strncmp(action, "fail", 4) == 0)
                return -ECONNREFUSED;
        if (strncmp(action, "crash", 5) == 0)
                *nowhere = 1;
        if (strncmp(action, "kill", 4) == 0)
                (void) raise(SIGKILL);
        while (strncmp(action, "hang", 4) == 0)
                (void) pause();
        if (strncmp(action, "later", 5) == 0 || strncmp(action, "never", 5) == 0)
                return suspend(muster, job, action);
        return 0;
}

static int work(struct muster *muster, struct muster_job *job) {
        const char *action = muster_config(muster, muster_job_name(job));
        bool once = action && strstr(action, "-once");

        muster_log(LOG_INFO, "began %s in worker %d, pid %d, attempt %u", muster_job_name(job),
                   muster_worker(muster), getpid(), muster_job_attempt(job));
        if (!action || (once && muster_job_attempt(job) > 0))
                return 0;
        return act(muster, job, action);
}

static void pid(struct muster_request *request) {
        (void) muster_respond_text(request, 200, "%d", getpid());
}

static void crash_agent(struct muster *muster, void *data) {
        *nowhere = 1;
}

/* agent_crash = SPAN: one that the agent does not survive, if fault_limit is 0. */
static int agent_start(struct muster *muster) {
        uint64_t after;
        int r;

        r = muster_config_duration(muster, "agent_crash", 0, &after);
        if (r < 0 || after == 0)
                return r;
        return muster_timer_after(muster, after, crash_agent, NULL) ? 0 : -errno;
}

static const struct muster_route routes[] = {
        { "GET", "/pid", pid },
        {},
};

static const struct muster_schedule schedules[] = {
        { "quick", work, .interval = "200ms", .disable = true },
        { "everywhere", work, .interval = "200ms", .type = MUSTER_SCHEDULE_ALL, .disable = true },
        { "seconds", work, .cron = "* * * * * *", .disable = true },
        { "nightly", work, .cron = "30 4 * * *", .jitter = "1min", .disable = true },
        { "hourly", work, .interval = "1h", .disable = true },
        { "queued", work, .interval = "100ms", .overlap = MUSTER_OVERLAP_QUEUE, .disable = true },
        { "allowed", work, .interval = "100ms", .overlap = MUSTER_OVERLAP_ALLOW, .disable = true },
        { "at-once", work, .interval = "1h", .immediate = true, .disable = true },
        {},
};

MUSTER_APPLICATION(.name = "schedules", .routes = routes, .schedules = schedules,
                   .agent_start = agent_start);
