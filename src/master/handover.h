/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "config/config.h"
#include "master/compute-queue.h"
#include "master/control.h"
#include "master/process.h"
#include "util/time.h"

/* The state that one master leaves to the next. See handover.c. */

#define HANDOVER_VERSION  1U
#define HANDOVER_SIZE_MAX ((size_t) 16 * 1024 * 1024)

struct service;

/* Who wrote it, and what the running processes speak. */
struct handover_program {
        char *version;
        unsigned int message;
        unsigned int scoreboard;
        size_t stride;
        size_t slot; /* sizes of what lies in shared memory */
        size_t page;
        size_t counter;
};

struct handover_generation {
        uint64_t number;
        unsigned int n_workers;
        size_t n_positions;
        unsigned int n_computes;
        size_t n_compute_positions;
        char *config; /* as config_save() writes it */
};

struct handover_socket {
        int fd;
        char *name;
        char *address;
};

struct handover_budget {
        enum process_role role;
        usec_t backoff;
        usec_t allowed;
        usec_t well;
};

struct handover_restart {
        enum process_role role;
        usec_t when;
};

struct handover_position {
        enum process_role role;
        int number;
        uint64_t restarts;
        bool stopped;
        usec_t start; /* waits for that time, 0: waits for none */
};

/* The cgroup of a process that has ended, not removed yet. */
struct handover_leaving {
        char name[CGROUP_NAME_MAX];
        pid_t core_pid;
};

/* Any number of one kind of record. */
struct handover_array {
        void *items;
        size_t n;
};

struct handover {
        struct handover_program program;
        struct handover_generation generation;
        struct config *config; /* of the generation */
        int scoreboard_fd;
        struct control_left control;
        int state_fd;
        uint64_t requests_seen; /* by the state */
        struct handover_array sockets;
        struct handover_array budgets;
        struct handover_array restarts; /* the oldest first */
        struct handover_array positions;
        struct handover_array processes;
        struct handover_array leaving;
        struct handover_array schedules, ticks, runs; /* see schedule-record.h */
        struct handover_array jobs;
};

#define HANDOVER_NULL                                                                                       \
        { .scoreboard_fd = -1, .control.fd = -1, .state_fd = -1 }

/* Writes the state of a service in PHASE_RUNNING without a reload. Returns 0 or a negative errno. */
int handover_write(const struct service *service, FILE *file);

/* Reads it and checks that this program can go on from there; members of the service that are plain data are set
 * in it, the rest is in *ret. Returns 0 or a negative errno, with *ret_reason (the caller frees it) for what is
 * refused. Does nothing with the descriptors. */
int handover_read(struct handover *ret, struct service *service, const char *text, size_t size,
                  char **ret_reason);

/* The part of handover_read() that looks at the whole. Loads handover->config. */
int handover_check(struct handover *handover, const struct service *service, char **ret_reason);

/* Sets *ret_reason. Returns -EINVAL, or -ENOMEM. */
int handover_refuse(char **ret_reason, const char *format, ...) _printf_(2, 3);

/* Calls a function for each descriptor in it, until one returns less than 0. */
int handover_each_fd(const struct handover *handover, int (*function)(int fd, void *userdata),
                     void *userdata);

/* Frees the memory; the descriptors are not its own. */
void handover_deinit(struct handover *handover);

/* Frees what handover_read() has put into a service that was made for it alone. */
void handover_forget(struct service *service);
