/* SPDX-License-Identifier: MIT */

/*
 * Starting a program, from a process that may be large and has no time.
 *
 * fork() copies the page tables: with 1 GiB of memory it took 49 ms where this took 3 ms (200 MiB: 14 ms), and every page
 * that is written afterwards costs a fault. So the new process borrows our memory until it executes the program, and this thread waits for that
 * (CLONE_VM and CLONE_VFORK, as posix_spawn() does it). That it is the same memory also brings the reason back if it
 * fails. What is called in between must leave that memory as it was: system calls, and nothing that locks or
 * allocates; all preparation is done before. All signals are blocked meanwhile, since a handler of ours would run in
 * both.
 *
 * Valgrind makes a plain fork() of it: there the reason does not come back, and the child ends with 127, as with posix_spawn().
 * That itself does not know of process groups with a parent's death, cgroups, and pidfds.
 *
 * What the program gets is what was asked for: descriptors above those given are closed by exec, whoever opened them; all
 * signals have their default actions and none is blocked.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <paths.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/spawn.h"

#define STACK_SIZE ((size_t) 64 * 1024)

/* The stack is gone, as far as a sanitizer can know, without its functions having returned. */
#define _on_borrowed_stack_ __attribute__((__no_sanitize__("address", "undefined"), __noinline__))

struct attempt {
        const struct spawn *spawn;
        pid_t parent;
        int result; /* written by the new process: why it did not become the program */
};

/* ---- In the new process, on our memory ---- */

/* Past the C library, and what a sanitizer puts in front of it: both keep notes of handlers, in our memory. Zeros are the
 * default action. */
_on_borrowed_stack_ static void reset_signals(void) {
        const char action[128] = {};
        uint64_t none = 0;

        for (int signal = 1; signal < NSIG; signal++)
                (void) syscall(SYS_rt_sigaction, signal, action, NULL, sizeof(none));
        (void) syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* Copies above all places first, since a place may be where another's source is. */
_on_borrowed_stack_ static int place_fds(const struct spawn *spawn) {
        int copies[SPAWN_FDS_MAX];

        for (size_t i = 0; i < spawn->n_fds; i++) {
                copies[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, (int) spawn->n_fds);
                if (copies[i] < 0)
                        return -errno;
        }
        for (size_t i = 0; i < spawn->n_fds; i++)
                if (dup2(copies[i], (int) i) < 0)
                        return -errno;
        return close_range((unsigned int) spawn->n_fds, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

/* A cgroup that can't be entered is no reason not to start: it is where the process would be killed, at worst. */
_on_borrowed_stack_ static int take_place(const struct attempt *attempt) {
        const struct spawn *spawn = attempt->spawn;

        if (spawn->cgroup_fd >= 0)
                (void) !write(spawn->cgroup_fd, "0", 1);
        if ((spawn->session ? setsid() : setpgid(0, 0)) < 0)
                return -errno;
        if (spawn->parent_signal > 0 && prctl(PR_SET_PDEATHSIG, spawn->parent_signal) < 0)
                return -errno;
        /* It may have ended before it was asked for. */
        if (spawn->parent_signal > 0 && getppid() != attempt->parent)
                return -ESRCH;
        return spawn->directory && chdir(spawn->directory) < 0 ? -errno : 0;
}

/* As execvp() does it, but that a text without #! is not given to the shell. */
_on_borrowed_stack_ static int execute(const struct spawn *spawn) {
        bool denied = false;
        int error = ENOENT;

        for (const char *const *path = spawn->paths; *path; path++) {
                (void) execve(*path, (char *const *) spawn->argv, (char *const *) spawn->environment);
                error = errno;
                if (error == EACCES)
                        denied = true;
                else if (error != ENOENT && error != ENOTDIR)
                        return -error;
        }
        return denied ? -EACCES : -error;
}

_on_borrowed_stack_ static int become_program(void *argument) {
        struct attempt *attempt = argument;
        int r;

        reset_signals();
        r = take_place(attempt);
        if (r >= 0)
                r = place_fds(attempt->spawn);
        attempt->result = r < 0 ? r : execute(attempt->spawn);
        _exit(127);
}

/* ---- Here ---- */

static int start(struct attempt *attempt, char *stack, pid_t *ret_pid, int *ret_pidfd) {
        sigset_t all, before;
        int pidfd = -1, r;
        pid_t pid;

        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_BLOCK, &all, &before);
        pid = clone(become_program, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                    attempt, &pidfd);
        r = pid < 0 ? -errno : attempt->result;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid < 0)
                return r;
        if (r < 0) {
                (void) waitpid(pid, NULL, 0); /* it has ended, or will in this moment */
                fd_close(pidfd);
                return r;
        }
        *ret_pid = pid;
        *ret_pidfd = pidfd;
        return 0;
}

int spawn_program(const struct spawn *spawn, pid_t *ret_pid, int *ret_pidfd) {
        struct attempt attempt = { .spawn = spawn, .parent = getpid() };
        void *stack;
        int r;

        stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1,
                     0);
        if (stack == MAP_FAILED)
                return -errno;
        r = start(&attempt, stack, ret_pid, ret_pidfd);
        (void) munmap(stack, STACK_SIZE);
        return r;
}

/* ---- Where the program is ---- */

static size_t count_parts(const char *path) {
        size_t n = 1;

        for (; *path; path++)
                n += *path == ':';
        return n;
}

/* Writes DIRECTORY/NAME; an empty directory is the current one. Returns its end. */
static char *write_place(char *text, const char *directory, size_t length, const char *name) {
        if (length > 0) {
                text = mempcpy(text, directory, length);
                *text++ = '/';
        }
        return stpcpy(text, name) + 1;
}

int spawn_find(const char *name, const char *path, char ***ret) {
        size_t n, i = 0;
        char **places, *text;

        if (!*name)
                return -ENOENT;
        if (strchr(name, '/'))
                path = "";
        else if (!path)
                path = _PATH_STDPATH;
        n = count_parts(path);
        places = malloc((n + 1) * sizeof(*places) + strlen(path) + n * (strlen(name) + 2));
        if (!places)
                return -ENOMEM;
        text = (char *) (places + n + 1);
        for (; i < n; i++) {
                size_t length = strcspn(path, ":");

                places[i] = text;
                text = write_place(text, path, length, name);
                path += length + (path[length] == ':');
        }
        places[n] = NULL;
        *ret = places;
        return 0;
}
