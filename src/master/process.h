/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "ipc/channel.h"
#include "ipc/heritage.h"
#include "ipc/job.h"
#include "master/cgroup.h"
#include "master/route.h"
#include "master/usage.h"
#include "master/watch.h"
#include "util/list.h"
#include "util/seccomp.h"
#include "util/time.h"

/* One child as the master sees it. See process.c. */

enum process_role {
        PROCESS_AGENT,
        PROCESS_WORKER,
        PROCESS_COMPUTE,
        _PROCESS_ROLE_MAX,
};

enum process_state {
        PROCESS_STARTING, /* exec'd, not ready yet */
        PROCESS_READY,
        PROCESS_LEAVING, /* finishes what it has, or is already dead and not yet collected */
};

struct process;

/* What the owner is told. `lost` comes once, for a process that leaves though nobody asked it to: it is the
 * moment to start another. `gone` comes last, when the process has ended; the owner then frees it. */
struct process_events {
        void (*ready)(struct process *process, void *userdata);
        void (*lost)(struct process *process, void *userdata);
        void (*gone)(struct process *process, const siginfo_t *status, void *userdata);
        /* A crash was announced; the record in the slot should be complete now. */
        void (*crashed)(struct process *process, void *userdata);
        /* Its sandbox has refused a system call, for the first time. `route` NULL: it stands in the slot. */
        void (*refused)(struct process *process, const struct seccomp_call *call, const char *route,
                        void *userdata);
        /* A message of the application has come from it; a frame for it that waited was not sent: -ESRCH, its channel has
         * ended; -ENOBUFS, the kernel has no room for what is beside it. */
        void (*message)(struct process *process, const struct message *message, void *userdata);
        void (*unsent)(struct process *process, const struct message *message, int error, void *userdata);
        /* It has read what waited for it. */
        void (*room)(struct process *process, void *userdata);
        /* A message about jobs (MESSAGE_JOB …), with a descriptor that is the receiver's, or -1. */
        void (*job)(struct process *process, const struct message *message, int fd, void *userdata);
        void *userdata;
};

/* What is known of the calls its sandbox refuses; see refused.c. */
struct process_refused {
        sd_event_source *listener;
        unsigned int answers;
        uint64_t said[2]; /* a bit for each of seccomp_calls */
};

struct process {
        struct list node; /* the owner's */
        enum process_role role;
        enum process_state state;
        int number;
        pid_t pid;
        size_t slot;
        uint64_t generation;
        usec_t started;
        bool was_ready;
        bool said_leaving; /* it told us itself that it goes, in order */
        bool asked;        /* to leave, by us */
        bool announced;    /* lost was told */
        bool reported;     /* its crash was logged */
        bool overdue;      /* was not ready in time */
        bool killed;       /* by us, which was said when it was done */
        bool misbehaved;   /* sent what it may not */
        bool faulted;      /* said so */
        bool told_ready;   /* muster-ready: until then messages wait */
        bool retiring;     /* a successor is to take its position, see replace.c */
        bool dismissed;    /* a compute process: to leave when its job is done */
        bool has_tasks;    /* its module has functions that can be offloaded; so it said when it was ready */
        char *failure;     /* why it could not start, in its own words */

        char cgroup[CGROUP_NAME_MAX]; /* its own, "" for none */
        struct cgroup_memory memory;  /* as it was at the last look */
        uint64_t oom_kills_said;      /* of those, what was logged */
        struct usage usage;
        uint64_t last_run;    /* of a schedule that it was given, by number */
        uint64_t jobs_given;  /* to a compute process, */
        struct job_call job;  /* the last of which was this */
        usec_t replace_again; /* no successor before that time, as the one before failed */
        usec_t replace_wait;

        usec_t ready_timeout;
        usec_t leave_timeout;
        usec_t hang_timeout;
        usec_t kill_timeout;
        struct pulse pulse;
        usec_t silent; /* for how long, when it was interrupted because it hung; 0: it was not */
        struct process_events events;
        sd_event *event; /* not owned */
        struct channel *channel;
        sd_event_source *exit_source;
        sd_event_source *timer; /* not ready in time; not gone in time */
        sd_event_source *crash_timer;
        usec_t crash_delay;
        struct process_refused refused;
        struct process_messages messages;
};

struct process_options {
        sd_event *event;
        enum process_role role;
        const char *program;             /* the path to exec */
        const struct heritage *heritage; /* without its channel, which is made here */
        const char *cgroup;              /* the name of its cgroup, "" for none */
        int cgroup_procs_fd;             /* by which it enters that, or -1; not owned */
        usec_t ready_timeout;            /* from the start to READY */
        usec_t leave_timeout;            /* from the moment it begins to leave to its end */
        usec_t hang_timeout;             /* without a heartbeat it hangs */
        usec_t kill_timeout;             /* from SIGABRT to SIGKILL */
        struct process_events events;
};

/* Starts a process. Returns 0 or a negative errno. */
int process_spawn(struct process **ret, const struct process_options *options);

/* A process as one master leaves it to the next. */
struct process_snapshot {
        struct process process; /* what is data in it */
        int channel_fd;         /* -1: closed already */
        int refused_fd;         /* of the listener for refused calls, -1: none */
        usec_t deadline;        /* of its timer, 0: none */
        bool crash_open;        /* announced, and not logged yet */
};

/* What there is to leave. The snapshot owns nothing. */
void process_snapshot(const struct process *process, struct process_snapshot *ret);

/* Goes on with a child of an earlier program of ours. Takes over the channel's descriptor, also when it fails, and
 * nothing else. Returns 0 or a negative errno. */
int process_restore(struct process **ret, const struct process_snapshot *snapshot, sd_event *event,
                    const struct process_events *events);

/* Frees one that has gone, or forgets one that is still there. */
struct process *process_free(struct process *process);

/* In a new process before exec: default actions for all signals, none blocked. */
void process_reset_signals(void);

int process_send(struct process *process, enum message_type type);

/* Asks it to leave, by MESSAGE_DRAIN or MESSAGE_STOP; it is killed past its leave_timeout. */
void process_leave(struct process *process, enum message_type type);

/* Ends it at once, which is no loss: it is in the middle of what nobody wants any more. */
void process_end(struct process *process);

/* It hangs: its crash handler is told to say where, and to abandon the callback. A worker is lost with it. */
void process_interrupt(struct process *process);

/* Sends a signal to a process that has not ended. */
void process_kill(struct process *process, int signal);

/* "worker 3" or "agent", for the log. Returns buffer. */
char *process_name(const struct process *process, char *buffer, size_t size);

/* "worker", "agent", "compute". */
const char *process_role_name(enum process_role role);
