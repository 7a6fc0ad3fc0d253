/* SPDX-License-Identifier: MIT */

/*
 * What a sandbox may refuse, each tried in the simplest way there is, with arguments that do no harm should it be
 * allowed. A call that fails for another reason than the sandbox says so by another error.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

static char *const no_arguments[] = { (char *) "true", NULL };

static int result(long r) {
        return r < 0 ? -errno : 0;
}

static int collect(pid_t pid) {
        int status;

        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

/* An allowed one must not end this process: a program that is not there says ENOENT. */
static int try_execve(const char *path) {
        return result(execve("/nonexistent/program", no_arguments, NULL));
}

static int try_execveat(const char *path) {
        return result(syscall(SYS_execveat, -1, "/nonexistent/program", no_arguments, NULL, 0));
}

static int try_fork(const char *path) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid < 0 ? -errno : collect(pid);
}

static int try_spawn(const char *path) {
        pid_t pid;
        int r = posix_spawn(&pid, "/bin/true", NULL, NULL, no_arguments, environ);

        return r > 0 ? -r : collect(pid);
}

static int try_system(const char *path) {
        int status = system("true"); /* NOLINT(cert-env33-c): that is what is tried */

        if (status < 0)
                return -errno;
        return status == 0 ? 0 : -ECHILD;
}

static void *do_nothing(void *data) {
        return data;
}

static int try_thread(const char *path) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, do_nothing, NULL);

        return r > 0 ? -r : -pthread_join(thread, NULL);
}

static void *mount_from_thread(void *data) {
        *(int *) data = result(mount("none", "/nonexistent", "tmpfs", 0, NULL));
        return NULL;
}

static int try_mount_thread(const char *path) {
        pthread_t thread;
        int error = 0, r = pthread_create(&thread, NULL, mount_from_thread, &error);

        if (r > 0)
                return -r;
        (void) pthread_join(thread, NULL);
        return error;
}

static int try_ptrace(const char *path) {
        return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int try_memory(const char *path) {
        char byte;
        struct iovec here = { &byte, 1 }, there = { (void *) &byte, 1 };

        return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int try_mount(const char *path) {
        return result(mount("none", "/nonexistent", "tmpfs", 0, NULL));
}

static int try_unshare(const char *path) {
        return result(syscall(SYS_unshare, 0));
}

static int try_keyctl(const char *path) {
        return result(syscall(SYS_keyctl, 0, -3, 0, 0, 0));
}

static int try_bpf(const char *path) {
        return result(syscall(SYS_bpf, -1, NULL, 0));
}

static int try_ring(const char *path) {
        return result(syscall(SYS_io_uring_setup, 0, NULL));
}

static int try_clone3(const char *path) {
        return result(syscall(SYS_clone3, NULL, 0));
}

static int try_socket(int family, int type) {
        int fd = socket(family, type | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        (void) close(fd);
        return 0;
}

static int try_packet(const char *path) {
        return try_socket(AF_PACKET, SOCK_DGRAM);
}

static int try_unix(const char *path) {
        return try_socket(AF_UNIX, SOCK_STREAM);
}

/* Signal 0 asks whether one may, and sends none. */
static int try_kill_master(const char *path) {
        return result(kill(getppid(), 0));
}

static int try_kill_self(const char *path) {
        return result(kill(getpid(), 0));
}

static int try_open(const char *path, int flags) {
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        (void) close(fd);
        return 0;
}

static int try_read(const char *path) {
        return try_open(path, O_RDONLY);
}

static int try_write(const char *path) {
        return try_open(path, O_WRONLY);
}

static int try_create(const char *path) {
        int r = try_open(path, O_WRONLY | O_CREAT | O_EXCL);

        if (r == 0)
                (void) unlink(path);
        return r;
}

static int try_mkdir(const char *path) {
        int r = result(mkdir(path, 0700));

        if (r == 0)
                (void) rmdir(path);
        return r;
}

static int try_remove(const char *path) {
        return result(unlink(path));
}

static const struct attempt attempts[] = {
        { "execve", try_execve },
        { "execveat", try_execveat },
        { "fork", try_fork },
        { "spawn", try_spawn },
        { "system", try_system },
        { "thread", try_thread },
        { "mount-thread", try_mount_thread },
        { "ptrace", try_ptrace },
        { "memory", try_memory },
        { "mount", try_mount },
        { "unshare", try_unshare },
        { "keyctl", try_keyctl },
        { "bpf", try_bpf },
        { "ring", try_ring },
        { "clone3", try_clone3 },
        { "packet", try_packet },
        { "unix", try_unix },
        { "kill-master", try_kill_master },
        { "kill-self", try_kill_self },
        { "read", try_read },
        { "write", try_write },
        { "create", try_create },
        { "mkdir", try_mkdir },
        { "remove", try_remove },
};

const struct attempt *attempt_find(const char *name) {
        for (size_t i = 0; name && i < sizeof(attempts) / sizeof(*attempts); i++)
                if (strcmp(attempts[i].name, name) == 0)
                        return &attempts[i];
        return NULL;
}

int attempt_now(const struct attempt *attempt, const char *path) {
        return attempt->function(path ? path : "/nonexistent/path");
}
