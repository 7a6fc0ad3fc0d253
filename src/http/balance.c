/* SPDX-License-Identifier: MIT */

/*
 * Fair shares of new connections.
 *
 * Connections that come one at a time go round among the workers by themselves (listener.c). When many come at
 * once and there are fewer CPUs than workers, the one that happens to run takes them all before another gets the
 * CPU: of 256 connections to four workers on one CPU, one worker got up to 256. So a worker first looks at the
 * scoreboard how many the others have, and if it is ahead of its share it yields the CPU instead of accepting.
 *
 * What the others say is only a hint: it can make a worker wait for a few turns, never make it refuse. A peer that
 * hangs, or lies, so costs a moment and no connection.
 *
 * Only the slots below the master's mark are looked at, since each slot is a page of its own, and the list of peers is
 * kept for a second.
 */

#include "http/balance.h"

#define DECLINES_MAX 8U
#define SLACK        4U  /* connections that nobody minds … */
#define SLACK_SHARE  16U /* … and this part of a fair share */
#define LOOK_PERIOD  USEC_PER_SEC
#define FRESH_SPAN   (5 * USEC_PER_SEC) /* a peer that has shown no sign of life for so long does not count */

bool balance_is_ahead(unsigned int own, uint64_t sum, size_t n) {
        uint64_t mean = n > 0 ? sum / n : 0;

        return n > 1 && (uint64_t) own * n > sum + n * (SLACK + mean / SLACK_SHARE);
}

static void find_peers(struct balance *balance, const struct scoreboard *scoreboard, usec_t now) {
        size_t end =
                MIN((size_t) scoreboard_slot(scoreboard, SCOREBOARD_MASTER)->slots_end, scoreboard->n_slots);

        balance->n_peers = 0;
        balance->look_again = usec_add(now, LOOK_PERIOD);
        for (size_t i = SCOREBOARD_MASTER + 1; i < end && balance->n_peers < BALANCE_PEERS_MAX; i++) {
                const struct slot *slot = scoreboard_slot(scoreboard, i);

                if (slot->state == SLOT_READY && slot->number >= 0 &&
                    usec_add(slot->heartbeat, FRESH_SPAN) > now)
                        balance->peers[balance->n_peers++] = (uint32_t) i;
        }
}

bool balance_declines(struct balance *balance, const struct muster *muster, unsigned int own, usec_t now) {
        const struct scoreboard *scoreboard = muster->scoreboard;
        uint64_t sum = 0;

        if (!scoreboard)
                return false;
        if (now >= balance->look_again)
                find_peers(balance, scoreboard, now);
        for (size_t i = 0; i < balance->n_peers; i++)
                sum += scoreboard_slot(scoreboard, balance->peers[i])->connections;
        if (balance->n_declined < DECLINES_MAX && balance_is_ahead(own, sum, balance->n_peers)) {
                balance->n_declined++;
                return true;
        }
        balance->n_declined = 0;
        return false;
}
