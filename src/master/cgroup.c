/* SPDX-License-Identifier: MIT */

/*
 * A cgroup for each process.
 *
 * A unit with Delegate=yes owns its cgroup: below it the master makes one for itself and one for the agent and
 * for each worker. That is worth three things. A worker's memory can be limited, and the kernel says whether
 * it was killed for it. Whatever a process has started ends with it (cgroup.kill), also what has detached
 * itself, changed its session and let its parents die. And systemd-cgls and systemd-cgtop show who is who.
 *
 * Nothing is touched but what was delegated to us: systemd marks that by the attribute user.delegate (or
 * trusted.delegate), and the directory must show our own pid, so that no mistake about mounts and namespaces leads
 * elsewhere. From there on everything goes by the open directory. Where one of that is missing (version 1, no
 * delegation, a shell, a container) muster works as well, without cgroups.
 *
 * The master leaves the delegated cgroup itself for a child "master", since a cgroup that hands controllers down
 * may hold no processes of its own. After an upgrade in place, or with DelegateSubgroup=master, it is there
 * already.
 *
 * Children of the application that are detached outlive the process that has started them, but not the service. They have
 * a cgroup for themselves, "detached", that nobody kills but systemd, or the master at its own end. A process that
 * may start any gets its cgroup.procs, open for writing, with its heritage.
 *
 * A process enters its cgroup by itself between fork() and exec. CLONE_INTO_CGROUP would save it that, but
 * RestrictNamespaces= takes clone3() away, as its flags can't be filtered. The first to move in a while waits some
 * milliseconds for the kernel; so it is not the master who does.
 *
 * A cgroup can be removed when its last process is dead, which takes a moment after cgroup.kill. The orphans come
 * to the master, their subreaper, so SIGCHLD is when to try again. A child that writes a core dump (see
 * app/guard.c) is in the cgroup too and would be cut short: it is waited for, a while. Its pid was told by the
 * crashed process and proves nothing, so "a while" is all that can be gained by a lie.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "master/cgroup.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/time.h"

#define FILE_MAX     ((size_t) 1024 * 1024)
#define SERIALS_MAX  1000
#define CORE_TIMEOUT (60 * USEC_PER_SEC)

struct leaving {
        struct list node;
        char name[CGROUP_NAME_MAX];
        pid_t core_pid;
        usec_t core_until;
};

/* ---- Files ---- */

/* Reads DIRECTORY/NAME/FILE; `name` may be ".". */
static int read_at(int directory, const char *name, const char *file, char **ret) {
        char path[CGROUP_NAME_MAX + 64];
        _cleanup_fd_ int fd = -1;

        (void) snprintf(path, sizeof(path), "%s/%s", name, file);
        fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        return fd_read(fd, FILE_MAX, ret, NULL);
}

