/* SPDX-License-Identifier: MIT */

/*
 * A child enters its sandbox; see config/sandbox.c for what is in it. The master, which has begun it, gets the
 * descriptor by which the kernel asks about what is refused. It is nobody's here: who held it could
 * answer itself.
 */

#include <stdio.h>

#include "app/sandbox.h"
#include "config/sandbox.h"
#include "util/fd.h"
#include "util/log.h"

int process_enter_sandbox(struct muster *muster, struct channel *channel, char **ret_reason) {
        enum sandbox_role role = muster->role == MUSTER_ROLE_WORKER    ? SANDBOX_WORKER
                                 : muster->role == MUSTER_ROLE_COMPUTE ? SANDBOX_COMPUTE
                                                                       : SANDBOX_AGENT;
        struct sandbox sandbox;
        int r;

        r = sandbox_enter(&sandbox, role, muster->config, channel != NULL, NULL);
        if (r >= 0 && sandbox.listener >= 0) {
                r = channel_send_fd(channel, MESSAGE_LISTENER, NULL, 0, sandbox.listener);
                fd_close(sandbox.listener);
        }
        if (r < 0) {
                if (asprintf(ret_reason, "Cannot enter the sandbox ([muster] sandbox): %s", strerror(-r)) <
                    0)
                        *ret_reason = NULL;
                return r;
        }
        log_debug("Sandbox: system calls are %sfiltered, Landlock %d", sandbox.calls ? "" : "not ",
                  sandbox.landlock);
        return 0;
}
