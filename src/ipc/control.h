/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/un.h>

/* What the master's control interface is called and where it is, for the master and for musterctl. See control.c. */

#define CONTROL_SERVICE        "org.muster"
#define CONTROL_OBJECT         "/org/muster"
#define CONTROL_INTERFACE      "org.muster.Service"

#define CONTROL_ERROR_RELOAD   "org.muster.Error.ReloadFailed"
#define CONTROL_ERROR_STOPPING "org.muster.Error.Stopping"
#define CONTROL_ERROR_FAILED   "org.muster.Error.Failed"
#define CONTROL_ERROR_BUSY     "org.muster.Error.Busy"
#define CONTROL_ERROR_UNKNOWN  "org.muster.Error.Unknown"
#define CONTROL_ERROR_LIMIT    "org.muster.Error.TooManyCalls"
#define CONTROL_ERROR_UPGRADE  "org.muster.Error.UpgradeFailed"
#define CONTROL_ERROR_ROLL     "org.muster.Error.OldProcesses" /* the master is upgraded, they are not */

#define CONTROL_DATA_MAX       65536U /* of a message that an operator sends */

#define CONTROL_DIRECTORY      "/run/muster"
#define CONTROL_SOCKET         "control"

/* The directory that has one directory for each instance: $MUSTER_RUNTIME_DIR, or CONTROL_DIRECTORY. */
const char *control_directory(void);

/* The address of an instance's socket. -EINVAL for what can't be the name of an instance, -ENAMETOOLONG for a path that no
 * socket can have. */
int control_address(const char *instance, struct sockaddr_un *ret);

/* The address of a socket in that directory. */
int control_address_in(const char *directory, struct sockaddr_un *ret);
