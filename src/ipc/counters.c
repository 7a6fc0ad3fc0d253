/* SPDX-License-Identifier: MIT */

/*
 * Named counters: each process adds to a table of its own, behind its slot of the scoreboard; who wants to know the sum
 * adds up the tables.
 *
 * So nobody writes where another does, and there is no lock: a process that is killed in the middle of adding has
 * added or has not, and holds up nobody. A worker that takes the place of another has a slot and a table of its own, also
 * while the other still drains.
 *
 * When a process has ended and can't add any more, the master adds its table to what it keeps of the gone. That is there
 * twice, behind the master's slot and behind the last one, and the lowest bit of `folds` says which of the two counts. The
 * master makes the other one ready, marks the slot of the gone with the number that will be next, and then sets
 * `folds` to that: at this moment the slot counts no more and what is kept counts instead. Who was adding up
 * sees that the number has changed, and does it again. But nobody waits for a master that has lost its processor in between,
 * or its life.
 *
 * A process that muster_fork() has started has a scoreboard with one slot, which it shares with its parent alone. When it
 * has ended, the parent adds its table to the own one.
 *
 * There is no register of names that all would have to agree on. A process finds its own names in its own table; the same
 * name in another's table mostly stands at the same place, because they run the same program, and is looked for there
 * first. A counter is complete before the number of them includes it, so a reader never sees half a name.
 *
 * What stands in a table is its owner's word. The master reads as many counters as there can be, takes only those with a
 * name as it should be, and copies that before it looks at it. A process that has gone mad can make its counters wrong,
 * and use up names, nothing more. Sums are modulo 2^64.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/counters.h"
#include "ipc/scoreboard.h"
#include "util/macro.h"

#define TRIES_MAX 1000U /* as many processes would have to end while one adds up */

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A letter, and then letters, digits and "._-:", ended within the room there is and nothing behind. */
static bool is_name(const char name[COUNTER_NAME_SIZE]) {
        size_t n = strnlen(name, COUNTER_NAME_SIZE);

        if (n == COUNTER_NAME_SIZE || !is_letter(name[0]))
                return false;
        for (size_t i = 1; i < n; i++)
                if (!is_letter(name[i]) && !(name[i] >= '0' && name[i] <= '9') && !strchr("._-:", name[i]))
                        return false;
        for (size_t i = n; i < COUNTER_NAME_SIZE; i++)
                if (name[i] != '\0')
                        return false;
        return true;
}

static int make_name(char ret[COUNTER_NAME_SIZE], const char *text) {
        if (strnlen(text, COUNTER_NAME_SIZE) == COUNTER_NAME_SIZE)
                return -EINVAL;
        memset(ret, 0, COUNTER_NAME_SIZE);
        (void) stpcpy(ret, text);
        return is_name(ret) ? 0 : -EINVAL;
}

/* ---- A table ---- */

static size_t count(const struct slot *slot) {
        return MIN(atomic_load_explicit(&slot->n_counters, memory_order_acquire), COUNTERS_MAX);
}

/* Looks at `hint` first. Returns n where it is not. */
static size_t find(const struct counter *table, size_t n, const char name[COUNTER_NAME_SIZE], size_t hint) {
        if (hint < n && memcmp(table[hint].name, name, COUNTER_NAME_SIZE) == 0)
                return hint;
        for (size_t i = 0; i < n; i++)
                if (memcmp(table[i].name, name, COUNTER_NAME_SIZE) == 0)
                        return i;
        return n;
}

static void begin(struct counter *counter, const char name[COUNTER_NAME_SIZE]) {
        memcpy(counter->name, name, COUNTER_NAME_SIZE);
        atomic_store_explicit(&counter->value, 0, memory_order_relaxed);
}