static int open_for_write(int directory, const char *name, const char *file) {
        char path[CGROUP_NAME_MAX + 64];

        (void) snprintf(path, sizeof(path), "%s/%s", name, file);
        return openat(directory, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int write_at(int directory, const char *name, const char *file, const char *text) {
        _cleanup_fd_ int fd = -1;

        fd = open_for_write(directory, name, file);
        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* ---- What is ours ---- */

static bool is_delegated(int directory) {
        static const char *const names[] = { "user.delegate", "trusted.delegate" };
        char value[8];

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (fgetxattr(directory, names[i], value, sizeof(value)) == 1 && value[0] == '1')
                        return true;
        return false;
}

static bool holds_us(int directory) {
        _cleanup_free_ char *text = NULL;

        return read_at(directory, ".", "cgroup.procs", &text) >= 0 && cgroup_has_pid(text, getpid());
}

/* Takes the last part off a path; the path of the tree's root is "/". */
static void cut_last(char *path) {
        char *slash = strrchr(path, '/');

        slash[slash == path] = '\0';
}

/* Opens the delegated cgroup that we are in, or the one above if we are in its child "master" already. */
static int open_delegated(const char *directory, char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_fd_ int own = -1, parent = -1;

        own = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (own < 0)
                return -errno;
        if (!holds_us(own))
                return -ENOENT;
        if (is_delegated(own))
                return TAKE_FD(own);
        if (!slash || !streq(slash + 1, CGROUP_MASTER))
                return -EPERM;
        parent = openat(own, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
                return -errno;
        if (!is_delegated(parent))
                return -EPERM;
        cut_last(path);
        return TAKE_FD(parent);
}

/* The path of our cgroup, and the directory in which it is seen. */
static int locate(const char *root, char **ret_path, char **ret_directory) {
        _cleanup_free_ char *file = NULL, *text = NULL, *mounts_file = NULL, *mounts = NULL, *path = NULL;
        _cleanup_free_ char *directory = NULL;
        int r;

        if (asprintf(&file, "%s/proc/self/cgroup", root) < 0 ||
            asprintf(&mounts_file, "%s/proc/self/mountinfo", root) < 0)
                return -ENOMEM;
        r = fd_read_file(file, FILE_MAX, &text, NULL);
        r = r < 0 ? r : fd_read_file(mounts_file, FILE_MAX, &mounts, NULL);
        r = r < 0 ? r : cgroup_parse_own(text, &path);
        r = r < 0 ? r : cgroup_parse_mount(mounts, path, &directory);
        if (r < 0)
                return r;
        if (asprintf(ret_directory, "%s%s", root, directory) < 0)
                return -ENOMEM;
        *ret_path = TAKE_PTR(path);
        return 0;
}

/* Clears the delegated cgroup of ourselves. */
static int move_down(int directory) {
        if (mkdirat(directory, CGROUP_MASTER, 0755) < 0 && errno != EEXIST)
                return -errno;
        return write_at(directory, CGROUP_MASTER, "cgroup.procs", "0");
}

/* Hands the memory controller down, where systemd has handed it to us. */
static bool enable_memory(int directory) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_at(directory, ".", "cgroup.controllers", &text);
        if (r < 0 || !cgroup_has_word(text, "memory"))
                return false;
        r = write_at(directory, ".", "cgroup.subtree_control", "+memory");
        if (r < 0)
                log_warning(r, "Failed to use the memory controller, ignoring: %m");
        return r >= 0;
}

static int is_own_name(const struct dirent *entry) {
        return cgroup_is_name(entry->d_name);
}

/* What a master that was killed has left, where nobody else has removed it. Somebody may still be in one. */
static void remove_leftovers(int directory) {
        struct dirent **entries;
        int n;

        n = scandirat(directory, ".", &entries, is_own_name, NULL);
        if (n < 0)
                return;
        for (int i = 0; i < n; i++) {
                (void) unlinkat(directory, entries[i]->d_name, AT_REMOVEDIR);
                free(entries[i]);
        }
        free((void *) entries);
}

int cgroup_open(struct cgroup *cgroup, const char *root) {
        _cleanup_free_ char *path = NULL, *directory = NULL;
        _cleanup_fd_ int fd = -1;
        int r;

        r = locate(root, &path, &directory);
        if (r < 0)
                return r;
        fd = open_delegated(directory, path);
        if (fd < 0)
                return fd;
        r = move_down(fd);
        if (r < 0)
                return r;
        remove_leftovers(fd);
        cgroup->memory = enable_memory(fd);
        cgroup->path = TAKE_PTR(path);
        cgroup->fd = TAKE_FD(fd);
        list_init(&cgroup->leaving);
        return 0;
}

void cgroup_deinit(struct cgroup *cgroup) {
        if (cgroup->fd < 0)
                return;
        cgroup_sweep(cgroup);
        (void) unlinkat(cgroup->fd, CGROUP_DETACHED, AT_REMOVEDIR);
        LIST_FOREACH_SAFE(node, &cgroup->leaving)
                free(container_of(node, struct leaving, node));
        fd_close(cgroup->fd);
        free(cgroup->path);
        *cgroup = (struct cgroup) CGROUP_NULL;
}

/* ---- A process's own ---- */

int cgroup_create(struct cgroup *cgroup, const char *role, int number, uint64_t generation, char *name) {
        name[0] = '\0';
        if (cgroup->fd < 0)
                return 0;
        /* The name of one that is still there is passed over. */
        for (unsigned int i = 0; i < SERIALS_MAX; i++) {
                (void) cgroup_format_name(role, number, generation, ++cgroup->serial, name, CGROUP_NAME_MAX);
                if (mkdirat(cgroup->fd, name, 0755) >= 0)
                        return 0;
                if (errno != EEXIST)
                        break;
        }
        name[0] = '\0';
        return -errno;
}

int cgroup_limit_memory(const struct cgroup *cgroup, const char *name, uint64_t high, uint64_t max) {
        char text[24];
        int r;

        if (!cgroup->memory || !name[0])
                return 0;
        r = write_at(cgroup->fd, name, "memory.high", cgroup_format_limit(high, text, sizeof(text)));
        if (r < 0)
                return r;
        return write_at(cgroup->fd, name, "memory.max", cgroup_format_limit(max, text, sizeof(text)));
}

int cgroup_open_procs(const struct cgroup *cgroup, const char *name) {
        return name[0] ? open_for_write(cgroup->fd, name, "cgroup.procs") : -1;
}

int cgroup_open_detached(const struct cgroup *cgroup) {
        if (cgroup->fd < 0) {
                errno = ENOENT;
                return -1;
        }
        if (mkdirat(cgroup->fd, CGROUP_DETACHED, 0755) < 0 && errno != EEXIST)
                return -1;
        return open_for_write(cgroup->fd, CGROUP_DETACHED, "cgroup.procs");
}

void cgroup_enter(int procs_fd) {
        if (procs_fd >= 0)
                (void) !write(procs_fd, "0", 1);
}

bool cgroup_is_populated(const struct cgroup *cgroup, const char *name) {
        _cleanup_free_ char *text = NULL;

        if (!name[0] || read_at(cgroup->fd, name, "cgroup.events", &text) < 0)
                return true;
        return cgroup_parse_counter(text, "populated") > 0;
}

static uint64_t read_limit(const struct cgroup *cgroup, const char *name, const char *file) {
        _cleanup_free_ char *text = NULL;

        return read_at(cgroup->fd, name, file, &text) < 0 ? UINT64_MAX : cgroup_parse_limit(text);
}

void cgroup_read_memory(const struct cgroup *cgroup, const char *name, struct cgroup_memory *ret) {
        _cleanup_free_ char *text = NULL;

        *ret = (struct cgroup_memory){ .peak = UINT64_MAX, .max = UINT64_MAX };
        if (!cgroup->memory || !name[0] || read_at(cgroup->fd, name, "memory.events", &text) < 0)
                return;
        ret->oom_kills = cgroup_parse_counter(text, "oom_kill");
        ret->oom = cgroup_parse_counter(text, "oom");
        if (ret->oom_kills == 0)
                return;
        ret->peak = read_limit(cgroup, name, "memory.peak");
        ret->max = read_limit(cgroup, name, "memory.max");
}

/* ---- After its end ---- */

static bool writes_core(const struct cgroup *cgroup, const struct leaving *leaving) {
        _cleanup_free_ char *text = NULL;

        return leaving->core_pid > 0 && now_monotonic() < leaving->core_until &&
               read_at(cgroup->fd, leaving->name, "cgroup.procs", &text) >= 0 &&
               cgroup_has_pid(text, leaving->core_pid);
}

/* Before Linux 5.14 there is no cgroup.kill. What is born meanwhile is found by the next sweep. */
static void kill_each(const struct cgroup *cgroup, const char *name) {
        _cleanup_free_ char *text = NULL;
        char *p, *end;

        if (read_at(cgroup->fd, name, "cgroup.procs", &text) < 0 || !text)
                return;
        for (p = text;; p = end) {
                long pid = strtol(p, &end, 10);

                if (end == p)
                        return;
                /* 0 is one whom we can't see */
                if (pid > 0 && (pid_t) pid != getpid())
                        (void) kill((pid_t) pid, SIGKILL);
        }
}

/* Returns whether the cgroup is no more. */
static bool try_remove(const struct cgroup *cgroup, const struct leaving *leaving) {
        if (unlinkat(cgroup->fd, leaving->name, AT_REMOVEDIR) >= 0 || errno == ENOENT)
                return true;
        if (writes_core(cgroup, leaving))
                return false;
        if (write_at(cgroup->fd, leaving->name, "cgroup.kill", "1") == -ENOENT)
                kill_each(cgroup, leaving->name);
        return unlinkat(cgroup->fd, leaving->name, AT_REMOVEDIR) >= 0;
}

void cgroup_release(struct cgroup *cgroup, const char *name, pid_t core_pid) {
        struct leaving leaving = { .core_pid = core_pid,
                                   .core_until = usec_add(now_monotonic(), CORE_TIMEOUT) };
        struct leaving *kept;

        if (cgroup->fd < 0 || !name[0])
                return;
        (void) stpncpy(leaving.name, name, sizeof(leaving.name) - 1);
        if (try_remove(cgroup, &leaving))
                return;
        kept = malloc(sizeof(*kept));
        if (!kept) {
                log_oom();
                return;
        }
        *kept = leaving;
        list_append(&cgroup->leaving, &kept->node);
}

void cgroup_each_leaving(const struct cgroup *cgroup,
                         void (*function)(const char *name, pid_t core_pid, void *userdata),
                         void *userdata) {
        if (cgroup->fd < 0)
                return;
        LIST_FOREACH(node, &cgroup->leaving) {
                const struct leaving *leaving = container_of(node, struct leaving, node);

                function(leaving->name, leaving->core_pid, userdata);
        }
}

void cgroup_sweep(struct cgroup *cgroup) {
        if (cgroup->fd < 0)
                return;
        LIST_FOREACH_SAFE(node, &cgroup->leaving) {
                struct leaving *leaving = container_of(node, struct leaving, node);

                if (!try_remove(cgroup, leaving))
                        continue;
                list_remove(node);
                free(leaving);
        }
}
