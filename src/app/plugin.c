/* SPDX-License-Identifier: MIT */

/*
 * Plugins: shared objects of muster's own, beside its programs, with a library behind them that not everyone has.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "app/plugin.h"
#include "util/macro.h"

static int refuse(char **ret_reason, int error, const char *path, const char *why) {
        if (asprintf(ret_reason, "%s: %s", path, why) < 0)
                *ret_reason = NULL;
        return error;
}

int plugin_load(const char *name, const char *symbol, const void **ret, char **ret_reason) {
        const char *directory = getenv("MUSTER_LIBEXEC_DIR");
        _cleanup_free_ char *path = NULL;
        void *handle;

        *ret_reason = NULL;
        if (!directory || !*directory)
                directory = MUSTER_LIBEXEC_DIR_DEFAULT;
        if (asprintf(&path, "%s/%s.so", directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (access(path, R_OK) < 0)
                return refuse(ret_reason, -errno, path, strerror(errno));
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
                return refuse(ret_reason, -ELIBBAD, path, dlerror());
        *ret = dlsym(handle, symbol);
        return *ret ? 0 : refuse(ret_reason, -ELIBBAD, path, "not what it should be");
}
