/* SPDX-License-Identifier: MIT */
#pragma once

#include <muster/app.h>

#include "util/macro.h"

/* An application's shared object. See module.c. */

struct module;

/* Loads a module and checks its descriptor. `name` with a slash is a path; without one it is looked up as
 * NAME.so in $MUSTER_MODULE_DIR or the directory of the bundled ones. On failure *ret_reason says what is
 * wrong (the caller frees it): -ENOENT for no such file, -ELIBBAD for one that can't be loaded or is no
 * application, -EPROTO for one that was built for another version of the interface. */
int module_load(struct module **ret, const char *name, char **ret_reason);

/* Forgets it. The code stays loaded: something of it may still be on a stack. */
struct module *module_free(struct module *module);
DEFINE_CLEANUP(struct module *, module_free);

const struct muster_application *module_application(const struct module *module);
const char *module_path(const struct module *module);
