/* SPDX-License-Identifier: MIT */

/*
 * Heritage: the whole of what passes from the master to a child over fork and exec.
 *
 * Listening sockets go by systemd's own protocol (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, descriptors from 3
 * on), everything else by descriptors behind them that the environment names. So there is nothing secret in
 * how a child is started: a worker runs as well under systemd-socket-activate, without a master, in a
 * debugger.
 *
 * Since the child is exec'd, nothing comes with it by accident: every descriptor that is not named here is
 * closed by the kernel.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "ipc/heritage.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/parse.h"

#define FIRST_FD SD_LISTEN_FDS_START

/* What concerns the master alone, and what is written anew for each child. */
static const char *const removed_variables[] = {
        "NOTIFY_SOCKET",        "WATCHDOG_USEC",   "WATCHDOG_PID",      "LISTEN_FDS",
        "LISTEN_PID",           "LISTEN_FDNAMES",  "MUSTER_CHANNEL_FD", "MUSTER_CONFIG_FD",
        "MUSTER_SCOREBOARD_FD", "MUSTER_SLOT",     "MUSTER_WORKER",     "MUSTER_GENERATION",
        "MUSTER_MASTER",        "MUSTER_INSTANCE", "MUSTER_SANDBOXED",  "MUSTER_DETACHED_FD",
};

static void remove_variables(void) {
        for (size_t i = 0; i < ELEMENTSOF(removed_variables); i++)
                (void) unsetenv(removed_variables[i]);
}

/* Puts sources[i] at FIRST_FD + i. All are copied above the targets first, since a target may be where
 * another source is; the copies and all else above the targets are closed by exec. */
