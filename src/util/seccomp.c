/* SPDX-License-Identifier: MIT */

/*
 * Filters of system calls: loading them, and saying no.
 *
 * A refused call should be an error that the caller can handle, and a line in somebody's log. The kernel offers
 * one or the other: an error number that nobody hears of, or a signal. So the signal it is, whose handler
 * writes the error into the interrupted call and notes which one it was. That also holds under the filter of
 * a unit, since a signal goes before an error number.
 *
 * It does not do for calls that start a process: the C library makes those with all signals blocked, and a
 * SIGSYS that is blocked kills. They are answered from outside, by whoever holds the listener.
 */

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "util/seccomp.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

int seccomp_load(enum seccomp_program program, int *ret_listener) {
        unsigned int flags = ret_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : SECCOMP_FILTER_FLAG_LOG;
        long r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &seccomp_programs[program]);
        if (r < 0)
                /* EPERM: an outer filter has the last word */
                return errno == ENOSYS || errno == EINVAL || errno == EPERM ? -EOPNOTSUPP : -errno;
        if (ret_listener)
                *ret_listener = (int) r;
        return 0;
}

#if defined(__x86_64__)
static void set_result(ucontext_t *context, int result) {
        context->uc_mcontext.gregs[REG_RAX] = result;
}
#elif defined(__aarch64__)
static void set_result(ucontext_t *context, int result) {
        context->uc_mcontext.regs[0] = (unsigned long long) (long long) result;
}
#else
#define NO_RESULT
static void set_result(ucontext_t *context, int result) {
}
#endif

bool seccomp_can_refuse(void) {
#ifdef NO_RESULT
        return false;
#else
        return true;
#endif
}

int seccomp_refuse(const siginfo_t *info, void *context) {
        if (info->si_signo != SIGSYS || info->si_code != SYS_SECCOMP || !seccomp_can_refuse())
                return -ENOENT;
        set_result(context, -EPERM);
        return info->si_syscall;
}

int seccomp_find_call(int number) {
        for (size_t i = 0; i < seccomp_n_calls; i++)
                if (seccomp_calls[i].number == number)
                        return (int) i;
        return -ENOENT;
}
