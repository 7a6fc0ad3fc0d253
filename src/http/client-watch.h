/* SPDX-License-Identifier: MIT */
#pragma once

struct exchange;

/* Whether a client goes away while its request waits for the application. See client-watch.c. Both may be called at any
 * time and more than once. */
void client_watch(struct exchange *exchange);
void client_unwatch(struct exchange *exchange);
