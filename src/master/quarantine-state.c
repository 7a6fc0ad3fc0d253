/* SPDX-License-Identifier: MIT */

/*
 * The quarantine as bytes, so that another master takes it over.
 *
 * The struct is flat and of one size. Its times are monotonic, which is one clock as long as the machine is not
 * booted again. What is read back may have been written by anybody: it is refused as a whole unless each
 * field is what could have been saved, so that nothing is refused for longer than the configuration could
 * ask for and no text spoils a line of the log.
 */

#include <errno.h>
#include <string.h>

#include "master/quarantine.h"
#include "util/macro.h"

void quarantine_save(const struct quarantine *quarantine, struct quarantine_state *ret) {
        *ret = (struct quarantine_state){
                .version = QUARANTINE_STATE_VERSION,
                .size = sizeof(*ret),
                .key = { quarantine->key[0], quarantine->key[1] },
                .last_number = quarantine->last_number,
                .next_record = quarantine->next_record,
        };
        memcpy(ret->records, quarantine->records, sizeof(ret->records));
        memcpy(ret->entries, quarantine->entries, sizeof(ret->entries));
}

static bool is_text(const char *text, size_t size) {
        const char *end = memchr(text, '\0', size);

        for (; end && text < end; text++)
                if (*text < 0x20 || *text >= 0x7f)
                        return false;
        return end != NULL;
}

static bool is_empty(const struct quarantine_entry *entry) {
        static const struct quarantine_entry empty;

        return memcmp(entry, &empty, sizeof(empty)) == 0;
}

static bool is_entry(const struct quarantine_entry *entry, uint32_t last_number, usec_t now) {
        return entry->number > 0 && entry->number <= last_number && entry->id != 0 &&
               entry->kind < _QUARANTINE_KIND_MAX && entry->by_hand <= 1 && entry->since <= now &&
               entry->until >= entry->since && entry->until - entry->since <= QUARANTINE_TIME_MAX &&
               is_text(entry->text, sizeof(entry->text)) && is_text(entry->place, sizeof(entry->place));
}

static bool is_twice(const struct quarantine_state *state, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (state->entries[i].number == state->entries[index].number ||
                    state->entries[i].id == state->entries[index].id)
                        return true;
        return false;
}

static bool is_state(const struct quarantine_state *state, usec_t now) {
        if (state->version != QUARANTINE_STATE_VERSION || state->size != sizeof(*state) ||
            state->next_record >= QUARANTINE_CRASHES_MAX)
                return false;
        for (size_t i = 0; i < QUARANTINE_CRASHES_MAX; i++)
                if (state->records[i].when > now)
                        return false;
        for (size_t i = 0; i < QUARANTINE_ENTRIES_MAX; i++)
                if (!is_empty(&state->entries[i]) &&
                    (!is_entry(&state->entries[i], state->last_number, now) || is_twice(state, i)))
                        return false;
        return true;
}

int quarantine_restore(struct quarantine *quarantine, const void *bytes, size_t size, usec_t now) {
        struct quarantine_state state;

        if (size != sizeof(state))
                return -EBADMSG;
        memcpy(&state, bytes, sizeof(state));
        if (!is_state(&state, now))
                return -EBADMSG;

        memcpy(quarantine->key, state.key, sizeof(quarantine->key));
        quarantine->last_number = state.last_number;
        quarantine->next_record = state.next_record;
        memcpy(quarantine->records, state.records, sizeof(quarantine->records));
        memcpy(quarantine->entries, state.entries, sizeof(quarantine->entries));
        return 0;
}
