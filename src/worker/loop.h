/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "http/server.h"

/* The worker's event loop. See loop.c. */

struct loop;

/* Makes the loop for a process and its server; owns neither. */
int loop_new(struct loop **ret, struct muster *muster, struct http_server *server);
struct loop *loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_free);

/* Starts waiting for connections. */
int loop_listen(struct loop *loop);

/* One turn: waits until something happens and does it. Returns 0 or a negative errno. */
int loop_turn(struct loop *loop);
