/* SPDX-License-Identifier: MIT */

/*
 * Which instances there are: those with a control socket below /run/muster, and those with a configuration file.
 *
 * Nothing registers them anywhere; what the file system says is true also after a crash. A socket may be left over from a
 * master that was killed, which only connecting to it tells.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/instance.h"
#include "ipc/control.h"

#define ENDING ".conf"

const char *instance_config_directory(void) {
        const char *directory = getenv("MUSTER_CONFIG_DIR");

        return directory && *directory ? directory : "/etc/muster";
}

static struct instance *find_or_add(struct instances *instances, const char *name) {
        struct instance *all;

        for (size_t i = 0; i < instances->n; i++)
                if (streq(instances->all[i].name, name))
                        return &instances->all[i];
        all = reallocarray(instances->all, instances->n + 1, sizeof(*all));
        if (!all)
                return NULL;
        instances->all = all;
        all[instances->n] = (struct instance){ .name = strdup(name) };
        if (!all[instances->n].name)
                return NULL;
        return &all[instances->n++];
}

static int add_running(struct instances *instances, const char *entry) {
        struct sockaddr_un address;
        struct instance *instance;
        struct stat st;

        if (control_address(entry, &address) < 0 || stat(address.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return 0;
        instance = find_or_add(instances, entry);
        if (!instance)
                return -ENOMEM;
        instance->has_socket = true;
        return 0;
}

static int add_configured(struct instances *instances, const char *entry) {
        size_t length = strlen(entry), ending = strlen(ENDING);
        _cleanup_free_ char *name = NULL;
        struct instance *instance;

        if (entry[0] == '.' || length <= ending || !streq(entry + length - ending, ENDING))
                return 0;
        name = strndup(entry, length - ending);
        instance = name ? find_or_add(instances, name) : NULL;
        if (!instance)
                return -ENOMEM;
        instance->has_configuration = true;
        return 0;
}

/* A directory that is not there, or may not be read, has nothing for us. */
static int read_directory(struct instances *instances, const char *path,
                          int (*add)(struct instances *instances, const char *entry)) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(path, &entries, NULL, alphasort);
        if (n < 0)
                return errno == ENOMEM ? -ENOMEM : 0;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add(instances, entries[i]->d_name);
                free(entries[i]);
        }
        free((void *) entries);
        return r;
}

static int by_name(const void *a, const void *b) {
        const struct instance *one = a, *other = b;

        return strcmp(one->name, other->name);
}

int instances_find(struct instances *ret) {
        struct instances found = INSTANCES_NULL;
        int r;

        r = read_directory(&found, control_directory(), add_running);
        r = r < 0 ? r : read_directory(&found, instance_config_directory(), add_configured);
        if (r < 0) {
                instances_deinit(&found);
                return r;
        }
        if (found.n > 0)
                qsort(found.all, found.n, sizeof(*found.all), by_name);
        *ret = found;
        return 0;
}

void instances_deinit(struct instances *instances) {
        for (size_t i = 0; i < instances->n; i++)
                free(instances->all[i].name);
        free(instances->all);
        *instances = (struct instances) INSTANCES_NULL;
}

bool instances_know(const struct instances *instances, const char *name) {
        for (size_t i = 0; i < instances->n; i++)
                if (streq(instances->all[i].name, name))
                        return true;
        return false;
}

const struct instance *instances_only(const struct instances *instances) {
        const struct instance *running = NULL, *configured = NULL;
        unsigned int n_running = 0, n_configured = 0;

        for (size_t i = 0; i < instances->n; i++) {
                if (instances->all[i].has_socket) {
                        running = &instances->all[i];
                        n_running++;
                }
                if (instances->all[i].has_configuration) {
                        configured = &instances->all[i];
                        n_configured++;
                }
        }
        if (n_running > 0)
                return n_running == 1 ? running : NULL;
        return n_configured == 1 ? configured : NULL;
}
