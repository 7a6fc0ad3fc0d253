/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "util/time.h"

/* How busy a process is, by the counter in its slot. See load.c. */

struct load {
        uint64_t busy; /* at the last look */
        usec_t at;     /* when that was, 0: there was none */
        unsigned int permille;
};

/* Looks at the counter, which its owner may have set to anything, and works out the share of time since the last look. */
void load_look(struct load *load, uint64_t busy, usec_t now);
