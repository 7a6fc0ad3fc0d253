/* SPDX-License-Identifier: MIT */
#pragma once

/* A circular, intrusive, doubly linked list. A node that is in no list points at itself. */

#include <stdbool.h>

#include "util/macro.h"

struct list {
        struct list *next;
        struct list *prev;
};

#define LIST_INIT(name)                                                                                     \
        { .next = &(name), .prev = &(name) }

/* Walks the nodes; the SAFE variant lets the body unlink or free the one it is at. */
#define LIST_FOREACH(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)
#define LIST_FOREACH_SAFE(node, head)                                                                       \
        for (struct list *node = (head)->next, *node##_next = node->next; node != (head);                   \
             node = node##_next, node##_next = node->next)

static inline void list_init(struct list *list) {
        list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list) {
        return list->next == list;
}

static inline void list_append(struct list *list, struct list *node) {
        node->prev = list->prev;
        node->next = list;
        list->prev->next = node;
        list->prev = node;
}

/* Unlinks a node; harmless for one that is in no list. */
static inline void list_remove(struct list *node) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
        list_init(node);
}
