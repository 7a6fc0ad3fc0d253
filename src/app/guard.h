/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/quarantine-page.h"
#include "ipc/scoreboard.h"
#include "util/time.h"

/* The crash guard: the handler for fatal signals and the point it jumps back to. See guard.c. */

struct guard_options {
        struct slot *slot;                        /* where the crash record goes; must outlive the guard */
        const struct quarantine_page *quarantine; /* gives requests their ids; NULL without a master */
        int channel_fd;                           /* SUICIDE is sent here; -1 for none */
        bool announce;      /* send SUICIDE (a worker does; an agent, which lives on, does not) */
        bool core;          /* leave a core dump by a forked child */
        bool drain;         /* jump to the guard; otherwise every fault ends the process */
        bool survive;       /* handlers are armed again after a fault (the agent) */
        pid_t master;       /* whose marked SIGABRT says that the process hangs; 0 for none */
        void (*hung)(void); /* by the handler, when that came while no callback ran; NULL for nothing */
        usec_t deadline;    /* after a jump the process is killed past this span; 0 or NEVER for none */
};

/* What is being done, for the crash record. Plain pointers that the handler copies from. */
struct guard_context {
        const char *route;  /* "GET /items/{id}", or "timer", "start" … ; never NULL */
        const char *target; /* the raw request target, or NULL */
        const struct quarantine_request *request; /* the same as the quarantine sees it, or NULL */
};

typedef void (*guard_function_t)(void *argument);

/* Installs the handlers and the alternate stack for the calling thread, which becomes the loop thread.
 * Allocates whatever the handler will need. Returns 0 or a negative errno. */
int guard_setup(const struct guard_options *options);

/* Calls function(argument), an application's callback, so that a fault in it ends only that call.
 * Returns 0, or the number of the signal that ended it: then nothing the function was doing is finished, and
 * what it had allocated is lost. Nested calls are fine: the innermost guard catches. */
int guard_run(const struct guard_context *context, guard_function_t function, void *argument);

/* Whether a fault has happened in this process. */
bool guard_faulted(void);

/* Whether the last one was none, but the master's interruption of a callback that hung. */
bool guard_was_hung(void);

/* Starts the deadline without a fault: past it the process is killed. Async-signal-safe; once is enough. */
void guard_start_deadline(void);

/* Collects the children that were left to dump core and are done. To be called now and then by who lives on. */
void guard_reap(void);

/* The channel is closed: its descriptor may be somebody else's from now on. */
void guard_forget_channel(void);
