/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/guard.h"

/* What the tests of the guard share: each promise is tried in a process of its own. */

/* Shared between a test and its child. */
extern struct slot *slot;

extern const struct guard_context context;

int set_up(void **state);
int tear_down(void **state);

/* Runs a function in a child. Returns its wait status. */
int in_child(void (*function)(void));

void assert_exits(int status, int code);
void assert_killed(int status, int signal);

/* Those of a worker without a channel; setup() installs the guard in the child. */
struct guard_options options(void);
void setup(struct guard_options o);
