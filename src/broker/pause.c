/* SPDX-License-Identifier: MIT */

/*
 * The pause between two attempts to connect: 100 ms, doubled with each that fails, 10 s at most.
 *
 * When a broker comes back, all who had lost it are waiting for it, so each takes a random part of the second half of
 * its pause. That a connection was made is no proof that it works, as where a broker throws everyone out after a
 * moment: only one that has lasted begins the row anew.
 */

#include "broker/pause.h"
#include "util/macro.h"

#define PAUSE_MIN     (100 * USEC_PER_MSEC)
#define DOUBLINGS_MAX 10U

usec_t broker_pause(unsigned int failures, uint32_t random) {
        usec_t pause = MIN(PAUSE_MIN << MIN(failures, DOUBLINGS_MAX), BROKER_PAUSE_MAX);

        return pause / 2 + pause / 2 * random / UINT32_MAX;
}
