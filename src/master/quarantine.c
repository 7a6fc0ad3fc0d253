/* SPDX-License-Identifier: MIT */

/*
 * Which requests are refused since they crash workers ("query of death").
 *
 * A client that repeats a request which crashes its worker, or many clients with the same one, would spend the
 * restart budget, and with it the workers of all others. So crashes are remembered by the request that was
 * served: when the same method and path has crashed `after` times within `window`, that request is refused
 * for `time`. When as many different paths of one route have crashed at one place in the code, it is the
 * route that is broken, and all of it is refused. Crashes of one route at different places, or at unknown ones,
 * say nothing about its other paths, which stay open.
 *
 * When the time is over the next request is let in. Should that crash too, it is one too many within the window
 * still, and is refused again at once: until somebody mends the application, a bad path costs one worker in
 * `time`. Who lifts an entry by hand has mended it, so then it begins anew.
 *
 * All of it comes from workers that have just crashed, so nothing is believed but that: a number of crashes and
 * of entries is kept, the oldest give way, and what a worker may invent closes no more than it could close by
 * crashing in earnest. The master counts one crash for each process. Who fills the table with paths of one route is met by
 * the route's being closed.
 */

#include <stdio.h>
#include <string.h>

#include "master/quarantine.h"
#include "util/macro.h"
#include "util/siphash.h"

#define ROUTE_PATHS_MIN 2U /* one path is never the whole route */

void quarantine_init(struct quarantine *quarantine, const uint64_t key[2]) {
        *quarantine = (struct quarantine){ .key = { key[0], key[1] } };
}

/* ---- Crashes ---- */

static void remember(struct quarantine *quarantine, const struct quarantine_record *record) {
        quarantine->records[quarantine->next_record] = *record;
        quarantine->next_record = (quarantine->next_record + 1) % QUARANTINE_CRASHES_MAX;
}

static bool is_recent(const struct quarantine *quarantine, const struct quarantine_record *record,
                      usec_t now) {
        return record->when > 0 && usec_add(record->when, quarantine->window) > now;
}

static unsigned int count_request(const struct quarantine *quarantine, uint64_t request_id, usec_t now) {
        unsigned int count = 0;

        for (size_t i = 0; i < QUARANTINE_CRASHES_MAX; i++)
                if (quarantine->records[i].request_id == request_id &&
                    is_recent(quarantine, &quarantine->records[i], now))
                        count++;
        return count;
}

static bool is_alike(const struct quarantine *quarantine, const struct quarantine_record *record,
                     const struct quarantine_record *other, usec_t now) {
        return record->route_id == other->route_id && record->place_id == other->place_id &&
               is_recent(quarantine, record, now);
}

/* How many different paths of this one's route have crashed at its place. */
static unsigned int count_paths(const struct quarantine *quarantine, const struct quarantine_record *latest,
                                usec_t now) {
        const struct quarantine_record *records = quarantine->records;
        unsigned int count = 0;

        for (size_t i = 0; i < QUARANTINE_CRASHES_MAX; i++) {
                size_t earlier = 0;

                if (!is_alike(quarantine, &records[i], latest, now))
                        continue;
                while (earlier < i && !(records[earlier].request_id == records[i].request_id &&
                                        is_alike(quarantine, &records[earlier], latest, now)))
                        earlier++;
                count += earlier == i;
        }
        return count;
}

static void forget(struct quarantine *quarantine, const struct quarantine_entry *entry) {
        for (size_t i = 0; i < QUARANTINE_CRASHES_MAX; i++) {
                struct quarantine_record *record = &quarantine->records[i];

                if (entry->id == (entry->kind == QUARANTINE_ROUTE ? record->route_id : record->request_id))
                        *record = (struct quarantine_record){};
        }
}

static void forget_all(struct quarantine *quarantine) {
        memset(quarantine->records, 0, sizeof(quarantine->records));
        quarantine->next_record = 0;
}

/* ---- Entries ---- */

static struct quarantine_entry *find_id(struct quarantine *quarantine, uint64_t id) {
        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                if (quarantine->entries[i].number > 0 && quarantine->entries[i].id == id)
                        return &quarantine->entries[i];
        return NULL;
}

/* 0 is no number, also when they have run out and begin anew. */
static uint32_t next_number(struct quarantine *quarantine) {
        if (++quarantine->last_number == 0)
                quarantine->last_number = 1;
        return quarantine->last_number;
}

/* Where a new one goes: a free place, or else that of the one which ends first. */
static struct quarantine_entry *find_place(struct quarantine *quarantine) {
        struct quarantine_entry *first = NULL;

        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++) {
                struct quarantine_entry *entry = &quarantine->entries[i];

                if (entry->number == 0)
                        return entry;
                if (!first || entry->until < first->until)
                        first = entry;
        }
        return first;
}

