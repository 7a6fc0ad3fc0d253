/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/arguments.h"
#include "cli/client.h"

/* What musterctl can be told, one function each. All return an exit status. */

/* What can be done with schedules: the first word of that verb. NULL-terminated. */
extern const char *const schedule_actions[];

int verb_check(const struct arguments *arguments);
int verb_config(const struct arguments *arguments);
int verb_counters(const struct arguments *arguments);
int verb_list(const struct arguments *arguments);
int verb_logs(const struct arguments *arguments);
int verb_monitor(const struct arguments *arguments);
int verb_quarantine(const struct arguments *arguments);
int verb_restart(const struct arguments *arguments);
int verb_schedule(const struct arguments *arguments);
int verb_scale(const struct arguments *arguments);
int verb_send(const struct arguments *arguments);
int verb_stop(const struct arguments *arguments);
int verb_reload(const struct arguments *arguments);
int verb_status(const struct arguments *arguments);
int verb_top(const struct arguments *arguments);
int verb_upgrade(const struct arguments *arguments);
