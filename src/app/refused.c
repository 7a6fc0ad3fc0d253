/* SPDX-License-Identifier: MIT */

/*
 * A system call that the sandbox refuses: the application gets an error and lives on, and the master is told, once for
 * each call, so that a loop around it floods nobody.
 *
 * All of it happens in a signal handler, in whatever thread made the call.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/refused.h"
#include "ipc/channel.h"
#include "util/macro.h"
#include "util/seccomp.h"

#define CALLS_MAX 128

/* By the place in seccomp_calls. */
static atomic_bool said[CALLS_MAX];

static bool is_first(int call) {
        return call >= 0 && call < CALLS_MAX && !atomic_exchange(&said[call], true);
}

static void tell_master(int channel_fd, int number, const char *route) {
        struct message_refused refused = { .call = number };

        for (size_t i = 0; route && route[i] && i < sizeof(refused.route); i++)
                refused.route[i] = route[i];
        (void) channel_send_raw_payload(channel_fd, MESSAGE_REFUSED, &refused, sizeof(refused));
}

/* For a process that runs alone, in somebody's terminal. */
static void tell_terminal(const char *name) {
        static const char before[] = "muster: the sandbox refuses ";

        (void) !write(STDERR_FILENO, before, sizeof(before) - 1);
        (void) !write(STDERR_FILENO, name, strlen(name));
        (void) !write(STDERR_FILENO, "\n", 1);
}

bool refused_handle(const siginfo_t *info, void *context, int channel_fd, const char *route) {
        int saved = errno, number, call;

        number = seccomp_refuse(info, context);
        if (number < 0)
                return false;
        call = seccomp_find_call(number);
        if (is_first(call)) {
                if (channel_fd >= 0)
                        tell_master(channel_fd, number, route);
                else
                        tell_terminal(seccomp_calls[call].name);
        }
        errno = saved;
        return true;
}
