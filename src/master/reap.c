/* SPDX-License-Identifier: MIT */

/*
 * Descendants: processes that children have started and left behind.
 *
 * The master is their subreaper, so they come to it and not to PID 1: nothing that belongs to the service is
 * ever lost sight of, and at the end whatever is left is killed, also where no systemd empties a cgroup.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"

#define CHILDREN_SIZE_MAX ((size_t) 1024 * 1024)
#define ROUNDS_MAX        1000

static bool is_ours(const struct service *service, pid_t pid) {
        if (pid == service->upgrade.trial.pid)
                return true;
        LIST_FOREACH(node, &service->processes)
                if (container_of(node, struct process, node)->pid == pid)
                        return true;
        return false;
}

/* Calls a function for each child that the kernel lists. Returns how many there were. */
static unsigned int each_child(void (*function)(pid_t pid, const struct service *service),
                               const struct service *service) {
        _cleanup_free_ char *text = NULL;
        unsigned int n = 0;
        char path[64], *p, *end;

        (void) snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        if (fd_read_file(path, CHILDREN_SIZE_MAX, &text, NULL) < 0)
                return 0;
        for (p = text;; p = end, n++) {
                unsigned long pid = strtoul(p, &end, 10);

                if (end == p)
                        return n;
                function((pid_t) pid, service);
        }
}

static void reap_stranger(pid_t pid, const struct service *service) {
        if (!is_ours(service, pid))
                (void) waitpid(pid, NULL, WNOHANG);
}

/* Collects the strangers that have ended; our own are left to their own watch. Each is asked for by itself: signals of
 * several ends fall together, and the first dead child there is may be one of ours. */
void reap_strangers(const struct service *service) {
        (void) each_child(reap_stranger, service);
}

static int dispatch_sigchld(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct service *service = userdata;

        reap_strangers(service);
        cgroup_sweep(&service->cgroup);
        return 0;
}

int reap_watch(struct service *service) {
        int r;

        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return log_error(-errno, "Failed to become the subreaper: %m");
        r = sd_event_add_signal(service->event, &service->sigchld, SIGCHLD, dispatch_sigchld, service);
        return r < 0 ? log_error(r, "Failed to watch for children: %m") : 0;
}

static void kill_child(pid_t pid, const struct service *service) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

/* A child that is killed hands its own children to us: again, until there are none. */
void reap_kill_all(void) {
        for (unsigned int i = 0; i < ROUNDS_MAX && each_child(kill_child, NULL) > 0; i++)
                ;
}
