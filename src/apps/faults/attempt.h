/* SPDX-License-Identifier: MIT */
#pragma once

/* What a sandbox may refuse. See attempt.c. */

struct attempt {
        const char *name;
        int (*function)(const char *path);
};

/* Finds one by its name ("execve", "fork", "write" …); NULL for a name there is not. */
const struct attempt *attempt_find(const char *name);

/* Tries it. Returns 0 where it went well and a negative errno where it did not. */
int attempt_now(const struct attempt *attempt, const char *path);
