/* SPDX-License-Identifier: MIT */

#include <sys/resource.h>

#include "util/nofile.h"

static struct rlimit before; /* rlim_max 0: nothing was raised */

void nofile_raise(void) {
        struct rlimit raised;

        if (before.rlim_max > 0 || getrlimit(RLIMIT_NOFILE, &before) < 0)
                return;
        raised = (struct rlimit){ before.rlim_max, before.rlim_max };
        if (before.rlim_cur == before.rlim_max || setrlimit(RLIMIT_NOFILE, &raised) < 0)
                before.rlim_max = 0;
}

void nofile_restore(void) {
        if (before.rlim_max > 0 && setrlimit(RLIMIT_NOFILE, &before) >= 0)
                before.rlim_max = 0;
}
