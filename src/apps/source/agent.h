/* SPDX-License-Identifier: MIT */
#pragma once

#include <muster/app.h>

/* The agent's part: what the broker says goes to the workers. See agent.c. */

int agent_start(struct muster *muster);
void agent_ready(struct muster *muster);
void agent_stop(struct muster *muster);
