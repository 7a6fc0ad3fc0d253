/* SPDX-License-Identifier: MIT */

/*
 * A wall clock that a test can step, for a program that is started with this in LD_PRELOAD: the machine's own would be
 * everybody's. What CLOCK_REALTIME says is shifted by the seconds in the file STEPPED_CLOCK, eight bytes that are
 * mapped, so that a step is seen at once. Every other clock is left alone, as by a real step.
 *
 * Timers of that clock (timerfd) follow a step, and one with TFD_TIMER_CANCEL_ON_SET hears of it: a thread does what the
 * kernel would. It is started for the first timer of that kind. A read does not fail with ECANCELED then; whoever is
 * tried with this may not count on it.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 1024
#define LOOK    10000000 /* nanoseconds between two looks for a step */

static const volatile int64_t *shift;

/* The timers of CLOCK_REALTIME, by descriptor; what was a timer and is something else by now refuses to be set. */
static struct {
        bool realtime;
        bool armed;
        int flags;
        struct itimerspec spec;
} timers[FDS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool follows;

__attribute__((__constructor__)) static void map_shift(void) {
        const char *path = getenv("STEPPED_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *memory = fd >= 0 ? mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

        if (fd >= 0)
                (void) close(fd);
        if (memory != MAP_FAILED)
                shift = memory;
}

int clock_gettime(clockid_t clock, struct timespec *ret) {
        long r = syscall(SYS_clock_gettime, clock, ret);

        if (r == 0 && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                ret->tv_sec += *shift;
        return (int) r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone) {
        struct timespec now;

        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return -1;
        *ret = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
        return 0;
}

time_t time(time_t *ret) {
        struct timespec now;

        if (clock_gettime(CLOCK_REALTIME, &now) < 0)
                return -1;
        if (ret)
                *ret = now.tv_sec;
        return now.tv_sec;
}

/* ---- Timers ---- */

static int set(int fd, int flags, const struct itimerspec *spec) {
        struct itimerspec real = *spec;

        if (real.it_value.tv_sec > *shift && real.it_value.tv_sec - *shift > 0)
                real.it_value.tv_sec -= *shift;
        else
                real.it_value = (struct timespec){ 0, 1 }; /* long ago */
        return (int) syscall(SYS_timerfd_settime, fd, flags, &real, NULL);
}

static void step_timers(void) {
        for (int fd = 0; fd < FDS_MAX; fd++) {
                struct itimerspec now = { .it_value = { 0, 1 } };

                if (!timers[fd].realtime || !timers[fd].armed)
                        continue;
                if (timers[fd].flags & TFD_TIMER_CANCEL_ON_SET)
                        (void) syscall(SYS_timerfd_settime, fd, 0, &now, NULL);
                else
                        (void) set(fd, timers[fd].flags, &timers[fd].spec);
        }
}

static void *follow(void *argument) {
        const struct timespec pause = { 0, LOOK };
        int64_t seen = *shift;

        for (;;) {
                (void) nanosleep(&pause, NULL);
                if (*shift == seen)
                        continue;
                seen = *shift;
                (void) pthread_mutex_lock(&lock);
                step_timers();
                (void) pthread_mutex_unlock(&lock);
        }
        return argument;
}

int timerfd_create(int clock, int flags) {
        int fd = (int) syscall(SYS_timerfd_create, clock, flags);

        (void) pthread_mutex_lock(&lock);
        if (fd >= 0 && fd < FDS_MAX) {
                timers[fd].realtime = clock == CLOCK_REALTIME;
                timers[fd].armed = false;
        }
        (void) pthread_mutex_unlock(&lock);
        return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *ret) {
        bool armed = spec->it_value.tv_sec != 0 || spec->it_value.tv_nsec != 0;
        pthread_t thread;
        int r;

        if (!shift || fd < 0 || fd >= FDS_MAX || !timers[fd].realtime || !(flags & TFD_TIMER_ABSTIME))
                return (int) syscall(SYS_timerfd_settime, fd, flags, spec, ret);
        (void) pthread_mutex_lock(&lock);
        timers[fd].armed = armed;
        timers[fd].flags = flags;
        timers[fd].spec = *spec;
        r = armed && !(flags & TFD_TIMER_CANCEL_ON_SET)
                    ? set(fd, flags, spec)
                    : (int) syscall(SYS_timerfd_settime, fd, flags, spec, ret);
        if ((flags & TFD_TIMER_CANCEL_ON_SET) && !follows)
                follows = pthread_create(&thread, NULL, follow, NULL) == 0;
        (void) pthread_mutex_unlock(&lock);
        return r;
}
