/* SPDX-License-Identifier: MIT */
#pragma once

/* The ways to fail. See cause.c. */

struct cause {
        const char *name;
        void (*function)(int signal);
        int signal;
};

/* Finds one by its name ("SEGV", "STACK", "KILL" …); NULL for a name there is not. */
const struct cause *cause_find(const char *name);

/* All names, separated by spaces. */
const char *cause_names(void);

/* Does it. Comes back only from what does not end the process by itself, an ignored signal for instance. */
void cause_now(const struct cause *cause);
