/* SPDX-License-Identifier: MIT */

/*
 * The signals that tell a process to end.
 *
 * SIGTERM is caught by a real handler, which arms the deadline at once: a signalfd would wait for a loop that may
 * hang. The rest is told by an eventfd, and done when the loop turns.
 */

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/guard.h"
#include "app/termination.h"
#include "util/fd.h"

/* For the signal handlers; there is one of it in a process. */
static volatile int termination_fd = -1;
static void (*on_leave)(void *userdata);

void termination_begin(void) {
        uint64_t one = 1;
        int saved = errno;

        guard_start_deadline();
        if (termination_fd >= 0)
                (void) !write(termination_fd, &one, sizeof(one));
        errno = saved;
}

static void on_termination(int signal) {
        termination_begin();
}

static int dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        uint64_t count;

        (void) !read(fd, &count, sizeof(count));
        on_leave(userdata);
        return 0;
}

/* The terminal's signals go to the whole group; the master alone decides what they mean. Without a master
 * they mean the same as SIGTERM. */
int termination_watch(struct termination *termination, sd_event *event, bool has_master,
                      void (*leave)(void *userdata), void *userdata) {
        struct sigaction caught = { .sa_handler = on_termination, .sa_flags = SA_RESTART };
        struct sigaction ignore = { .sa_handler = SIG_IGN };
        sigset_t none;

        termination->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (termination->fd < 0)
                return -errno;
        termination_fd = termination->fd;
        on_leave = leave;

        (void) sigemptyset(&none);
        (void) sigaction(SIGTERM, &caught, NULL);
        (void) sigaction(SIGINT, has_master ? &ignore : &caught, NULL);
        (void) sigaction(SIGQUIT, has_master ? &ignore : &caught, NULL);
        (void) sigaction(SIGHUP, &ignore, NULL);
        (void) sigaction(SIGPIPE, &ignore, NULL);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        return sd_event_add_io(event, &termination->source, termination->fd, EPOLLIN, dispatch, userdata);
}

void termination_deinit(struct termination *termination) {
        termination_fd = -1;
        termination->source = sd_event_source_disable_unref(termination->source);
        termination->fd = fd_close(termination->fd);
}
