/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* When to ask the origin. See pace.c. */

/* What an update came by. */
enum by {
        BY_FORCE, /* now and then, whatever there is */
        BY_PULL,  /* asked whether there is something new, and there was */
        BY_PUSH,  /* told that there is something new */
};

/* Something that is wanted of the origin. */
struct want {
        enum by by;
        bool whole; /* the data is sent even if it is the same */
        bool check; /* that nothing has changed is no update */
        bool tell;  /* the other workers are told what came of it */
};

struct pace {
        uint64_t spacing;     /* from one request to the next at least */
        uint64_t offset;      /* later than others who want the same at this moment */
        uint64_t backoff_min; /* after a failure, doubled by each */
        uint64_t backoff_max;
        bool asking; /* a request is under way: `now` */
        bool wanted; /* one is to follow it: `next` */
        struct want now;
        struct want next;
        unsigned int failures; /* in a row */
        uint64_t begun;        /* the latest request; 0 before the first */
        uint64_t not_before;   /* that of `next` */
};

/* "force", "pull", "push", and back: -1 for a text that is none of them. */
const char *by_name(enum by by);
int by_parse(const char *name, enum by *ret);

/* Something is wanted, as soon as may be. */
void pace_want(struct pace *pace, const struct want *want, uint64_t now);

/* When the next request is to begin; NEVER where none is, or one is under way. */
uint64_t pace_next(const struct pace *pace);

/* It begins. Returns what it is for. */
struct want pace_begin(struct pace *pace, uint64_t now);

/* It is over. `random` is any number: it decides how long after a failure the next one waits. */
void pace_end(struct pace *pace, uint64_t now, bool failed, uint32_t random);
