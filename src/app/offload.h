/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "ipc/message.h"

/* Functions that run elsewhere. See offload.c. */

/* A process's own; made at the first use. */
struct offload;

/* Its client is gone: jobs of the request are cancelled, and their handlers told when the loop turns. */
void offload_abandon(struct muster_request *request);

/* It is answered, or about to be used for another: likewise, but there is no request any more. */
void offload_forget(struct muster_request *request);

/* A MESSAGE_RESULT has come; the descriptor is the callee's. */
void offload_receive(struct muster *muster, const struct message *message, int fd);

/* A MESSAGE_JOB that has waited cannot be sent, for its descriptor. */
void offload_lost(struct muster *muster, const struct message *message);

/* Whether threads are at work. */
bool offload_is_busy(const struct muster *muster);

/* Part of muster_process_free(). No handler is told. */
void offload_free(struct muster *muster);
