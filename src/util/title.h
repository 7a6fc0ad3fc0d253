/* SPDX-License-Identifier: MIT */
#pragma once

/* Makes ps show `title` for a process that was not started under it: the argument and environment area
 * is overwritten, so the environment is moved away first. Call it once, early, with main's argv.
 * Children get theirs as argv[0] at exec instead. Returns 0 or a negative errno. */
int title_set(char **argv, const char *title);
