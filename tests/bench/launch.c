/* SPDX-License-Identifier: MIT */

/*
 * How long a server takes from exec to its first answer.
 *
 * launch TARGET PROGRAM [ARGUMENT]...: starts the program with a listening socket as descriptor 3, by the
 * LISTEN_FDS protocol, and asks for TARGET at once. The kernel keeps the request until somebody accepts it, so
 * nobody has to guess when to ask, and the time is exact: from the line before exec, which the child notes in
 * shared memory, to the last byte read. Prints it in nanoseconds, ends the program with SIGTERM and waits for it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SECONDS 10

static uint64_t now_ns(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000U + (uint64_t) now.tv_nsec;
}

static int listen_somewhere(struct sockaddr_in *ret_address) {
        socklen_t size = sizeof(*ret_address);
        int fd;

        *ret_address = (struct sockaddr_in){
                .sin_family = AF_INET,
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *) ret_address, size) < 0 || listen(fd, 64) < 0 ||
            getsockname(fd, (struct sockaddr *) ret_address, &size) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }
        return fd;
}

static __attribute__((__noreturn__)) void become(int listener, uint64_t *began, char **argv) {
        char pid[16];

        (void) snprintf(pid, sizeof(pid), "%d", getpid());
        if (listener == 3)
                (void) fcntl(3, F_SETFD, 0);
        else
                (void) dup2(listener, 3);
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_PID", pid, 1);
        *began = now_ns();
        (void) execv(argv[0], argv);
        (void) fprintf(stderr, "launch: %s: %s\n", argv[0], strerror(errno));
        _exit(EXIT_FAILURE);
}

/* Returns 0 when the answer has begun with 200; it is small and comes in one piece. */
static int ask(const struct sockaddr_in *address, const char *target) {
        const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
        static const char good[] = "HTTP/1.1 200 ";
        char text[4096];
        ssize_t n;
        int fd, r = 0;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", target);
        if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 ||
            send(fd, text, (size_t) n, MSG_NOSIGNAL) < 0)
                r = -errno;
        if (r == 0) {
                n = recv(fd, text, sizeof(text), 0);
                if (n < 0)
                        r = -errno;
                else if ((size_t) n < sizeof(good) || memcmp(text, good, sizeof(good) - 1) != 0)
                        r = -EBADMSG;
        }
        (void) close(fd);
        return r;
}

static int measure(const char *target, char **argv, uint64_t *ret_ns) {
        uint64_t *began, ended;
        struct sockaddr_in address;
        int listener, r;
        pid_t pid;

        began = mmap(NULL, sizeof(*began), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (began == MAP_FAILED)
                return -errno;
        listener = listen_somewhere(&address);
        if (listener < 0)
                return listener;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                become(listener, began, argv);
        (void) close(listener);
        r = ask(&address, target);
        ended = now_ns();
        (void) kill(pid, SIGTERM);
        (void) waitpid(pid, NULL, 0);
        *ret_ns = ended - *began;
        return r;
}

int main(int argc, char **argv) {
        uint64_t span = 0;
        int r;

        if (argc < 3) {
                (void) fprintf(stderr, "Usage: launch TARGET PROGRAM [ARGUMENT]...\n");
                return EXIT_FAILURE;
        }
        r = measure(argv[1], argv + 2, &span);
        if (r < 0) {
                (void) fprintf(stderr, "launch: no answer: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        (void) printf("%llu\n", (unsigned long long) span);
        return EXIT_SUCCESS;
}
