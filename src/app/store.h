/* SPDX-License-Identifier: MIT */
#pragma once

#include <muster/app.h>

/* The application's store, muster_store_set() and its kin. See store.c. */

struct store;

/* Destroys what is in it, the newest first. Takes NULL. */
void store_empty(struct store *store);

/* Forgets what is in it, without a call of the application's. Takes NULL, returns NULL. */
struct store *store_free(struct store *store);
