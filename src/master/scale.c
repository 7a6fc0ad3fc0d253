/* SPDX-License-Identifier: MIT */

/*
 * Scaling: as many workers as the load needs, between two bounds.
 *
 * The measure is business: the part of the time in which a worker's loop does something, by the clock and not by the
 * CPU, so that a handler that waits for a disk counts as well. (Suspended requests do not: a worker holds thousands of
 * them.) A worker whose connections near their limit is busy too; the caller gives the greater of both.
 *
 * More workers come soon, and as many as the load seems to need, since clients are waiting: after three seconds
 * above three quarters. Fewer come late and one at a time, since a worker that is too many costs only its memory: a
 * mean over a minute below a quarter. What one does never leads the other to undo it: a pool that has shrunk by one is
 * at most twice as busy, half of the time at the most.
 *
 * Samples count only for the number of workers they were taken with, and only while all of them are there. Where
 * some are missing, because they have just been added or because they crash, the others are busier than they will be: more
 * workers are no cure for a crash.
 */

#include "master/scale.h"
#include "util/macro.h"

#define PERMILLE 1000U

static unsigned int clamp(unsigned int value, unsigned int min, unsigned int max) {
        return MAX(min, MIN(value, max));
}

struct scale_bounds scale_bounds(unsigned int workers, unsigned int min, unsigned int max,
                                 unsigned int cpus) {
        struct scale_bounds bounds = { .start = workers ? workers : cpus };

        if (max > 0)
                bounds.start = MIN(bounds.start, max);
        if (min > 0)
                bounds.start = MAX(bounds.start, min);
        bounds.min = min ? min : bounds.start;
        bounds.max = max ? max : bounds.start;
        return bounds;
}

unsigned int scale_carry(const struct scale_bounds *before, unsigned int current,
                         const struct scale_bounds *after) {
        if (before->min == before->max)
                return after->start;
        return clamp(current, after->min, after->max);
}

void scale_reset(struct scale *scale) {
        *scale = (struct scale){};
}

static void remember(struct scale *scale, const struct scale_sample *sample) {
        scale->samples[scale->next].span = MIN(sample->span, SCALE_STEP_MAX);
        scale->samples[scale->next].business = MIN(sample->business, PERMILLE);
        scale->next = (scale->next + 1) % SCALE_SAMPLES;
        if (scale->n < SCALE_SAMPLES)
                scale->n++;
}

/* The mean and the least of the last samples that make up this span together; false when there are not so many yet. */
static bool look_back(const struct scale *scale, usec_t span, unsigned int *ret_mean,
                      unsigned int *ret_least) {
        unsigned int least = PERMILLE;
        uint64_t sum = 0;
        usec_t seen = 0;

        for (size_t i = 1; i <= scale->n && seen < span; i++) {
                size_t at = (scale->next + SCALE_SAMPLES - i) % SCALE_SAMPLES;

                seen += scale->samples[at].span;
                sum += scale->samples[at].span * scale->samples[at].business;
                least = MIN(least, scale->samples[at].business);
        }
        if (seen < span)
                return false;
        *ret_mean = (unsigned int) (sum / seen);
        *ret_least = least;
        return true;
}

/* As many as would be busy as wanted, but never more than twice as many at once: those who are busy all the time do
 * not tell how much more there is to do. */
static unsigned int grown(unsigned int n, unsigned int business) {
        unsigned int need = (n * business + SCALE_AIM - 1) / SCALE_AIM;

        return clamp(need, n + 1, 2 * n);
}

static unsigned int decide(const struct scale *scale, unsigned int n, unsigned int *ret_business) {
        unsigned int least;

        if (look_back(scale, SCALE_GROW_SPAN, ret_business, &least) && least > SCALE_BUSY)
                return grown(n, *ret_business);
        if (look_back(scale, SCALE_REST_SPAN, ret_business, &least) && *ret_business < SCALE_IDLE)
                return n - 1;
        return n;
}

unsigned int scale_decide(struct scale *scale, const struct scale_bounds *bounds,
                          const struct scale_sample *sample, unsigned int *ret_business) {
        unsigned int wanted;

        if (sample->ready < sample->wanted || sample->wanted == 0) {
                scale_reset(scale);
                return sample->wanted;
        }
        remember(scale, sample);
        wanted = clamp(decide(scale, sample->wanted, ret_business), bounds->min, bounds->max);
        if (wanted != sample->wanted)
                scale_reset(scale);
        return wanted;
}
