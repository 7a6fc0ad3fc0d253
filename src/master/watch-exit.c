/* SPDX-License-Identifier: MIT */

/*
 * The end of a child, seen through a pidfd.
 *
 * It comes after everything else the child has left to be read, so that its last words are heard first. A child
 * that ended before it is watched, be it under another program of the same pid, is seen as well: until it is
 * collected the kernel keeps it.
 */

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/watch-exit.h"
#include "util/fd.h"

static int open_child(pid_t pid) {
        siginfo_t info = {};
        int pidfd;

        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return errno == ESRCH ? -ECHILD : -errno;
        if (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
                int r = -errno;

                fd_close(pidfd);
                return r;
        }
        return pidfd;
}

int watch_exit(sd_event *event, pid_t pid, sd_event_child_handler_t handler, void *userdata,
               sd_event_source **ret) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
        _cleanup_fd_ int pidfd = -1;
        int r;

        pidfd = open_child(pid);
        if (pidfd < 0)
                return pidfd;
        r = sd_event_add_child_pidfd(event, &source, pidfd, WEXITED, handler, userdata);
        if (r < 0)
                return r;
        (void) sd_event_source_set_child_pidfd_own(source, true);
        TAKE_FD(pidfd);
        /* Not the default, once: while somebody traces the dead process (a debugger, a leak check) the descriptor is readable
         * but there is nothing to collect yet, and the one report would be spent. By way of OFF, since the change from once to
         * always alone does not reach the kernel. */
        r = sd_event_source_set_enabled(source, SD_EVENT_OFF);
        r = r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ON);
        r = r < 0 ? r : sd_event_source_set_priority(source, SD_EVENT_PRIORITY_NORMAL + 10);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(source);
        return 0;
}
