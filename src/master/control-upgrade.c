/* SPDX-License-Identifier: MIT */

/*
 * The upgrade, as it is asked for and answered on the control socket.
 *
 * Who asks is on a connection of the old master, which does not outlive it. So the answer comes in two parts: a failure before
 * the change of program is the answer to Upgrade itself; otherwise the connection ends, and on a new one AwaitUpgrade is
 * answered by the new master when all processes are replaced. The listening socket is open all the time, so a new
 * connection waits in it and is never refused. Who asks while an upgrade is under way waits for the same end.
 */

#include <errno.h>

#include "ipc/control.h"
#include "master/control.h"
#include "master/service.h"

static const char *result_name(const struct upgrade *upgrade) {
        switch (upgrade->state) {
        case UPGRADE_WAITING:
                return "waiting";
        case UPGRADE_TRIAL:
        case UPGRADE_EXEC:
                return "trying the new program";
        case UPGRADE_ROLLING:
                return "replacing processes";
        default:
                return upgrade->n == 0 ? "none" : upgrade->failure ? "failed" : "ok";
        }
}

static void answer(struct control_call *call, const struct upgrade *upgrade) {
        if (upgrade->n == 0)
                control_call_fail(call, CONTROL_ERROR_UPGRADE,
                                  "The service was started anew instead of being upgraded");
        else if (upgrade->failure)
                control_call_fail(call, upgrade->taken_over ? CONTROL_ERROR_ROLL : CONTROL_ERROR_UPGRADE,
                                  upgrade->failure);
        else {
                (void) sd_bus_reply_method_return(call->message, "ss", upgrade->from ?: "", PACKAGE_VERSION);
                control_call_free(call);
        }
}

void control_upgrade_finished(struct service *service) {
        const struct upgrade *upgrade = &service->upgrade;

        if (!service->control)
                return;
        control_emit(service->control, "UpgradeFinished", "bs", upgrade->failure == NULL,
                     upgrade->failure ?: "");
        LIST_FOREACH_SAFE(node, &service->control->calls) {
                struct control_call *call = container_of(node, struct control_call, node);

                if (call->upgrade)
                        answer(call, upgrade);
        }
}

static struct control_call *keep(struct control_client *client, sd_bus_message *message,
                                 sd_bus_error *error) {
        struct control_call *call;

        if (service_is_stopping(client->control->service)) {
                (void) sd_bus_error_set(error, CONTROL_ERROR_STOPPING, "The service stops");
                return NULL;
        }
        call = control_call_keep(client, message, error);
        if (call)
                call->upgrade = true;
        return call;
}

/* The call is answered by the end of the upgrade, which may come before this returns. */
int control_upgrade(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        _cleanup_free_ char *reason = NULL;

        if (!keep(client, message, error))
                return -EBUSY; /* what is said is in the error */
        (void) upgrade_begin(client->control->service, &reason);
        return 1;
}

int control_await_upgrade(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        const struct upgrade *upgrade = &client->control->service->upgrade;
        struct control_call *call;

        call = keep(client, message, error);
        if (!call)
                return -EBUSY;
        if (upgrade->state == UPGRADE_NONE)
                answer(call, upgrade);
        return 1;
}

int control_get_last_upgrade(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const struct control_client *client = userdata;
        const struct upgrade *upgrade = &client->control->service->upgrade;

        return sd_bus_message_append(reply, "a{sv}", 5, "Result", "s", result_name(upgrade), "Number", "t",
                                     upgrade->n, "TakenOver", "b", (int) upgrade->taken_over, "From", "s",
                                     upgrade->from ?: "", "Reason", "s", upgrade->failure ?: "");
}
