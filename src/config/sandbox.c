/* SPDX-License-Identifier: MIT */

/*
 * The sandbox by role: what master, agent and worker may do inside what the unit lets the whole service do.
 *
 * A sandbox is inherited and can only be narrowed. So what the master may is the least that includes its
 * children, and each child takes away more before any code of the application runs; not after its start
 * function, because threads that it starts there would stay outside. What a role may do is data: the places below,
 * and the calls in util/seccomp-calls.h.
 *
 * Since it cannot be widened, the keys that make it take effect when the service is restarted.
 *
 * A build with a sanitizer has none: those trace, fork and execute for themselves.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "config/sandbox.h"
#include "util/fd.h"
#include "util/landlock.h"
#include "util/seccomp.h"

#define GRANTS_MAX   256U
#define PATTERN_MAX  ((size_t) 4096)
#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define WRITE        (LANDLOCK_MODIFY | LANDLOCK_CREATE)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

/* A place by its path, or by the variable that holds one or more, with colons between them. */
static const struct place {
        const char *path;
        const char *variable;
        unsigned int roles;
        unsigned int access;
} places[] = {
        /* what systemd makes for the service */
        { .variable = "RUNTIME_DIRECTORY", .roles = SANDBOX_ALL, .access = WRITE },
        { .variable = "STATE_DIRECTORY", .roles = SANDBOX_ALL, .access = WRITE },
        { .variable = "CACHE_DIRECTORY", .roles = SANDBOX_ALL, .access = WRITE },
        { .variable = "LOGS_DIRECTORY", .roles = SANDBOX_ALL, .access = WRITE },
        /* what every program expects */
        { .variable = "TMPDIR", .roles = SANDBOX_ALL, .access = WRITE },
        { .path = "/tmp", .roles = SANDBOX_ALL, .access = WRITE },
        { .path = "/var/tmp", .roles = SANDBOX_ALL, .access = WRITE },
        { .path = "/dev/shm", .roles = SANDBOX_ALL, .access = WRITE },
        { .path = "/dev", .roles = SANDBOX_ALL, .access = LANDLOCK_MODIFY },
        { .path = "/proc", .roles = SANDBOX_MASTER, .access = LANDLOCK_MODIFY },
        { .path = "/proc/self", .roles = SANDBOX_CHILD, .access = LANDLOCK_MODIFY },
        /* addresses to listen on, which a reload may bring */
        { .path = "/", .roles = SANDBOX_MASTER, .access = LANDLOCK_BIND },
        /* the control socket of a master without systemd, and the groups of its children */
        { .variable = "MUSTER_RUNTIME_DIR", .roles = SANDBOX_MASTER, .access = WRITE },
        { .path = "/run/muster", .roles = SANDBOX_MASTER, .access = WRITE },
        { .path = "/sys/fs/cgroup", .roles = SANDBOX_MASTER, .access = WRITE },
        /* the dynamic linker, without which no program starts */
        { .path = "/lib", .roles = SANDBOX_MASTER, .access = LANDLOCK_EXECUTE },
        { .path = "/lib64", .roles = SANDBOX_MASTER, .access = LANDLOCK_EXECUTE },
        { .path = "/usr/lib", .roles = SANDBOX_MASTER, .access = LANDLOCK_EXECUTE },
        /* what an application needs to run at all, where read_paths says what else it reads */
        { .path = "/usr", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/lib", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/lib64", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/etc", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/dev", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/proc", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/sys", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/run/systemd", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        /* where /etc/resolv.conf may point to */
        { .path = "/run/NetworkManager", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        { .path = "/run/resolvconf", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
        /* what the agent loads, and what systemd hands over */
        { .variable = "MUSTER_LIBEXEC_DIR", .roles = SANDBOX_AGENT, .access = LANDLOCK_READ },
        { .variable = "CREDENTIALS_DIRECTORY", .roles = SANDBOX_CHILD, .access = LANDLOCK_READ },
};

/* ---- Files ---- */

struct grants {
        struct landlock_grant list[GRANTS_MAX];
        char *owned[GRANTS_MAX]; /* paths that were put together */
        size_t n;
        size_t n_owned;
};

static void grants_free(struct grants *grants) {
        for (size_t i = 0; i < grants->n_owned; i++)
                free(grants->owned[i]);
        free(grants);
}

DEFINE_CLEANUP(struct grants *, grants_free);

static int grant(struct grants *grants, const char *path, unsigned int access) {
        if (grants->n == GRANTS_MAX)
                return -E2BIG;
        grants->list[grants->n++] = (struct landlock_grant){ path, access };
        return 0;
}

/* The first `length` bytes of a text are a path; only an absolute one can be meant. */
static int grant_part(struct grants *grants, const char *text, size_t length, unsigned int access) {
        char *path;

        if (length == 0 || *text != '/')
                return 0;
        if (grants->n_owned == GRANTS_MAX)
                return -E2BIG;
        path = strndup(text, length);
        if (!path)
                return -ENOMEM;
        grants->owned[grants->n_owned++] = path;
        return grant(grants, path, access);
}

static int grant_variable(struct grants *grants, const char *variable, unsigned int access) {
        const char *text = getenv(variable);
        int r = 0;

        while (text && r >= 0) {
                size_t length = strcspn(text, ":");

                r = grant_part(grants, text, length, access);
                text = text[length] ? text + length + 1 : NULL;
        }
        return r;
}

static int grant_list(struct grants *grants, char *const *paths, unsigned int access) {
        int r = 0;

        for (; paths && *paths && r >= 0; paths++)
                r = grant(grants, *paths, access);
        return r;
}

static int grant_folder_of(struct grants *grants, const char *path, unsigned int access) {
        const char *slash = path && *path == '/' ? strrchr(path, '/') : NULL;

        return slash ? grant_part(grants, path, (size_t) (slash - path), access) : 0;
}

static int grant_places(struct grants *grants, enum sandbox_role role, bool narrow_reading) {
        unsigned int reading = narrow_reading ? LANDLOCK_READ : 0;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(places) && r >= 0; i++) {
                const struct place *place = &places[i];
                unsigned int access = place->access | (place->access & LANDLOCK_CREATE ? reading : 0);

                if (!(place->roles & (unsigned int) role))
                        continue;
                r = place->path ? grant(grants, place->path, access)
                                : grant_variable(grants, place->variable, access);
        }
        return r;
}

/* The kernel writes a core into a file as the process that crashed. Never into /, as under systemd, where it would mean
 * everything. */
static int grant_core(struct grants *grants, const struct config *config) {
        _cleanup_free_ char *pattern = NULL, *directory = NULL;

        if (!config->worker.core || fd_read_file(CORE_PATTERN, PATTERN_MAX, &pattern, NULL) < 0)
                return 0;
        if (*pattern == '/')
                return grant_folder_of(grants, pattern, WRITE);
        if (*pattern == '|')
                return 0;
        directory = getcwd(NULL, 0);
        return directory && !streq(directory, "/") ? grant_part(grants, directory, strlen(directory), WRITE)
                                                   : 0;
}

/* By the folder: a file that is changed is often another one of the same name. */
static int grant_broker(struct grants *grants, const struct config *config) {
        int r;

        r = grant_folder_of(grants, config->broker.credentials, LANDLOCK_READ);
        r = r < 0 ? r : grant_folder_of(grants, config->broker.tls_ca, LANDLOCK_READ);
        r = r < 0 ? r : grant_folder_of(grants, config->broker.tls_certificate, LANDLOCK_READ);
        return r < 0 ? r : grant_folder_of(grants, config->broker.tls_key, LANDLOCK_READ);
}

static int make_grants(struct grants *grants, enum sandbox_role role, const struct config *config,
                       const char *programs) {
        bool narrow = role != SANDBOX_MASTER && config->worker.read_paths && *config->worker.read_paths;
        int r;

        r = grant_places(grants, role, narrow);
        r = r < 0 ? r : grant_list(grants, config->worker.write_paths, WRITE | LANDLOCK_READ);
        r = r < 0 ? r : grant_core(grants, config);
        if (role == SANDBOX_MASTER) {
                if (programs)
                        r = r < 0 ? r : grant(grants, programs, LANDLOCK_EXECUTE);
        } else if (narrow) {
                r = r < 0 ? r : grant_list(grants, config->worker.read_paths, LANDLOCK_READ);
                r = r < 0 ? r : grant_folder_of(grants, config->muster.module, LANDLOCK_READ);
                r = r < 0 ? r : grant_variable(grants, "MUSTER_MODULE_DIR", LANDLOCK_READ);
                if (role == SANDBOX_AGENT)
                        r = r < 0 ? r : grant_broker(grants, config);
        }
        return r;
}

/* A compute process has no use for other programs, whatever workers do. */
static bool may_execute(enum sandbox_role role, const struct config *config) {
        return config->worker.children && role != SANDBOX_COMPUTE;
}

static int restrict_files(enum sandbox_role role, const struct config *config, const char *programs) {
        _cleanup_(cleanup_grants_free) struct grants *grants = NULL;
        unsigned int restricted = WRITE;
        int r;

        grants = calloc(1, sizeof(*grants));
        if (!grants)
                return -ENOMEM;
        r = make_grants(grants, role, config, programs);
        if (r < 0)
                return r;
        if (!may_execute(role, config))
                restricted |= LANDLOCK_EXECUTE;
        if (role != SANDBOX_MASTER && config->worker.read_paths && *config->worker.read_paths)
                restricted |= LANDLOCK_READ;
        return landlock_restrict(restricted, grants->list, grants->n);
}

/* ---- System calls ---- */

/* A program that the application starts has no handler that could answer a signal. */
static enum seccomp_program common_program(const struct config *config) {
        return config->worker.children || !seccomp_can_refuse() ? SECCOMP_COMMON_ERRNO : SECCOMP_COMMON_TRAP;
}

/* Without a master there is nobody to listen. */
static int forbid_children(struct sandbox *sandbox, bool listened) {
        int r = -EBUSY;

        if (listened)
                r = seccomp_load(SECCOMP_NO_CHILDREN_NOTIFY, &sandbox->listener);
        if (r < 0)
                r = seccomp_load(SECCOMP_NO_CHILDREN_ERRNO, NULL);
        return r;
}

static int filter_calls(struct sandbox *sandbox, enum sandbox_role role, const struct config *config,
                        bool inherited) {
        int r = 0;

        if (!inherited)
                r = seccomp_load(common_program(config), NULL);
        if (r < 0 || role == SANDBOX_MASTER)
                return r;
        return may_execute(role, config) ? seccomp_load(SECCOMP_CHILDREN, NULL)
                                         : forbid_children(sandbox, inherited);
}

bool sandbox_wanted(const struct config *config) {
        return config->muster.sandbox && !WITH_SANITIZER;
}

int sandbox_enter(struct sandbox *ret, enum sandbox_role role, const struct config *config, bool inherited,
                  const char *programs) {
        struct sandbox sandbox = SANDBOX_NULL;
        int r;

        if (sandbox_wanted(config)) {
                r = restrict_files(role, config, programs);
                if (r < 0 && r != -EOPNOTSUPP)
                        return r;
                sandbox.landlock = MAX(r, 0);
                r = filter_calls(&sandbox, role, config, inherited);
                if (r < 0 && r != -EOPNOTSUPP)
                        return r;
                sandbox.calls = r >= 0;
        }
        *ret = sandbox;
        return 0;
}