static int register_name(struct slot *slot, struct counter *table, const char name[COUNTER_NAME_SIZE],
                         size_t hint) {
        size_t n = count(slot), at = find(table, n, name, hint);

        if (at == COUNTERS_MAX)
                return -ENOSPC;
        if (at == n) {
                begin(&table[n], name);
                atomic_store_explicit(&slot->n_counters, (uint32_t) n + 1, memory_order_release);
        }
        return (int) at;
}

int counter_register(struct slot *slot, struct counter *table, const char *name) {
        char padded[COUNTER_NAME_SIZE];

        if (make_name(padded, name) < 0)
                return -EINVAL;
        return register_name(slot, table, padded, COUNTERS_MAX);
}

/* ---- All tables ---- */

/* The slots from here on are not in use. */
static size_t end_of_slots(const struct scoreboard *scoreboard) {
        uint32_t end = scoreboard_slot(scoreboard, SCOREBOARD_MASTER)->slots_end;

        return MIN(MAX((size_t) end, (size_t) SCOREBOARD_MASTER + 1), scoreboard->n_slots);
}

static uint32_t folds_of(const struct scoreboard *scoreboard, memory_order order) {
        return atomic_load_explicit(&scoreboard_slot(scoreboard, SCOREBOARD_MASTER)->folds, order);
}

/* The table behind a slot, NULL where it has been added to what is kept. The mark is looked at before the number: when it
 * is taken away for the next process, the number is 0 already. */
static const struct counter *table_of(const struct scoreboard *scoreboard, size_t index, uint32_t folds,
                                      size_t *ret_n) {
        const struct slot *slot = scoreboard_slot(scoreboard, index);
        uint32_t folded = atomic_load_explicit(&slot->folded, memory_order_acquire);

        *ret_n = count(slot);
        if (index == SCOREBOARD_MASTER)
                return scoreboard_kept_counters(scoreboard, folds % 2);
        if (*ret_n == 0 || (folded != 0 && folded == folds))
                return NULL;
        return scoreboard_counters(scoreboard, index);
}

static uint64_t sum_once(const struct scoreboard *scoreboard, const char name[COUNTER_NAME_SIZE],
                         uint32_t folds) {
        size_t end = end_of_slots(scoreboard), hint = COUNTERS_MAX, n, at;
        uint64_t sum = 0;

        for (size_t i = SCOREBOARD_MASTER; i < end; i++) {
                const struct counter *table = table_of(scoreboard, i, folds, &n);

                if (!table)
                        continue;
                at = find(table, n, name, hint);
                if (at == n)
                        continue;
                sum += atomic_load_explicit(&table[at].value, memory_order_relaxed);
                hint = at;
        }
        return sum;
}

uint64_t counters_sum(const struct scoreboard *scoreboard, const char *name) {
        char padded[COUNTER_NAME_SIZE];
        uint64_t sum = 0;

        if (make_name(padded, name) < 0)
                return 0;
        for (unsigned int i = 0; i < TRIES_MAX; i++) {
                uint32_t folds = folds_of(scoreboard, memory_order_acquire);

                sum = sum_once(scoreboard, padded, folds);
                atomic_thread_fence(memory_order_acquire);
                if (folds_of(scoreboard, memory_order_relaxed) == folds)
                        break;
        }
        return sum;
}

/* The owner may be writing: what is looked at is a copy. */
static bool read_counter(const struct counter *counter, struct counter_sum *ret) {
        memcpy(ret->name, counter->name, COUNTER_NAME_SIZE);
        ret->value = atomic_load_explicit(&counter->value, memory_order_relaxed);
        return is_name(ret->name);
}

static size_t find_sum(const struct counter_sum *sums, size_t n, const char *name, size_t hint) {
        if (hint < n && streq(sums[hint].name, name))
                return hint;
        for (size_t i = 0; i < n; i++)
                if (streq(sums[i].name, name))
                        return i;
        return n;
}

