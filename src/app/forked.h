/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "util/time.h"

/* A process that muster_fork() has started, from its own side. See forked.c. */

struct forked;

/* Takes over the channel to the parent, also when it fails. */
int forked_new(struct forked **ret, struct muster *muster, int channel_fd);
struct forked *forked_free(struct forked *forked);
DEFINE_CLEANUP(struct forked *, forked_free);

/* Runs the loop as long as there is anything to wait for. Returns 0 or a negative errno. */
int forked_loop(struct forked *forked);

/* Sends what waits to be sent. */
void forked_finish(struct forked *forked, usec_t patience);

/* What muster_exit() has said. */
int forked_status(const struct forked *forked);
