/* SPDX-License-Identifier: MIT */

/*
 * Who may control the service: root, and the user it runs as.
 *
 * Two gates. The file of the socket has mode 0600, so the kernel lets nobody else connect; and what it tells about the
 * peer (SO_PEERCRED) is looked at, for a file whose mode somebody has changed.
 *
 * With PrivateUsers=yes the master sees users through a namespace that maps root and its own user to themselves and
 * all others to the overflow user, so both are still told apart from the rest. Only a service that itself runs as
 * the overflow user, "nobody", can't tell its own from everybody: it is controlled by root alone.
 */

#include "master/control.h"

#define OVERFLOW_USER 65534U /* /proc/sys says so too, but is not seen under ProcSubset=pid */

bool control_may(const struct ucred *peer, uid_t own) {
        if (peer->uid == 0)
                return true;
        return peer->uid == own && own != OVERFLOW_USER;
}
