/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "util/time.h"

/* How many workers there should be. Pure decisions over samples; see scale.c. */

#define SCALE_BUSY      750U /* permille: above, workers are added */
#define SCALE_AIM       600U /* as many as bring it down to this */
#define SCALE_IDLE      250U /* below, one is taken away */
#define SCALE_GROW_SPAN (3 * USEC_PER_SEC)
#define SCALE_REST_SPAN (60 * USEC_PER_SEC)

#define SCALE_SAMPLES   64U
#define SCALE_STEP_MAX  (3 * USEC_PER_SEC / 2) /* a sample counts for no longer, however late it comes */

struct scale_bounds {
        unsigned int min;
        unsigned int start;
        unsigned int max;
};

/* What was seen since the sample before. */
struct scale_sample {
        usec_t span;
        unsigned int wanted;   /* workers */
        unsigned int ready;    /* of them */
        unsigned int business; /* the mean of those, permille */
};

struct scale {
        struct {
                usec_t span;
                unsigned int business;
        } samples[SCALE_SAMPLES]; /* of the number of workers there is now; a ring */
        size_t next;
        size_t n;
};

/* The bounds that the configuration means; 0 stands for the words `auto` and `workers`, of which written numbers are
 * stronger. */
struct scale_bounds scale_bounds(unsigned int workers, unsigned int min, unsigned int max,
                                 unsigned int cpus);

/* How many a new configuration begins with, when there were `current`. */
unsigned int scale_carry(const struct scale_bounds *before, unsigned int current,
                         const struct scale_bounds *after);

/* The number is another one, or the workers are: what was seen before means nothing any more. */
void scale_reset(struct scale *scale);

/* Takes a sample; returns how many workers there should be. *ret_business is the mean that led to another number. */
unsigned int scale_decide(struct scale *scale, const struct scale_bounds *bounds,
                          const struct scale_sample *sample, unsigned int *ret_business);
