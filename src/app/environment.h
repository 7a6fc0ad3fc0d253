/* SPDX-License-Identifier: MIT */
#pragma once

/* The environment of a program that the application starts. See environment.c. */

/* Puts it together: `whole`, or where that is NULL what is `inherited` without what concerns this process alone; then the
 * changes ("KEY=VALUE", or "KEY" to remove it; may be NULL). The list is the caller's to free, the strings in it are those
 * that were passed. 0, -EINVAL for a change without a key, -ENOMEM. */
int environment_make(const char *const *inherited, const char *const *whole, const char *const *changes,
                     const char ***ret);

/* The value of a key in a list, or NULL. */
const char *environment_get(const char *const *list, const char *key);
