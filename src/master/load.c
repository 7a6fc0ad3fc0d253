/* SPDX-License-Identifier: MIT */

/*
 * How busy a process is: the share of the time between two looks that its loop has spent with work.
 *
 * The counter is the process's own word. A share past the whole, or a counter that runs backwards, is cut to what
 * can be.
 */

#include "master/load.h"
#include "util/macro.h"

#define WHOLE 1000U

void load_look(struct load *load, uint64_t busy, usec_t now) {
        uint64_t more = busy > load->busy ? busy - load->busy : 0;
        usec_t span = now > load->at ? now - load->at : 0;

        if (load->at > 0 && span > 0)
                load->permille = more >= span ? WHOLE : (unsigned int) (more * WHOLE / span);
        load->busy = busy;
        load->at = now;
}
