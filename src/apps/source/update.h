/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <muster/app.h>

#include "cache.h"
#include "fetch.h"
#include "pace.h"
#include "settings.h"

/* How a worker's data is kept up to date. See update.c. */

#define UPDATE_JOBS_MAX 8U

struct update_jobs {
        struct muster_job *list[UPDATE_JOBS_MAX];
        unsigned int n;
};

struct update {
        struct muster *muster;
        struct settings settings;
        struct cache cache;
        struct validator validator; /* of what is in the cache */
        struct pace pace;
        struct fetch *fetch;
        struct muster_timer *timer;
        const char *folder;      /* where the copy on disk is; NULL for none */
        struct update_jobs now;  /* runs of schedules that the request under way is for */
        struct update_jobs next; /* and the one that is to follow */
        bool updated;
        enum by by; /* the latest update came by it, if there was one */
        uint64_t requests;
        uint64_t failures;
        void (*settled)(void *data); /* told after each request */
        void *data;
};

/* Reads the settings and asks the origin for the first time. 0, or a negative errno with its reason set. */
int update_start(struct update *update, struct muster *muster, void (*settled)(void *data), void *data);
void update_stop(struct update *update);

/* Something is wanted. A job, which may be NULL, is suspended, and finished when it is done. 0, or -EBUSY for more
 * jobs than there can be at a time. */
int update_want(struct update *update, const struct want *want, struct muster_job *job);

/* Another worker has asked, and found this version, or nothing. */
void update_hear_version(struct update *update, const char *version);
void update_hear_failure(struct update *update, const char *reason);
