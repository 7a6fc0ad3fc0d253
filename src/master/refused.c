/* SPDX-License-Identifier: MIT */

/*
 * System calls that the sandbox of a child refuses, as the master hears of them.
 *
 * Most of them a handler in the child notes and tells. Those that would start a process can't be handled there
 * (see util/seccomp.c): the kernel holds the caller and asks the master, who says EPERM, always. Nothing of
 * the caller's memory is looked at, so there is no race to lose.
 *
 * A child that tries again and again costs the master a moment each time. After ANSWERS_MAX the listener is
 * closed, and the kernel answers by itself (ENOSYS).
 *
 * Each call is logged once for each process. What comes from a child decides about nothing else.
 */

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "master/refused.h"
#include "util/fd.h"
#include "util/log.h"

#define ANSWERS_MAX 1000U
#define LINK        "anon_inode:seccomp notify"

/* As large as the kernel's may become. */
union question {
        struct seccomp_notif notification;
        char room[512];
};

union answer {
        struct seccomp_notif_resp response;
        char room[512];
};

static void note(struct process *process, int number, const char *route) {
        int call = seccomp_find_call(number);
        uint64_t *said;

        if (call < 0 || (size_t) call / 64 >= ELEMENTSOF(process->refused.said))
                return;
        said = &process->refused.said[call / 64];
        if (*said & (UINT64_C(1) << (call % 64)))
                return;
        *said |= UINT64_C(1) << (call % 64);
        process->events.refused(process, &seccomp_calls[call], route, process->events.userdata);
}

static void stop_listening(struct process *process) {
        process->refused.listener = sd_event_source_disable_unref(process->refused.listener);
}

static void answer(struct process *process, int fd) {
        union question question = {};
        union answer reply = {};

        /* Does not wait: there is one, and nobody else reads. It may have gone meanwhile, then ENOENT. */
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &question) < 0)
                return;
        reply.response.id = question.notification.id;
        reply.response.error = -EPERM;
        note(process, question.notification.data.nr, NULL);
        (void) ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &reply);
        if (++process->refused.answers >= ANSWERS_MAX)
                stop_listening(process);
}

static int dispatch_listener(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct process *process = userdata;

        if (events & EPOLLIN)
                answer(process, fd);
        else
                stop_listening(process);
        return 0;
}

/* Anything else might make the master wait. */
static bool is_listener(int fd) {
        char path[64], link[sizeof(LINK)];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, link, sizeof(link));
        return n == sizeof(LINK) - 1 && memcmp(link, LINK, sizeof(LINK) - 1) == 0;
}

/* It comes before any code of the application has run; what comes later is not from us. */
void refused_listen(struct process *process, int fd) {
        if (process->state == PROCESS_STARTING && !process->refused.listener &&
            process->refused.answers == 0)
                refused_restore(process, fd);
        else
                fd_close(fd);
}

void refused_restore(struct process *process, int fd) {
        _cleanup_fd_ int listener = fd;
        int r;

        if (fd < 0 || !is_listener(fd))
                return;
        r = sd_event_add_io(process->event, &process->refused.listener, fd, EPOLLIN, dispatch_listener,
                            process);
        if (r < 0) {
                log_warning(r, "Failed to listen for refused system calls, ignoring: %m");
                return;
        }
        (void) sd_event_source_set_io_fd_own(process->refused.listener, true);
        TAKE_FD(listener);
}

void refused_receive(struct process *process, const struct message *message) {
        char route[sizeof(((struct message_refused *) NULL)->route) + 1] = "";
        struct message_refused refused;

        if (message->size != sizeof(refused))
                return;
        memcpy(&refused, message->payload, sizeof(refused));
        memcpy(route, refused.route, sizeof(refused.route));
        note(process, refused.call, route);
}
