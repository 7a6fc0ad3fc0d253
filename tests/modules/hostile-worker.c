/* SPDX-License-Identifier: MIT */

/*
 * In the place of muster-worker: worker 0 hands its end of the channel, and its scoreboard, to the test that waits at the
 * abstract socket $HOSTILE_SOCKET, which may then say whatever it likes to the master, and is idle until it is ended.
 * Where nobody waits there, and for all other workers, it becomes the real one, $HOSTILE_PROGRAM.
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define N_FDS 2

static int meet(const char *name) {
        union {
                struct sockaddr any;
                struct sockaddr_un un;
        } address = { .un.sun_family = AF_UNIX };
        size_t n = strlen(name);
        int fd;

        if (n > sizeof(address.un.sun_path) - 1)
                return -ENAMETOOLONG;
        memcpy(address.un.sun_path + 1, name, n);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, &address.any, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0) {
                (void) close(fd);
                return -ECONNREFUSED;
        }
        return fd;
}

static int hand_over(int fd, const int fds[static N_FDS]) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(N_FDS * sizeof(int))];
        } control = {
                .header = {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(N_FDS * sizeof(int)),
                },
        };
        char pid[16];
        struct iovec bytes = { .iov_base = pid,
                               .iov_len = (size_t) snprintf(pid, sizeof(pid), "%d", getpid()) };
        const struct msghdr message = {
                .msg_iov = &bytes,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };

        memcpy(CMSG_DATA(&control.header), fds, N_FDS * sizeof(int));
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int number(const char *name) {
        const char *text = getenv(name);

        return text ? (int) strtol(text, NULL, 10) : -1;
}

int main(int argc, char **argv) {
        const char *program = getenv("HOSTILE_PROGRAM"), *name = getenv("HOSTILE_SOCKET");
        const int fds[N_FDS] = { number("MUSTER_CHANNEL_FD"), number("MUSTER_SCOREBOARD_FD") };
        char byte;
        int fd;

        if (!program || !name)
                return EXIT_FAILURE;
        fd = number("MUSTER_WORKER") == 0 ? meet(name) : -1;
        if (fd < 0) {
                (void) execv(program, argv);
                return EXIT_FAILURE;
        }
        if (hand_over(fd, fds) < 0)
                return EXIT_FAILURE;
        /* The test holds the only descriptor of the channel from now on */
        for (int i = 0; i < N_FDS; i++)
                (void) close(fds[i]);
        while (read(fd, &byte, 1) > 0)
                ;
        return EXIT_SUCCESS;
}
