/* SPDX-License-Identifier: MIT */

/*
 * What an operator sees of the messages that pass: a page that is filled as they do, and told and emptied ten times a
 * second.
 *
 * Messages may pass a million times a second, nobody reads that fast, and nothing of it may wait. So what a message
 * costs while somebody watches is a look at its action and a copy of a few hundred bytes, at most so many times
 * between two deliveries; all the others are counted, and the operator is told how many those were. A pattern
 * makes the page hold what is looked for. One who does not read gets nothing more, and costs a number.
 */

#include <errno.h>
#include <fnmatch.h>

#include "master/monitor.h"

int monitor_new(struct monitor **ret, const char *pattern) {
        _cleanup_(cleanup_monitor_free) struct monitor *monitor = NULL;

        if (pattern && strlen(pattern) > MONITOR_PATTERN_MAX)
                return -EINVAL;
        monitor = calloc(1, sizeof(*monitor));
        if (!monitor)
                return -ENOMEM;
        monitor->entries = calloc(MONITOR_ENTRIES, sizeof(*monitor->entries));
        if (!monitor->entries)
                return -ENOMEM;
        if (pattern && *pattern) {
                monitor->pattern = strdup(pattern);
                if (!monitor->pattern)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(monitor);
        return 0;
}

struct monitor *monitor_free(struct monitor *monitor) {
        if (!monitor)
                return NULL;
        free(monitor->pattern);
        free(monitor->entries);
        free(monitor);
        return NULL;
}

static unsigned int copy_first(unsigned char first[static MONITOR_FIRST_MAX],
                               const struct passing *passing) {
        size_t n = passing->data ? MIN(passing->size, (uint64_t) MONITOR_FIRST_MAX) : 0;

        if (n > 0)
                memcpy(first, passing->data, n);
        return (unsigned int) n;
}

bool monitor_note(struct monitor *monitor, const struct passing *passing, usec_t now) {
        struct monitor_entry *entry;

        if (monitor->pattern && fnmatch(monitor->pattern, passing->action, 0) != 0)
                return false;
        if (monitor->n_entries == MONITOR_ENTRIES) {
                monitor->not_shown++;
                return false;
        }
        entry = &monitor->entries[monitor->n_entries];
        entry->when = now;
        entry->from = passing->from;
        entry->to = passing->to;
        entry->number = passing->number;
        entry->pid = passing->pid;
        entry->to_pid = passing->to_pid;
        entry->size = passing->size;
        entry->receivers = passing->receivers;
        entry->handle = passing->handle;
        entry->n_first = copy_first(entry->first, passing);
        (void) stpncpy(entry->action, passing->action, sizeof(entry->action) - 1);
        return monitor->n_entries++ == 0;
}

void monitor_told(struct monitor *monitor) {
        monitor->n_entries = 0;
        monitor->not_shown = 0;
}
