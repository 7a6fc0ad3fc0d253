/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "ipc/channel.h"

/* A worker's part of schedules: it runs what the master gives it. See job.c. */

/* MESSAGE_RUN has come. When `leaving`, it is handed back. */
void job_receive(struct muster *muster, const struct message *message, bool leaving);

/* Whether any is not finished. */
bool jobs_pending(const struct muster *muster);

/* Forgets them; part of muster_process_free(). */
void jobs_free(struct muster *muster);
