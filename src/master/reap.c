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

#define CHILDREN_SIZE_MAX (1024U * 1024U)
#define ROUNDS_MAX        1000

static bool is_ours(const struct service *service, pid_t pid) {
        LIST_FOREACH(node, &service->processes)
                if (container_of(node, struct process, node)->pid == pid)
                        return true;
        return false;
}

/* Collects strangers that have ended. One of our own is left for its own watch, which looks at it next. */
static int dispatch_sigchld(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct service *service = userdata;

        for (;;) {
                siginfo_t status = {};

                if (waitid(P_ALL, 0, &status, WEXITED | WNOHANG | WNOWAIT) < 0 || status.si_pid == 0)
                        return 0;
                if (is_ours(service, status.si_pid))
                        return 0;
                (void) waitpid(status.si_pid, NULL, WNOHANG);
        }
}

int reap_watch(struct service *service) {
        int r;

        if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return log_error(-errno, "Failed to become the subreaper: %m");
        r = sd_event_add_signal(service->event, &service->signals[4], SIGCHLD, dispatch_sigchld, service);
        return r < 0 ? log_error(r, "Failed to watch for children: %m") : 0;
}

/* Kills each child of ours. Returns whether there was one. */
static bool kill_children(void) {
        _cleanup_free_ char *text = NULL;
        char path[64], *p, *end;
        bool found = false;

        (void) snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        if (fd_read_file(path, CHILDREN_SIZE_MAX, &text, NULL) < 0)
                return false;
        for (p = text;; p = end) {
                long pid = strtol(p, &end, 10);

                if (end == p)
                        return found;
                (void) kill((pid_t) pid, SIGKILL);
                (void) waitpid((pid_t) pid, NULL, 0);
                found = true;
        }
}

/* A child that is killed hands its own children to us: again, until there are none. */
void reap_kill_all(void) {
        for (unsigned int i = 0; i < ROUNDS_MAX && kill_children(); i++)
                ;
}
