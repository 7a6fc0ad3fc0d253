/* SPDX-License-Identifier: MIT */

/*
 * Loading an application.
 *
 * The descriptor is copied by its own idea of its size: a module built against an older header leaves the
 * newer members out, and they read as NULL. Symbols are resolved at once, so that a missing one is an error
 * at the start and not a crash at three in the morning.
 */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "app/module.h"

struct module {
        char *path;
        struct muster_application application;
};

static char *module_find(const char *name) {
        const char *directory = getenv("MUSTER_MODULE_DIR");
        char *path = NULL;

        if (strchr(name, '/'))
                return strdup(name);
        if (!directory || !*directory)
                directory = MUSTER_MODULE_DIR_DEFAULT;
        if (asprintf(&path, "%s/%s.so", directory, name) < 0)
                return NULL;
        return path;
}

static int refuse(char **ret_reason, int error, const char *path, const char *why) {
        if (asprintf(ret_reason, "Module %s: %s", path, why) < 0)
                *ret_reason = NULL;
        return error;
}

static int copy_descriptor(struct module *module, const struct muster_application *found,
                           char **ret_reason) {
        if (found->api != MUSTER_API)
                return refuse(
                        ret_reason, -EPROTO, module->path,
                        "built for another version of the interface; build it again with this muster's "
                        "<muster/app.h>");
        if (found->size < offsetof(struct muster_application, routes))
                return refuse(ret_reason, -ELIBBAD, module->path,
                              "its muster_application has no sensible size");
        memcpy(&module->application, found, MIN(found->size, sizeof(module->application)));
        return 0;
}

int module_load(struct module **ret, const char *name, char **ret_reason) {
        _cleanup_(cleanup_module_free) struct module *module = NULL;
        const struct muster_application *found;
        void *handle;
        int r;

        *ret_reason = NULL;
        module = calloc(1, sizeof(*module));
        if (!module)
                return -ENOMEM;
        module->path = module_find(name);
        if (!module->path)
                return -ENOMEM;
        if (access(module->path, R_OK) < 0)
                return refuse(ret_reason, -errno, module->path, strerror(errno));
        handle = dlopen(module->path, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
                return refuse(ret_reason, -ELIBBAD, module->path, dlerror());
        found = dlsym(handle, "muster_application");
        if (!found)
                return refuse(ret_reason, -ELIBBAD, module->path,
                              "no muster_application in it; define one with MUSTER_APPLICATION()");
        r = copy_descriptor(module, found, ret_reason);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(module);
        return 0;
}

struct module *module_free(struct module *module) {
        if (!module)
                return NULL;
        free(module->path);
        free(module);
        return NULL;
}

const struct muster_application *module_application(const struct module *module) {
        return &module->application;
}

const char *module_path(const struct module *module) {
        return module->path;
}
