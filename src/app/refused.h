/* SPDX-License-Identifier: MIT */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* System calls that the sandbox refuses. See refused.c. */

/* In a handler of SIGSYS: whether a filter has raised it. Then the call fails with EPERM, and the master hears of it by
 * the channel; without one (-1) standard error does. `route` is what was being done, or NULL. Async-signal-safe. */
bool refused_handle(const siginfo_t *info, void *context, int channel_fd, const char *route);
