/* SPDX-License-Identifier: MIT */

/*
 * Named counters: each process adds to a table of its own, behind its slot of the scoreboard; who wants to know the sum
 * adds up the tables.
 *
 * So nobody writes where another does, and there is no lock: a process that is killed in the middle of adding has
 * added or has not, and holds up nobody. A worker that takes the place of another has a slot and a table of its own, also
 * while the other still drains. When a process has ended and can't add any more, the master adds its table to that of
 * the master's own slot, which begins as empty as all and is where the counts of the gone live on. Nothing else is
 * ever written there, and children can only read it.
 *
 * There is no register of names that all would have to agree on. A process finds its own names in its own table; the same
 * name in another's table mostly stands at the same place, because they run the same program, and is looked for there
 * first. A counter is complete before the number of them includes it, so a reader never sees half a name.
 *
 * While the master moves a table, the same count could be seen twice or not at all. It makes `folds` odd meanwhile,
 * and a reader who sees that or a change looks again. It does so some times only: should the master die right there,
 * nobody waits for it.
 *
 * What stands in a table is its owner's word. The master reads as many counters as there can be, takes only those with a
 * name as it should be, and copies that before it looks at it. A process that has gone mad can make its counters wrong,
 * and use up names, nothing more. Sums are modulo 2^64.
 */

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/counters.h"
#include "ipc/scoreboard.h"
#include "util/macro.h"

#define TRIES_MAX 1000U /* a fold takes some microseconds, if the master keeps its processor */

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

static int add_to_table(struct slot *slot, struct counter *table, const char name[COUNTER_NAME_SIZE],
                        size_t hint) {
        size_t n = count(slot), i = find(table, n, name, hint);

        if (i < n)
                return (int) i;
        if (n == COUNTERS_MAX)
                return -ENOSPC;
        memcpy(table[n].name, name, COUNTER_NAME_SIZE);
        atomic_store_explicit(&table[n].value, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->n_counters, (uint32_t) n + 1, memory_order_release);
        return (int) n;
}

int counter_register(struct slot *slot, struct counter *table, const char *name) {
        char padded[COUNTER_NAME_SIZE];
        int r;

        r = make_name(padded, name);
        return r < 0 ? r : add_to_table(slot, table, padded, COUNTERS_MAX);
}

/* ---- All tables ---- */

/* The slots from here on are not in use. */
static size_t end_of_slots(const struct scoreboard *scoreboard) {
        uint32_t end = scoreboard_slot(scoreboard, SCOREBOARD_MASTER)->slots_end;

        return MIN(MAX((size_t) end, (size_t) SCOREBOARD_MASTER + 1), scoreboard->n_slots);
}

static uint64_t sum_once(const struct scoreboard *scoreboard, const char name[COUNTER_NAME_SIZE]) {
        size_t end = end_of_slots(scoreboard), hint = COUNTERS_MAX;
        uint64_t sum = 0;

        for (size_t i = SCOREBOARD_MASTER; i < end; i++) {
                const struct counter *table = scoreboard_counters(scoreboard, i);
                size_t n = count(scoreboard_slot(scoreboard, i)), at = find(table, n, name, hint);

                if (at == n)
                        continue;
                sum += atomic_load_explicit(&table[at].value, memory_order_relaxed);
                hint = at;
        }
        return sum;
}

uint64_t counters_sum(const struct scoreboard *scoreboard, const char *name) {
        const struct slot *master = scoreboard_slot(scoreboard, SCOREBOARD_MASTER);
        char padded[COUNTER_NAME_SIZE];
        uint64_t sum = 0;

        if (make_name(padded, name) < 0)
                return 0;
        for (unsigned int i = 0; i < TRIES_MAX; i++) {
                uint32_t before = atomic_load_explicit(&master->folds, memory_order_acquire);

                sum = sum_once(scoreboard, padded);
                atomic_thread_fence(memory_order_acquire);
                if (before % 2 == 0 && atomic_load_explicit(&master->folds, memory_order_relaxed) == before)
                        break;
                (void) sched_yield();
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

static size_t collect_table(const struct slot *slot, const struct counter *table,
                            struct counter_sum sums[COUNTERS_MAX], size_t n) {
        size_t n_counters = count(slot), next = 0;

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
        size_t end = end_of_slots(scoreboard), n = 0;

        for (size_t i = SCOREBOARD_MASTER; i < end; i++)
                n = collect_table(scoreboard_slot(scoreboard, i), scoreboard_counters(scoreboard, i), sums,
                                  n);
        return n;
}

/* ---- Those that have ended ---- */

size_t counters_fold(struct scoreboard *scoreboard, size_t index) {
        struct slot *gone = scoreboard_slot(scoreboard, index),
                    *master = scoreboard_slot(scoreboard, SCOREBOARD_MASTER);
        struct counter *kept = scoreboard_counters(scoreboard, SCOREBOARD_MASTER);
        const struct counter *table = scoreboard_counters(scoreboard, index);
        size_t n = count(gone), lost = 0;

        if (n == 0)
                return 0;
        atomic_fetch_add_explicit(&master->folds, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
        for (size_t i = 0; i < n; i++) {
                struct counter_sum one;
                int at;

                if (!read_counter(&table[i], &one))
                        continue;
                at = add_to_table(master, kept, one.name, i);
                if (at >= 0)
                        atomic_fetch_add_explicit(&kept[at].value, one.value, memory_order_relaxed);
                else
                        lost++;
        }
        atomic_store_explicit(&gone->n_counters, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&master->folds, 1, memory_order_release);
        return lost;
}
