/* SPDX-License-Identifier: MIT */

/*
 * When a worker asks the origin. No input or output: times come in, times go out.
 *
 * However much is wanted, one request is under way and one more is to follow, which is for all that was wanted
 * meanwhile: data that changes a hundred times a second is not fetched a hundred times, and what is fetched last was asked for
 * after the last change. Between the beginnings of two requests lies `spacing`.
 *
 * What all workers want at the same moment they ask for one after another, each a little later than the one before it: an
 * origin takes only so many connections at once, and who is not among them tries again after a second. Who asks for
 * all of them does not wait.
 *
 * An update that failed is wanted again after a pause that doubles with each failure, and varies by half up and down, so
 * that the workers do not all come at once when the origin is back. Whatever else wants an update ends the pause, but not
 * within `backoff_min` of the latest request: who is told of a hundred changes by a broker while the origin is
 * down asks once a second. A check that failed is not repeated, because checks come of themselves.
 */

#include <string.h>

#include "clock.h"
#include "pace.h"

static const char *const names[] = { [BY_FORCE] = "force", [BY_PULL] = "pull", [BY_PUSH] = "push" };

const char *by_name(enum by by) {
        return names[by];
}

int by_parse(const char *name, enum by *ret) {
        for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (strcmp(names[i], name) == 0) {
                        *ret = (enum by) i;
                        return 0;
                }
        return -1;
}

/* One request does for both. What is an update for either names it, the later one before the earlier. */
static struct want both(const struct want *earlier, const struct want *later) {
        return (struct want){
                .by = later->check && !earlier->check ? earlier->by : later->by,
                .whole = earlier->whole || later->whole,
                .check = earlier->check && later->check,
                .tell = earlier->tell || later->tell,
        };
}

static uint64_t later_of(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

void pace_want(struct pace *pace, const struct want *want, uint64_t now) {
        uint64_t pause = pace->failures > 0 ? pace->backoff_min : pace->spacing;
        uint64_t when = want->tell ? now : now + pace->offset;

        if (pace->begun > 0)
                when = later_of(when, pace->begun + pause);
        pace->not_before = pace->wanted && pace->not_before < when ? pace->not_before : when;
        pace->next = pace->wanted ? both(&pace->next, want) : *want;
        pace->wanted = true;
}

uint64_t pace_next(const struct pace *pace) {
        return pace->wanted && !pace->asking ? pace->not_before : NEVER;
}

struct want pace_begin(struct pace *pace, uint64_t now) {
        pace->now = pace->next;
        pace->wanted = false;
        pace->asking = true;
        pace->begun = now;
        return pace->now;
}

/* From half of it to one and a half. */
static uint64_t vary(uint64_t span, uint32_t random) {
        return span / 2 + span * (random % 1024U) / 1024U;
}

static uint64_t backoff(const struct pace *pace, uint32_t random) {
        uint64_t span = pace->backoff_min;

        for (unsigned int i = 1; i < pace->failures && span < pace->backoff_max; i++)
                span *= 2;
        return vary(span < pace->backoff_max ? span : pace->backoff_max, random);
}

void pace_end(struct pace *pace, uint64_t now, bool failed, uint32_t random) {
        pace->asking = false;
        if (!failed) {
                pace->failures = 0;
                return;
        }
        pace->failures++;
        if (pace->now.check && !pace->wanted)
                return;
        /* What is wanted besides has waited for this one, and is not asked for at once either. */
        pace->next = pace->wanted ? both(&pace->now, &pace->next) : pace->now;
        pace->wanted = true;
        pace->not_before = now + backoff(pace, random);
}
