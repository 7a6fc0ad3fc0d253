/* SPDX-License-Identifier: MIT */

/*
 * The store: what one process keeps under names, for as long as it lives. Several parts of an application each find
 * theirs without knowing of the others, and a cache of many thousand keys is what it is good for too.
 *
 * A hash table with chains, which doubles when there are more values than chains. Keys may come from clients, so the hash has
 * a key of its own that nobody outside knows: nobody can make all keys fall into one chain.
 *
 * The store owns what it was given: a value is destroyed when another takes its place, when it is taken away, and in
 * the orderly end of the process, the newest first, since the newer may use the older. It is out of the store before
 * its function is called, so the function may call the store. After a fault nothing is destroyed: the kernel takes
 * it all.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "app/process.h"
#include "app/store.h"
#include "util/list.h"
#include "util/siphash.h"

#define CHAINS_MIN 16U /* a power of two, as all that follow */

struct entry {
        struct list node; /* of all, the oldest first */
        struct entry *next;
        uint64_t hash;
        void *value;
        void (*destroy)(void *value);
        char key[];
};

struct store {
        uint64_t key[2];
        struct list entries;
        struct entry **chains;
        size_t n_chains;
        size_t n;
};

static struct store *store_new(void) {
        struct store *store;

        store = calloc(1, sizeof(*store));
        if (!store)
                return NULL;
        list_init(&store->entries);
        store->n_chains = CHAINS_MIN;
        store->chains = calloc(store->n_chains, sizeof(struct entry *));
        if (!store->chains || getrandom(store->key, sizeof(store->key), 0) < 0)
                return store_free(store);
        return store;
}

/* Where the pointer to the entry of that key stands, or would stand. */
static struct entry **find(const struct store *store, uint64_t hash, const char *key) {
        struct entry **entry = &store->chains[hash & (store->n_chains - 1)];

        while (*entry && ((*entry)->hash != hash || !streq((*entry)->key, key)))
                entry = &(*entry)->next;
        return entry;
}

/* Without memory for more chains those there are get longer. */
static void grow(struct store *store) {
        size_t n = 2 * store->n_chains;
        struct entry **chains;

        chains = calloc(n, sizeof(struct entry *));
        if (!chains)
                return;
        LIST_FOREACH(node, &store->entries) {
                struct entry *entry = container_of(node, struct entry, node);

                entry->next = chains[entry->hash & (n - 1)];
                chains[entry->hash & (n - 1)] = entry;
        }
        free(store->chains);
        store->chains = chains;
        store->n_chains = n;
}

static int add(struct store *store, uint64_t hash, const char *key, void *value,
               void (*destroy)(void *value)) {
        size_t size = strlen(key) + 1;
        struct entry *entry, **chain;

        entry = malloc(sizeof(*entry) + size);
        if (!entry)
                return -ENOMEM;
        if (store->n >= store->n_chains)
                grow(store);
        chain = &store->chains[hash & (store->n_chains - 1)];
        *entry = (struct entry){ .hash = hash, .value = value, .destroy = destroy, .next = *chain };
        memcpy(entry->key, key, size);
        *chain = entry;
        list_init(&entry->node);
        list_append(&store->entries, &entry->node);
        store->n++;
        return 0;
}

static void take_away(struct store *store, struct entry **link) {
        struct entry *entry = *link;
        void (*destroy)(void *value) = entry->destroy;
        void *value = entry->value;

        *link = entry->next;
        list_remove(&entry->node);
        free(entry);
        store->n--;
        if (destroy)
                destroy(value);
}

/* It is the newest from now on. */
static void replace(struct store *store, struct entry *entry, void *value, void (*destroy)(void *value)) {
        void (*old_destroy)(void *value) = entry->destroy;
        void *old = entry->value;

        entry->value = value;
        entry->destroy = destroy;
        list_remove(&entry->node);
        list_append(&store->entries, &entry->node);
        if (old != value && old_destroy)
                old_destroy(old);
}

int muster_store_set(struct muster *muster, const char *key, void *value, void (*destroy)(void *value)) {
        struct store *store = muster->store ?: store_new();
        struct entry **link;
        uint64_t hash;

        if (!store)
                return -ENOMEM;
        muster->store = store;
        hash = siphash24(store->key, key, strlen(key));
        link = find(store, hash, key);
        if (*link && value)
                replace(store, *link, value, destroy);
        else if (*link)
                take_away(store, link);
        else if (value)
                return add(store, hash, key, value, destroy);
        return 0;
}

void *muster_store_get(const struct muster *muster, const char *key) {
        const struct store *store = muster->store;
        const struct entry *entry;

        if (!store)
                return NULL;
        entry = *find(store, siphash24(store->key, key, strlen(key)), key);
        return entry ? entry->value : NULL;
}

size_t muster_store_count(const struct muster *muster) {
        return muster->store ? muster->store->n : 0;
}

void store_empty(struct store *store) {
        while (store && !list_empty(&store->entries)) {
                const struct entry *newest = container_of(store->entries.prev, struct entry, node);
                struct entry **link = find(store, newest->hash, newest->key);

                if (*link)
                        take_away(store, link);
        }
}

struct store *store_free(struct store *store) {
        if (!store)
                return NULL;
        LIST_FOREACH_SAFE(node, &store->entries)
                free(container_of(node, struct entry, node));
        free(store->chains);
        free(store);
        return NULL;
}
