/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "ipc/channel.h"

/* Puts the process under the rules of its role, before anything of the application runs: what that starts, threads too,
 * is inside. `channel` leads to the master, NULL where there is none. Returns 0 or a negative errno; then *ret_reason
 * may say why, and the caller frees it. */
int process_enter_sandbox(struct muster *muster, struct channel *channel, char **ret_reason);
