/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include <systemd/sd-event.h>

/* Tells of the end of a child, and collects it. See watch-exit.c. Returns 0 or a negative errno: -ECHILD for a
 * process that is no child of ours. */
int watch_exit(sd_event *event, pid_t pid, sd_event_child_handler_t handler, void *userdata,
               sd_event_source **ret);
