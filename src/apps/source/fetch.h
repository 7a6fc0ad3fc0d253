/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include <muster/app.h>

#include "settings.h"
#include "validator.h"

/* Requests to the origin, one at a time, without waiting. See fetch.c. */

struct fetch;

struct answer {
        const char *error; /* why there is none; NULL for one of these two: */
        bool unchanged;    /* what the validator stands for is what the origin has */
        const char *body;  /* what it has */
        size_t size;
        struct validator validator; /* to ask with the next time */
};

/* Called once for each request that began; the answer is valid until it returns. It may begin the next. */
typedef void (*fetch_done_t)(const struct answer *answer, void *data);

/* 0 or a negative errno. The settings must outlive it. */
int fetch_new(struct fetch **ret, struct muster *muster, const struct settings *settings, fetch_done_t done,
              void *data);

/* Ends what is under way, without an answer; takes NULL. Returns NULL. */
struct fetch *fetch_free(struct fetch *fetch);

/* Asks for what has changed since, or, without a validator, for all there is. 0, -EBUSY, or another negative errno; then
 * nothing has begun. */
int fetch_begin(struct fetch *fetch, const struct validator *validator);