static struct quarantine_entry *begin(struct quarantine *quarantine, enum quarantine_kind kind, uint64_t id,
                                      const char *text, usec_t now, usec_t span) {
        struct quarantine_entry *entry = find_id(quarantine, id) ?: find_place(quarantine);

        *entry = (struct quarantine_entry){
                .id = id,
                .since = now,
                .until = usec_add(now, MIN(span, QUARANTINE_TIME_MAX)),
                .number = next_number(quarantine),
                .kind = (uint32_t) kind,
        };
        (void) snprintf(entry->text, sizeof(entry->text), "%s", text);
        return entry;
}

/* Crashes that were on their way when the entry began are no reason for another one. */
static bool is_refused(struct quarantine *quarantine, uint64_t id, usec_t now) {
        const struct quarantine_entry *entry = find_id(quarantine, id);

        return entry && entry->until > now;
}

const struct quarantine_entry *quarantine_crashed(struct quarantine *quarantine,
                                                  const struct quarantine_crash *crash, usec_t now) {
        struct quarantine_record record = { .when = now,
                                            .request_id = crash->request_id,
                                            .route_id = crash->route_id };
        struct quarantine_entry *entry = NULL;
        unsigned int crashes, paths = 0;

        if (quarantine->after == 0 || crash->request_id == 0 || crash->route_id == 0)
                return NULL;
        if (*crash->place)
                record.place_id = siphash24(quarantine->key, crash->place, strlen(crash->place));
        remember(quarantine, &record);
        if (is_refused(quarantine, crash->request_id, now) || is_refused(quarantine, crash->route_id, now))
                return NULL;

        crashes = count_request(quarantine, crash->request_id, now);
        if (record.place_id != 0)
                paths = count_paths(quarantine, &record, now);
        if (paths >= MAX(quarantine->after, ROUTE_PATHS_MIN))
                entry = begin(quarantine, QUARANTINE_ROUTE, crash->route_id, crash->route, now,
                              quarantine->time);
        else if (crashes >= quarantine->after)
                entry = begin(quarantine, QUARANTINE_REQUEST, crash->request_id, crash->request, now,
                              quarantine->time);
        if (!entry)
                return NULL;
        entry->crashes = entry->kind == QUARANTINE_ROUTE ? paths : crashes;
        (void) snprintf(entry->place, sizeof(entry->place), "%s", crash->place);
        return entry;
}

const struct quarantine_entry *quarantine_add(struct quarantine *quarantine, enum quarantine_kind kind,
                                              uint64_t id, const char *text, usec_t span, usec_t now) {
        struct quarantine_entry *entry = begin(quarantine, kind, id, text, now, span);

        entry->by_hand = true;
        return entry;
}

static void end(struct quarantine_entry *entry, struct quarantine_entry *ret) {
        if (ret)
                *ret = *entry;
        *entry = (struct quarantine_entry){};
}

bool quarantine_lift(struct quarantine *quarantine, uint32_t number, struct quarantine_entry *ret) {
        for (size_t i = 0; number > 0 && i < QUARANTINE_ENTRIES_MAX; i++)
                if (quarantine->entries[i].number == number) {
                        forget(quarantine, &quarantine->entries[i]);
                        end(&quarantine->entries[i], ret);
                        return true;
                }
        return false;
}

unsigned int quarantine_lift_all(struct quarantine *quarantine) {
        unsigned int count = quarantine_count(quarantine);

        memset(quarantine->entries, 0, sizeof(quarantine->entries));
        forget_all(quarantine);
        return count;
}

bool quarantine_expire(struct quarantine *quarantine, usec_t now, struct quarantine_entry *ret) {
        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                if (quarantine->entries[i].number > 0 && quarantine->entries[i].until <= now) {
                        end(&quarantine->entries[i], ret);
                        return true;
                }
        return false;
}

void quarantine_configure(struct quarantine *quarantine, unsigned int after, usec_t window, usec_t time) {
        quarantine->after = after;
        quarantine->window = window;
        quarantine->time = time;
        if (after > 0)
                return;
        forget_all(quarantine);
        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                if (!quarantine->entries[i].by_hand)
                        end(&quarantine->entries[i], NULL);
}

/* ---- Looking at them ---- */

usec_t quarantine_next_end(const struct quarantine *quarantine) {
        usec_t next = USEC_NEVER;

        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                if (quarantine->entries[i].number > 0)
                        next = MIN(next, quarantine->entries[i].until);
        return next;
}

const struct quarantine_entry *quarantine_next(const struct quarantine *quarantine,
                                               const struct quarantine_entry *entry) {
        const struct quarantine_entry *next = NULL;

        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++) {
                const struct quarantine_entry *other = &quarantine->entries[i];

                if (other->number > (entry ? entry->number : 0) && (!next || other->number < next->number))
                        next = other;
        }
        return next;
}

unsigned int quarantine_count(const struct quarantine *quarantine) {
        unsigned int count = 0;

        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                count += quarantine->entries[i].number > 0;
        return count;
}

void quarantine_publish(const struct quarantine *quarantine, struct quarantine_page *page) {
        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                quarantine_mark(page, i, quarantine->entries[i].id,
                                quarantine->entries[i].number > 0 ? quarantine->entries[i].until : 0);
}
