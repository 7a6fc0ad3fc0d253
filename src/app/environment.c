/* SPDX-License-Identifier: MIT */

/*
 * The environment of a program that the application starts.
 *
 * It is that of the service, as a person would expect who has written Environment= into a unit. But some of it is said to
 * one process and no other: where to report readiness, which descriptors were passed, where our own programs are.
 * A program that believed it (sd_notify() of a child, sd_listen_fds()) would do harm, or see what is none of its business.
 */

#include <errno.h>

#include "app/environment.h"
#include "util/macro.h"

/* With a star at the end: all that begin like that. */
static const char *const private_variables[] = {
        "MUSTER_*", "LISTEN_*",   "NOTIFY_SOCKET",    "WATCHDOG_*",        "FDSTORE",
        "MAINPID",  "MANAGERPID", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_*", "CREDENTIALS_DIRECTORY",
};

static size_t key_length(const char *variable) {
        return strcspn(variable, "=");
}

static bool same_key(const char *a, const char *b) {
        size_t length = key_length(a);

        return length == key_length(b) && strncmp(a, b, length) == 0;
}

static bool is_private(const char *variable) {
        for (size_t i = 0; i < ELEMENTSOF(private_variables); i++) {
                const char *pattern = private_variables[i];
                size_t length = strcspn(pattern, "*");

                if (pattern[length] ? strncmp(variable, pattern, length) == 0 : same_key(variable, pattern))
                        return true;
        }
        return false;
}

static size_t list_length(const char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

/* Takes out every one of that key. Returns how many are left. */
static size_t remove_key(const char **list, size_t n, const char *variable) {
        size_t kept = 0;

        for (size_t i = 0; i < n; i++)
                if (!same_key(list[i], variable))
                        list[kept++] = list[i];
        return kept;
}

int environment_make(const char *const *inherited, const char *const *whole, const char *const *changes,
                     const char ***ret) {
        const char *const *base = whole ? whole : inherited;
        _cleanup_free_ const char **list = NULL;
        size_t n = 0;

        list = calloc(list_length(base) + list_length(changes) + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        for (; base && *base; base++)
                if (whole || !is_private(*base))
                        list[n++] = *base;
        for (; changes && *changes; changes++) {
                if (key_length(*changes) == 0)
                        return -EINVAL;
                n = remove_key(list, n, *changes);
                if (strchr(*changes, '='))
                        list[n++] = *changes;
        }
        list[n] = NULL;
        *ret = TAKE_PTR(list);
        return 0;
}

const char *environment_get(const char *const *list, const char *key) {
        for (; list && *list; list++)
                if (same_key(*list, key) && (*list)[key_length(key)] == '=')
                        return *list + key_length(key) + 1;
        return NULL;
}
