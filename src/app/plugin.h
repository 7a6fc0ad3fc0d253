/* SPDX-License-Identifier: MIT */
#pragma once

/* Parts of muster that are installed only where they are needed. */

/* Loads NAME.so from the directory of the programs ($MUSTER_LIBEXEC_DIR or where they are installed) and finds a symbol in
 * it. It stays loaded. On failure *ret_reason says what is wrong (the caller frees it): -ENOENT for one that is not
 * installed, -ELIBBAD for one that can't be loaded or has no such symbol. */
int plugin_load(const char *name, const char *symbol, const void **ret, char **ret_reason);
