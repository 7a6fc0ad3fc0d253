/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "util/time.h"

/* Entries for the journal, sent without ever waiting for it. See journal.c. */

struct journal;

/* `path` NULL is journald's own socket. Nothing is opened before the first entry. */
int journal_new(struct journal **ret, const char *path);

/* Takes NULL, returns NULL. What waits is lost: journal_flush() comes before. */
struct journal *journal_free(struct journal *journal);

/* One entry, each vector a "KEY=value". Returns 0 when it is sent, or waits because the journal does not take any now; a
 * negative errno where there is no journal, and the caller should say it elsewhere. */
int journal_send(struct journal *journal, const struct iovec *fields, size_t n_fields);

/* Tries again what waits, for as long as `patience` (0: not at all waiting). Returns whether nothing waits any more. */
bool journal_flush(struct journal *journal, usec_t patience);
