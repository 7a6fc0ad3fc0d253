/* SPDX-License-Identifier: MIT */

/*
 * The master's own sandbox, which its children inherit. See config/sandbox.c for what is in it.
 *
 * It begins when all that the master needs for itself is set up and before the first child starts. A master that
 * has replaced itself by exec is inside already; the variable SANDBOXED tells it.
 *
 * Should a call of the master's be refused, that is a mistake of ours or somebody's break-in, and must be known.
 */

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/sandbox.h"
#include "master/report.h"
#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/seccomp.h"

#define SANDBOXED "MUSTER_SANDBOXED"

/* For the signal handler. */
static int refused_fd = -1;
static atomic_int refused_number;

static void on_refused(int signal, siginfo_t *info, void *context) {
        uint64_t one = 1;
        int saved = errno, number = seccomp_refuse(info, context);

        if (number >= 0) {
                atomic_store(&refused_number, number);
                (void) !write(refused_fd, &one, sizeof(one));
        }
        errno = saved;
}

static int dispatch_refused(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        int call = seccomp_find_call(atomic_load(&refused_number));
        uint64_t count;

        (void) !read(fd, &count, sizeof(count));
        if (call >= 0)
                report_refused_master(&seccomp_calls[call]);
        /* Once is enough: whatever it is, it will try again. */
        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int watch(struct service *service) {
        struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
        int r;

        refused_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (refused_fd < 0)
                return -errno;
        r = sd_event_add_io(service->event, &service->refused, refused_fd, EPOLLIN, dispatch_refused,
                            service);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(service->refused, true);
        (void) sigemptyset(&action.sa_mask);
        return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

/* Where the programs of the children are. */
static char *programs_of(const struct service *service) {
        const char *path = service->program[PROCESS_WORKER];

        return strndup(path, (size_t) (strrchr(path, '/') - path));
}

static int enter(struct service *service) {
        const struct config *config = service->current->config;
        _cleanup_free_ char *programs = programs_of(service);
        struct sandbox sandbox;
        int r;

        if (!programs)
                return -ENOMEM;
        r = sandbox_enter(&sandbox, SANDBOX_MASTER, config, false, programs);
        if (r < 0)
                return r;
        if (!sandbox.calls || sandbox.landlock == 0)
                log_info("Sandbox: this kernel cannot %s%s%s, ignoring",
                         sandbox.calls ? "" : "filter system calls",
                         sandbox.calls || sandbox.landlock > 0 ? "" : " nor ",
                         sandbox.landlock > 0 ? "" : "restrict files (Landlock)");
        return setenv(SANDBOXED, "1", 1) < 0 ? -errno : 0;
}

int service_enter_sandbox(struct service *service) {
        int r;

        if (!sandbox_wanted(service->current->config))
                return 0;
        r = watch(service);
        if (r >= 0 && !getenv(SANDBOXED))
                r = enter(service);
        return r < 0 ? log_error(r, "Failed to enter the sandbox: %m") : 0;
}
