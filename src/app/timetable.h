/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "ipc/message.h"

/* The agent's part of schedules: it keeps their times and tells the master. In other processes these do nothing. See
 * timetable.c. */

struct timetable;

/* Makes the plans of the application's schedules with what the configuration says, and tells the master which there are.
 * -EINVAL with the reason, which the caller frees. */
int timetable_set_up(struct muster *muster, char **ret_reason);
struct timetable *timetable_free(struct timetable *timetable);

/* Since when one waits, from the master. */
void timetable_receive(struct muster *muster, const struct message *message);

/* Everything has started: from now on they are due. */
void timetable_start(struct muster *muster);
