/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "util/time.h"

/* How long to wait before the next attempt to connect, when so many have failed since the connection was last a good one. A
 * good one lasts for BROKER_GOOD. `random` is any number. */
usec_t broker_pause(unsigned int failures, uint32_t random);

#define BROKER_PAUSE_MAX (10 * USEC_PER_SEC)
#define BROKER_GOOD      (10 * USEC_PER_SEC)
