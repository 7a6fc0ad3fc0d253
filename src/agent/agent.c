/* SPDX-License-Identifier: MIT */

/*
 * The agent: the application's background work, in a process of its own.
 *
 * Because there is only one and it keeps the connections that others rely on, it does not die of a fault in
 * a callback: the callback is abandoned, an alert tells that a person must look, and the agent lives on.
 * What the callback had half done stays half done, so this has a limit: more than `fault_limit` faults
 * within a minute, and it leaves for the master to start a fresh one. A callback that hangs is abandoned in the same
 * way, when the master says so.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/broker.h"
#include "app/child.h"
#include "util/log.h"
#include "util/log-id.h"

#define FAULT_WINDOW (60 * USEC_PER_SEC)
#define EXACT        (100 * USEC_PER_MSEC) /* what a person wants to read */

struct agent {
        struct child *child;
        usec_t *faults; /* the times of the last `fault_limit`, a ring */
        size_t n_faults;
        size_t next;
        struct agent_broker *broker; /* NULL for none */
};

static void agent_deinit(struct agent *agent) {
        free(agent->faults);
        agent->child = child_free(agent->child);
}

static void agent_leave(struct child *child, void *userdata) {
        (void) sd_event_exit(child_muster(child)->event, 0);
}

static void log_fault(const struct slot *slot, const struct guard_context *context, int signal) {
        char pid[40], name[64], address[64], route[96], frames[2048], backtrace[2100];
        char span[USEC_FORMAT_MAX], frame[80], silence[64] = "";
        bool hung = guard_was_hung();
        usec_t silent = slot->crash.when - slot->heartbeat;
        const char *const fields[] = {
                hung ? LOG_FIELD_ID(LOG_ID_HANG) : LOG_FIELD_ID(LOG_ID_AGENT_FAULT),
                pid,
                name,
                address,
                route,
                backtrace,
                hung ? silence : NULL,
                NULL,
        };

        (void) snprintf(silence, sizeof(silence), "MUSTER_SILENT_USEC=%" PRIu64, silent);
        (void) snprintf(pid, sizeof(pid), "MUSTER_PID=%d", getpid());
        (void) snprintf(name, sizeof(name), "MUSTER_SIGNAL=SIG%s", sigabbrev_np(signal));
        (void) snprintf(address, sizeof(address), "MUSTER_ADDRESS=0x%" PRIx64, slot->crash.address);
        (void) snprintf(route, sizeof(route), "MUSTER_ROUTE=%s", context->route);
        (void) snprintf(backtrace, sizeof(backtrace), "MUSTER_BACKTRACE=%s",
                        slot_format_backtrace(slot, frames, sizeof(frames)));
        if (hung)
                (void) log_fields(
                        LOG_ALERT, 0, fields,
                        "A callback of the agent (%s) hung: no sign of life for %s, code at %s; the callback was "
                        "abandoned, the agent lives on",
                        context->route, usec_format(silent - silent % EXACT, span, sizeof(span)),
                        slot_format_address(slot, slot->crash.frames[0], frame, sizeof(frame)));
        else
                (void) log_fields(
                        LOG_ALERT, 0, fields,
                        "SIG%s in a callback of the agent (%s): the callback was abandoned, the agent lives on",
                        sigabbrev_np(signal), context->route);
}

/* Whether this fault is one too many. */
static bool over_limit(struct agent *agent, unsigned int limit, usec_t now) {
        bool over;

        if (!agent->faults)
                agent->faults = calloc(MAX(limit, 1U), sizeof(*agent->faults));
        if (!agent->faults || limit == 0)
                return true;
        over = agent->n_faults == limit && usec_add(agent->faults[agent->next], FAULT_WINDOW) > now;
        agent->faults[agent->next] = now;
        agent->next = (agent->next + 1) % limit;
        agent->n_faults = MIN(agent->n_faults + 1, (size_t) limit);
        return over;
}

static void agent_fault(struct muster *muster, const struct guard_context *context, int signal) {
        struct agent *agent = muster->owner;
        unsigned int limit = child_config(agent->child)->agent.fault_limit;

        log_fault(muster->slot, context, signal);
        if (over_limit(agent, limit, now_monotonic())) {
                log_error(0, "More than %u faults in a minute, leaving for a fresh agent", limit);
                child_leave(agent->child, true);
        }
}

static int agent_prepare(struct child *child, void *userdata) {
        struct agent *agent = userdata;

        return agent_broker_open(&agent->broker, child_muster(child));
}

static void agent_ready(struct child *child, void *userdata) {
        const struct agent *agent = userdata;

        agent_broker_activate(agent->broker);
}

/* Leaves what cannot be ended in order. */
static void agent_close_broker(struct agent *agent, int status) {
        if (agent_broker_close(agent->broker))
                return;
        (void) log_flush(LOG_FLUSH_AT_END);
        _exit(status);
}

int agent_main(int argc, char **argv) {
        _cleanup_(agent_deinit) struct agent agent = {};
        const struct child_callbacks callbacks = {
                .prepare = agent_prepare,
                .ready = agent_ready,
                .leave = agent_leave,
                .userdata = &agent,
        };
        int r, status;

        if (child_new(&agent.child, MUSTER_ROLE_AGENT, argc, argv) < 0)
                return EXIT_FAILURE;
        child_muster(agent.child)->on_fault = agent_fault;
        child_muster(agent.child)->owner = &agent;

        r = child_start(agent.child, &callbacks);
        if (r >= 0 && !child_is_leaving(agent.child)) {
                r = sd_event_loop(child_muster(agent.child)->event);
                if (r < 0)
                        log_error(r, "The event loop failed: %m");
        }
        agent_broker_drain(agent.broker);
        status = child_finish(agent.child);
        status = r < 0 ? EXIT_FAILURE : status;
        agent_close_broker(&agent, status);
        (void) log_flush(LOG_FLUSH_AT_END);
        return status;
}
