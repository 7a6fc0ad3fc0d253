/* SPDX-License-Identifier: MIT */

/*
 * What a process has done and takes.
 *
 * Everything but the memory is what the process says of itself in its slot, and a process that an application has
 * gone wild in may say anything. Decisions hang on it (who is replaced, how many workers there are), so it is
 * believed only as far as it is possible: no more than a request a microsecond, never fewer than before, never busier
 * than all of the time. What remains can deceive the master about this one process and costs no other anything.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "master/usage.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/parse.h"

#define PERMILLE       1000U
#define STATM_SIZE_MAX 256U

/* A count that only grows, by one a microsecond at the most. Returns whether it has. */
static bool update_count(uint64_t *count, uint64_t said, usec_t span) {
        if (said <= *count)
                return false;
        *count += MIN(said - *count, span);
        return true;
}

/* In all, with the turn that goes on. Its begin is read once: the owner clears it when the turn is over. */
static usec_t busy_until(const struct slot *slot, usec_t now) {
        usec_t since = *(const volatile uint64_t *) &slot->busy_since;

        if (since == 0 || since > now)
                return slot->busy;
        return usec_add(slot->busy, now - since);
}

void usage_update(struct usage *usage, const struct slot *slot, usec_t started, usec_t now) {
        usec_t before = usage->when ? usage->when : started;
        usec_t span = now > before ? now - before : 0;
        usec_t busy = busy_until(slot, now), more = busy > usage->busy ? busy - usage->busy : 0;

        usage->active = update_count(&usage->requests, slot->requests, span);
        usage->active |= update_count(&usage->accepted, slot->accepted, span);
        usage->active |= slot->in_flight > 0;
        usage->connections = slot->connections;
        usage->in_flight = slot->in_flight;
        if (span > 0)
                usage->business = (unsigned int) (MIN(more, span) * PERMILLE / span);
        usage->busy = busy;
        usage->when = now;
}

/* The second number of /proc/PID/statm, in pages. */
static int read_rss(pid_t pid, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64], *number, *end;
        uint64_t pages;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d/statm", pid);
        r = fd_read_file(path, STATM_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        number = strchr(text, ' ');
        end = number ? strchr(number + 1, ' ') : NULL;
        if (!end)
                return -EBADMSG;
        *end = '\0';
        r = parse_uint64(number + 1, &pages);
        if (r < 0)
                return r;
        return __builtin_mul_overflow(pages, (uint64_t) sysconf(_SC_PAGESIZE), ret) ? -ERANGE : 0;
}

void usage_update_rss(struct usage *usage, pid_t pid) {
        uint64_t rss;

        /* It may have ended, or the master may be short of descriptors: what was known stays. */
        if (read_rss(pid, &rss) < 0)
                return;
        usage->rss = rss;
        if (usage->rss_first == 0)
                usage->rss_first = rss;
}