static size_t collect_table(const struct counter *table, size_t n_counters,
                            struct counter_sum sums[COUNTERS_MAX], size_t n) {
        size_t next = 0;

        for (size_t i = 0; i < n_counters; i++) {
                struct counter_sum one;
                size_t at;

                if (!read_counter(&table[i], &one))
                        continue;
                at = find_sum(sums, n, one.name, next);
                next = at + 1;
                if (at == COUNTERS_MAX)
                        continue;
                if (at == n)
                        sums[n++] = one;
                else
                        sums[at].value += one.value;
        }
        return n;
}

size_t counters_collect(const struct scoreboard *scoreboard, struct counter_sum sums[COUNTERS_MAX]) {
        uint32_t folds = folds_of(scoreboard, memory_order_relaxed);
        size_t end = end_of_slots(scoreboard), n = 0, n_counters;

        for (size_t i = SCOREBOARD_MASTER; i < end; i++) {
                const struct counter *table = table_of(scoreboard, i, folds, &n_counters);

                if (table)
                        n = collect_table(table, n_counters, sums, n);
        }
        return n;
}

/* ---- Those that have ended ---- */

size_t counters_inherit(struct slot *slot, struct counter *table, const struct scoreboard *gone,
                        size_t index) {
        const struct counter *theirs = scoreboard_counters(gone, index);
        size_t n = count(scoreboard_slot(gone, index)), lost = 0;

        for (size_t i = 0; i < n; i++) {
                struct counter_sum one;
                int at;

                if (!read_counter(&theirs[i], &one))
                        continue;
                at = register_name(slot, table, one.name, i);
                if (at >= 0)
                        (void) atomic_fetch_add_explicit(&table[at].value, one.value, memory_order_relaxed);
                else
                        lost++;
        }
        return lost;
}

/* What is kept, in the table that counts now and in that which will. Both have the same names. */
struct kept {
        struct slot *slot;
        struct counter *now, *next;
};

static bool keep(const struct kept *kept, const struct counter_sum *one, size_t hint) {
        size_t n = count(kept->slot), at = find(kept->now, n, one->name, hint);

        if (at == COUNTERS_MAX)
                return false;
        if (at == n) {
                begin(&kept->now[n], one->name);
                begin(&kept->next[n], one->name);
                atomic_store_explicit(&kept->slot->n_counters, (uint32_t) n + 1, memory_order_release);
        }
        (void) atomic_fetch_add_explicit(&kept->next[at].value, one->value, memory_order_relaxed);
        return true;
}

static void copy_values(const struct kept *kept) {
        size_t n = count(kept->slot);

        for (size_t i = 0; i < n; i++)
                atomic_store_explicit(&kept->next[i].value,
                                      atomic_load_explicit(&kept->now[i].value, memory_order_relaxed),
                                      memory_order_relaxed);
}

size_t counters_fold(struct scoreboard *scoreboard, size_t index) {
        uint32_t folds = folds_of(scoreboard, memory_order_relaxed);
        const struct kept kept = {
                .slot = scoreboard_slot(scoreboard, SCOREBOARD_MASTER),
                .now = scoreboard_kept_counters(scoreboard, folds % 2),
                .next = scoreboard_kept_counters(scoreboard, (folds + 1) % 2),
        };
        const struct counter *table = scoreboard_counters(scoreboard, index);
        struct slot *gone = scoreboard_slot(scoreboard, index);
        size_t n = count(gone), lost = 0;

        if (n == 0)
                return 0;
        copy_values(&kept);
        for (size_t i = 0; i < n; i++) {
                struct counter_sum one;

                if (read_counter(&table[i], &one) && !keep(&kept, &one, i))
                        lost++;
        }
        atomic_store_explicit(&gone->folded, folds + 1, memory_order_relaxed);
        atomic_store_explicit(&kept.slot->folds, folds + 1, memory_order_release);
        /* Not before: who does not know of the change must see it when it looks whether there was one. */
        atomic_thread_fence(memory_order_release);
        atomic_store_explicit(&gone->n_counters, 0, memory_order_relaxed);
        atomic_thread_fence(memory_order_release); /* and the slot is emptied after that */
        return lost;
}
