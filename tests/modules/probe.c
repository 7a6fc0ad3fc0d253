/* SPDX-License-Identifier: MIT */

/*
 * Preloaded into a program that runs no code of ours: on SIGUSR1 it tries what a sandbox may refuse and writes
 * the errors to the file in PROBE_REPORT.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static const char *report, *outside;

static int try_create(void) {
        int fd = creat(outside, 0600);

        return fd < 0 ? fd : close(fd);
}

static void say(int fd, const char *name, int result) {
        char line[128];
        int error = errno;

        (void) snprintf(line, sizeof(line), "%s %s\n", name, result < 0 ? strerrorname_np(error) : "0");
        (void) !write(fd, line, strlen(line));
}

static void on_signal(int number) {
        char *const arguments[] = { (char *) "true", NULL };
        int fd = open(report, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), saved = errno;

        say(fd, "mount", mount("none", "/nonexistent", "tmpfs", 0, NULL));
        say(fd, "create", try_create());
        say(fd, "execve", execve("/bin/true", arguments, arguments + 1));
        say(fd, "end", 0);
        (void) close(fd);
        errno = saved;
}

__attribute__((__constructor__)) static void arm(void) {
        const char *to = getenv("PROBE_REPORT"), *path = getenv("PROBE_OUTSIDE");

        if (!to || !path)
                return;
        /* Copies: the program's title is written over its environment. */
        report = strdup(to);
        outside = strdup(path);
        if (report && outside)
                (void) signal(SIGUSR1, on_signal);
}
