/* SPDX-License-Identifier: MIT */

/*
 * How many CPUs there really are for us.
 *
 * The number of online CPUs is what a container's host has, not what the container may use: a service
 * given CPUQuota=200% on a machine of 64 would start 64 workers that throttle one another. So three
 * limits are looked at and the least one counts: the scheduling affinity, the online CPUs, and the CPU
 * quota of our cgroup and of every cgroup above it, since a parent's quota binds its children.
 *
 * Both cgroup versions are known, each where systemd mounts it. In a container whose cgroup namespace is
 * not its own, the path in /proc/self/cgroup is the host's and is not there under the mount; then the
 * walk upward still ends at the mount, which is the container's cgroup. Whatever cannot be read sets no
 * limit: a wrong guess here must not keep the service from starting.
 */

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cpu.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/parse.h"

#define CGROUP_FILE_MAX ((size_t) 64 * 1024)

static unsigned int quota_to_cpus(uint64_t quota, uint64_t period) {
        uint64_t cpus = quota / period + (quota % period != 0);

        return (unsigned int) MAX(MIN(cpus, UINT_MAX), 1U);
}

int cpu_parse_max(const char *text, unsigned int *ret) {
        char copy[64], *period_text;
        uint64_t quota, period;
        size_t length = strcspn(text, "\n");
        int r;

        if (length >= sizeof(copy) || (text[length] == '\n' && text[length + 1] != '\0'))
                return -EINVAL;
        memcpy(copy, text, length);
        copy[length] = '\0';

        period_text = strchr(copy, ' ');
        if (!period_text)
                return -EINVAL;
        *period_text++ = '\0';

        r = parse_uint64(period_text, &period);
        if (r < 0 || period == 0)
                return -EINVAL;
        if (streq(copy, "max")) {
                *ret = 0;
                return 0;
        }
        r = parse_uint64(copy, &quota);
        if (r < 0 || quota == 0)
                return -EINVAL;
        *ret = quota_to_cpus(quota, period);
        return 0;
}

/* Reads DIRECTORY/NAME without its newline into a small buffer. */
static int read_line(const char *directory, const char *name, char *buffer, size_t size) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        size_t length;
        int r;

        if (asprintf(&path, "%s/%s", directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = fd_read_file(path, CGROUP_FILE_MAX, &text, NULL);
        if (r < 0)
                return r;
        length = strcspn(text, "\n");
        if (length >= size)
                return -EINVAL;
        memcpy(buffer, text, length);
        buffer[length] = '\0';
        return 0;
}

/* The limit that one cgroup's directory sets; 0 = none. */
static unsigned int directory_limit(const char *directory, bool unified) {
        char quota_text[64], period_text[64];
        uint64_t quota, period;
        unsigned int cpus;

        if (unified) {
                if (read_line(directory, "cpu.max", quota_text, sizeof(quota_text)) < 0 ||
                    cpu_parse_max(quota_text, &cpus) < 0)
                        return 0;
                return cpus;
        }

        /* Version 1 writes -1 for no limit, which is no number to parse_uint64(). */
        if (read_line(directory, "cpu.cfs_quota_us", quota_text, sizeof(quota_text)) < 0 ||
            read_line(directory, "cpu.cfs_period_us", period_text, sizeof(period_text)) < 0 ||
            parse_uint64(quota_text, &quota) < 0 || parse_uint64(period_text, &period) < 0 || quota == 0 ||
            period == 0)
                return 0;
        return quota_to_cpus(quota, period);
}

static unsigned int least(unsigned int a, unsigned int b) {
        if (a == 0 || b == 0)
                return MAX(a, b);
        return MIN(a, b);
}

/* Walks from MOUNT/PATH up to MOUNT. */
static unsigned int walk_limit(const char *root, const char *mount, const char *path, bool unified) {
        _cleanup_free_ char *directory = NULL;
        unsigned int limit = 0;
        size_t top;

        /* A cgroup outside our namespace is shown as "/../…", which would lead out of the mount. */
        if (strstr(path, "/.."))
                path = "";
        if (asprintf(&directory, "%s%s%s", root, mount, path) < 0) {
                directory = NULL;
                return 0;
        }
        top = strlen(root) + strlen(mount);

        for (;;) {
                char *slash;

                limit = least(limit, directory_limit(directory, unified));
                slash = strrchr(directory + top, '/');
                if (!slash)
                        return limit;
                *slash = '\0';
        }
}

static bool has_cpu_controller(const char *controllers) {
        size_t length;

        for (; *controllers; controllers += length + (controllers[length] == ',')) {
                length = strcspn(controllers, ",");
                if (length == 3 && strncmp(controllers, "cpu", 3) == 0)
                        return true;
        }
        return false;
}

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:PATH". */
static unsigned int line_limit(const char *root, char *line) {
        char *controllers, *path;
        unsigned int limit;

        controllers = strchr(line, ':');
        path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
                return 0;
        *controllers++ = '\0';
        *path++ = '\0';

        if (streq(line, "0") && *controllers == '\0')
                return walk_limit(root, "/sys/fs/cgroup", path, true);
        if (!has_cpu_controller(controllers))
                return 0;
        limit = walk_limit(root, "/sys/fs/cgroup/cpu", path, false);
        return least(limit, walk_limit(root, "/sys/fs/cgroup/cpu,cpuacct", path, false));
}

unsigned int cpu_cgroup_limit(const char *root) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        char *line, *state = NULL;
        unsigned int limit = 0;

        if (asprintf(&path, "%s/proc/self/cgroup", root) < 0) {
                path = NULL;
                return 0;
        }
        if (fd_read_file(path, CGROUP_FILE_MAX, &text, NULL) < 0)
                return 0;
        for (line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                limit = least(limit, line_limit(root, line));
        return limit;
}

/* 0 = unknown. The kernel refuses a set smaller than its own, so it is grown until it fits. */
static unsigned int affinity_limit(void) {
        for (int cpus = CPU_SETSIZE; cpus <= 1024 * 1024; cpus *= 2) {
                cpu_set_t *set = CPU_ALLOC(cpus);
                size_t size = CPU_ALLOC_SIZE(cpus);
                int count = -1;

                if (!set)
                        return 0;
                if (sched_getaffinity(0, size, set) == 0)
                        count = CPU_COUNT_S(size, set);
                CPU_FREE(set);
                if (count >= 0)
                        return (unsigned int) count;
                if (errno != EINVAL)
                        return 0;
        }
        return 0;
}

unsigned int cpu_available(void) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        unsigned int limit;

        limit = least(affinity_limit(), online > 0 ? (unsigned int) online : 0);
        limit = least(limit, cpu_cgroup_limit(""));
        return MAX(limit, 1U);
}