static int place_descriptors(const int *sources, size_t n) {
        _cleanup_free_ int *copies = NULL;
        int floor = FIRST_FD + (int) n;

        copies = calloc(n, sizeof(*copies));
        if (!copies)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                copies[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, floor);
                if (copies[i] < 0)
                        return -errno;
        }
        for (size_t i = 0; i < n; i++)
                if (dup2(copies[i], FIRST_FD + (int) i) < 0)
                        return -errno;
        if (close_range((unsigned int) floor, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return -errno;
        return 0;
}

static int set_number(const char *name, int64_t value) {
        char text[32];

        (void) snprintf(text, sizeof(text), "%" PRId64, value);
        return setenv(name, text, 1) < 0 ? -errno : 0;
}

/* The names joined by colons, as LISTEN_FDNAMES wants them. */
static int set_listener_names(const struct heritage *heritage) {
        _cleanup_free_ char *names = NULL;
        size_t size = 1;
        char *end;

        for (size_t i = 0; i < heritage->n_listeners; i++)
                size += strlen(heritage->listener_names[i]) + 1;
        names = malloc(size);
        if (!names)
                return -ENOMEM;
        end = names;
        *end = '\0';
        for (size_t i = 0; i < heritage->n_listeners; i++) {
                if (i > 0)
                        *end++ = ':';
                end = stpcpy(end, heritage->listener_names[i]);
        }
        return setenv("LISTEN_FDNAMES", names, 1) < 0 ? -errno : 0;
}

static int set_variables(const struct heritage *heritage) {
        int next = FIRST_FD + (int) heritage->n_listeners, r = 0;

        remove_variables();
        if (heritage->n_listeners > 0) {
                r = r < 0 ? r : set_number("LISTEN_PID", getpid());
                r = r < 0 ? r : set_number("LISTEN_FDS", (int64_t) heritage->n_listeners);
                r = r < 0 ? r : set_listener_names(heritage);
        }
        r = r < 0 ? r : set_number("MUSTER_CHANNEL_FD", next);
        r = r < 0 ? r : set_number("MUSTER_SCOREBOARD_FD", next + 1);
        r = r < 0 ? r : set_number("MUSTER_CONFIG_FD", next + 2);
        if (heritage->detached_fd >= 0)
                r = r < 0 ? r : set_number("MUSTER_DETACHED_FD", next + 3);
        r = r < 0 ? r : set_number("MUSTER_SLOT", (int64_t) heritage->slot);
        if (heritage->number >= 0)
                r = r < 0 ? r : set_number("MUSTER_WORKER", heritage->number);
        r = r < 0 ? r : set_number("MUSTER_GENERATION", (int64_t) heritage->generation);
        r = r < 0 ? r : set_number("MUSTER_MASTER", heritage->master);
        if (r >= 0 && setenv("MUSTER_INSTANCE", heritage->instance, 1) < 0)
                r = -errno;
        return r;
}

int heritage_bequeath(const struct heritage *heritage) {
        _cleanup_free_ int *sources = NULL;
        size_t n = heritage->n_listeners;
        int r;

        sources = calloc(n + 4, sizeof(*sources));
        if (!sources)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                sources[i] = heritage->listener_fds[i];
        sources[n] = heritage->channel_fd;
        sources[n + 1] = heritage->scoreboard_fd;
        sources[n + 2] = heritage->config_fd;
        sources[n + 3] = heritage->detached_fd;

        r = place_descriptors(sources, n + (heritage->detached_fd >= 0 ? 4 : 3));
        return r < 0 ? r : set_variables(heritage);
}

/* A number from the environment; `missing` where the variable is not set. */
static int get_number(const char *name, uint64_t max, int64_t missing, int64_t *ret) {
        const char *text = getenv(name);
        uint64_t value;

        if (!text) {
                *ret = missing;
                return 0;
        }
        if (parse_uint64(text, &value) < 0 || value > max)
                return -EBADMSG;
        *ret = (int64_t) value;
        return 0;
}

static int get_fd(const char *name, int *ret) {
        int64_t fd;
        int r;

        r = get_number(name, INT32_MAX, -1, &fd);
        if (r < 0)
                return r;
        if (fd < FIRST_FD || fd_set_cloexec((int) fd, true) < 0)
                return -EBADMSG;
        *ret = (int) fd;
        return 0;
}

static int read_from_master(struct heritage *heritage) {
        int64_t slot = 0, number = 0, generation = 0, master = 0;
        const char *instance = getenv("MUSTER_INSTANCE");
        int r;

        r = get_fd("MUSTER_CHANNEL_FD", &heritage->channel_fd);
        r = r < 0 ? r : get_fd("MUSTER_SCOREBOARD_FD", &heritage->scoreboard_fd);
        r = r < 0 ? r : get_fd("MUSTER_CONFIG_FD", &heritage->config_fd);
        if (getenv("MUSTER_DETACHED_FD"))
                r = r < 0 ? r : get_fd("MUSTER_DETACHED_FD", &heritage->detached_fd);
        r = r < 0 ? r : get_number("MUSTER_SLOT", INT32_MAX, 0, &slot);
        r = r < 0 ? r : get_number("MUSTER_WORKER", INT32_MAX, -1, &number);
        r = r < 0 ? r : get_number("MUSTER_GENERATION", INT64_MAX, 0, &generation);
        r = r < 0 ? r : get_number("MUSTER_MASTER", INT32_MAX, 0, &master);
        if (r < 0)
                return r;
        if (!instance || master == 0)
                return -EBADMSG;

        heritage->slot = (size_t) slot;
        heritage->number = (int) number;
        heritage->generation = (uint64_t) generation;
        heritage->master = (pid_t) master;
        heritage->instance = strdup(instance);
        return heritage->instance ? 0 : -ENOMEM;
}

static int read_listeners(struct heritage *heritage) {
        char **names = NULL;
        int n;

        n = sd_listen_fds_with_names(1, &names);
        if (n <= 0)
                return n;
        heritage->listener_names = names;
        heritage->listener_fds = calloc((size_t) n, sizeof(int));
        if (!heritage->listener_fds)
                return -ENOMEM;
        heritage->n_listeners = (size_t) n;
        for (int i = 0; i < n; i++)
                heritage->listener_fds[i] = FIRST_FD + i;
        return 0;
}

int heritage_read(struct heritage *ret) {
        struct heritage heritage = HERITAGE_NULL;
        int r = 0;

        if (getenv("MUSTER_CHANNEL_FD"))
                r = read_from_master(&heritage);
        if (r >= 0)
                r = read_listeners(&heritage);
        remove_variables();
        if (r < 0) {
                heritage_deinit(&heritage);
                return r;
        }
        *ret = heritage;
        return 0;
}

void heritage_deinit(struct heritage *heritage) {
        fd_close(heritage->channel_fd);
        fd_close(heritage->scoreboard_fd);
        fd_close(heritage->config_fd);
        fd_close(heritage->detached_fd);
        for (size_t i = 0; i < heritage->n_listeners; i++) {
                fd_close(heritage->listener_fds[i]);
                free(heritage->listener_names[i]);
        }
        free(heritage->listener_fds);
        free(heritage->listener_names);
        free(heritage->instance);
        *heritage = (struct heritage) HERITAGE_NULL;
}
