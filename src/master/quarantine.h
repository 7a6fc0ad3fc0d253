/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/quarantine-page.h"
#include "util/time.h"

/* Which requests are refused since they crash workers. Pure decisions over given times; see quarantine.c. */

#define QUARANTINE_ENTRIES_MAX QUARANTINE_MARKS_MAX
#define QUARANTINE_CRASHES_MAX 128U
#define QUARANTINE_TIME_MAX    (86400 * USEC_PER_SEC)
#define QUARANTINE_TEXT_SIZE   192U
#define QUARANTINE_PLACE_SIZE  64U

enum quarantine_kind {
        QUARANTINE_REQUEST, /* a method and a path */
        QUARANTINE_ROUTE,   /* a route with all its paths */
        _QUARANTINE_KIND_MAX,
};

struct quarantine_entry {
        uint64_t id;
        usec_t since; /* monotonic */
        usec_t until;
        uint32_t number; /* by which it is called; 0: there is no entry here */
        uint32_t kind;
        uint32_t by_hand;                  /* bool: somebody asked for it */
        uint32_t crashes;                  /* that led to it, of so many paths for a route */
        char text[QUARANTINE_TEXT_SIZE];   /* "GET /items/7", "GET /items/{id}" */
        char place[QUARANTINE_PLACE_SIZE]; /* in the code, "hello.so+0x1234"; "" when it is not known */
};

/* A crash as a worker has recorded it. The texts are ended and printable (scoreboard_read()). */
struct quarantine_crash {
        uint64_t request_id; /* 0: no request was being served */
        uint64_t route_id;   /* likewise */
        const char *request;
        const char *route;
        const char *place; /* "" when it is not known */
};

struct quarantine_record {
        usec_t when; /* 0: none here */
        uint64_t request_id;
        uint64_t route_id;
        uint64_t place_id; /* 0: not known */
};

struct quarantine {
        uint64_t key[2];
        unsigned int after; /* crashes, 0: off */
        usec_t window;
        usec_t time;
        uint32_t last_number;
        uint32_t next_record; /* of the ring */
        struct quarantine_record records[QUARANTINE_CRASHES_MAX];
        struct quarantine_entry entries[QUARANTINE_ENTRIES_MAX]; /* an entry stays in its place */
};

/* An empty one. The key is that of the page of the workers, from which their ids come. */
void quarantine_init(struct quarantine *quarantine, const uint64_t key[2]);

/* New numbers, for what is decided from now on. `after` 0 ends what was not put in by hand. */
void quarantine_configure(struct quarantine *quarantine, unsigned int after, usec_t window, usec_t time);

/* A worker has crashed. Returns the entry that begins with it, or NULL. */
const struct quarantine_entry *quarantine_crashed(struct quarantine *quarantine,
                                                  const struct quarantine_crash *crash, usec_t now);

/* By hand, for a span of up to QUARANTINE_TIME_MAX; one that is there already gets the new span. */
const struct quarantine_entry *quarantine_add(struct quarantine *quarantine, enum quarantine_kind kind,
                                              uint64_t id, const char *text, usec_t span, usec_t now);

/* Ends an entry, or all, and forgets the crashes that led to it: it would take as many anew. False and 0 where there was
 * none. *ret may be NULL. */
bool quarantine_lift(struct quarantine *quarantine, uint32_t number, struct quarantine_entry *ret);
unsigned int quarantine_lift_all(struct quarantine *quarantine);

/* Takes out one entry whose time is over; call it until it returns false. The crashes stay known: while they are within
 * the window, one more is enough. */
bool quarantine_expire(struct quarantine *quarantine, usec_t now, struct quarantine_entry *ret);

/* When the next one ends; USEC_NEVER for none. */
usec_t quarantine_next_end(const struct quarantine *quarantine);

/* All entries in the order in which they began: the first for NULL, NULL after the last. */
const struct quarantine_entry *quarantine_next(const struct quarantine *quarantine,
                                               const struct quarantine_entry *entry);
unsigned int quarantine_count(const struct quarantine *quarantine);

/* Shows it to the workers. */
void quarantine_publish(const struct quarantine *quarantine, struct quarantine_page *page);

/* ---- To be kept while the master is another one ---- */

#define QUARANTINE_STATE_VERSION 1U

struct quarantine_state {
        uint32_t version;
        uint32_t size; /* of this struct */
        uint64_t key[2];
        uint32_t last_number;
        uint32_t next_record;
        struct quarantine_record records[QUARANTINE_CRASHES_MAX];
        struct quarantine_entry entries[QUARANTINE_ENTRIES_MAX];
};

void quarantine_save(const struct quarantine *quarantine, struct quarantine_state *ret);

/* Takes over what was saved during this boot, and its key; the configuration stays. Untrusted: -EBADMSG, and nothing is
 * changed, for whatever quarantine_save() would not have written. */
int quarantine_restore(struct quarantine *quarantine, const void *bytes, size_t size, usec_t now);
