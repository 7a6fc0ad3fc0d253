/* SPDX-License-Identifier: MIT */
#pragma once

#include "master/process.h"

/* System calls that the sandbox of a child refuses. See refused.c. */

/* Takes over the descriptor by which the kernel asks about calls of this child. */
void refused_listen(struct process *process, int fd);

/* The same for one that another master has listened to. */
void refused_restore(struct process *process, int fd);

/* The child itself says that one was refused. */
void refused_receive(struct process *process, const struct message *message);
