/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"
#include "util/time.h"

/* What an operator sees of the messages that pass. See monitor.c. */

#define MONITOR_ENTRIES     256U /* between two deliveries */
#define MONITOR_ACTION_SIZE 256U
#define MONITOR_FIRST_MAX   64U /* bytes of the data that are shown */
#define MONITOR_PATTERN_MAX 255U

/* A message as it passes. Owns nothing. */
struct passing {
        const char *from; /* the role: "worker", "agent" … */
        int number;       /* of the worker, -1 for others */
        pid_t pid;
        const char *to; /* "app", "agent", "all", "random", "process", "reply" */
        pid_t to_pid;   /* 0 where it is not one */
        const char *action;
        const void *data; /* NULL where it is in shared memory */
        uint64_t size;
        unsigned int receivers; /* in whose queue it is */
        bool handle;            /* a descriptor comes with it */
};

/* The same, kept until it is told. */
struct monitor_entry {
        usec_t when; /* realtime */
        const char *from;
        const char *to;
        int number;
        pid_t pid;
        pid_t to_pid;
        uint64_t size;
        unsigned int receivers;
        bool handle;
        unsigned int n_first;
        unsigned char first[MONITOR_FIRST_MAX];
        char action[MONITOR_ACTION_SIZE];
};

struct monitor {
        char *pattern; /* of the actions that are shown, NULL: all */
        struct monitor_entry *entries;
        size_t n_entries;
        uint64_t not_shown; /* since the last delivery */
};

/* A pattern as in glob(7); NULL or "" for all. Returns 0, -EINVAL for one that is too long, -ENOMEM. */
int monitor_new(struct monitor **ret, const char *pattern);
struct monitor *monitor_free(struct monitor *monitor);
DEFINE_CLEANUP(struct monitor *, monitor_free);

/* Keeps a message if it is one of those that are shown, or counts it where there is no room. Returns whether it is the
 * first that waits to be told. */
bool monitor_note(struct monitor *monitor, const struct passing *passing, usec_t now);

/* All that was kept has been told. */
void monitor_told(struct monitor *monitor);
