/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "app/process.h"

/* The sign of life of a child. See heartbeat.c. */

/* Starts to beat. The source is the caller's and ends it. */
int heartbeat_start(struct muster *muster, sd_event_source **ret);
