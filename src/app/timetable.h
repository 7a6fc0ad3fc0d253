/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/process.h"
#include "ipc/channel.h"

/* The agent's part of schedules: it keeps their times and tells the master. See timetable.c. */

struct timetable;

/* Makes the plans of the application's schedules with what the configuration says. -EINVAL with the reason, which the caller
 * frees. */
int timetable_new(struct timetable **ret, struct muster *muster, char **ret_reason);
struct timetable *timetable_free(struct timetable *timetable);

/* Tells the master which schedules there are. */
int timetable_declare(struct timetable *timetable);

/* Since when one waits, from the master. */
void timetable_receive(struct timetable *timetable, const struct message *message);

/* Everything has started: from now on they are due. */
int timetable_start(struct timetable *timetable);
