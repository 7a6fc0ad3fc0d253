/* SPDX-License-Identifier: MIT */

/*
 * Where a master can be spoken to: the socket `control` in the instance's own directory below /run/muster.
 *
 * Without systemd the master makes that directory itself; who may not make one there says with MUSTER_RUNTIME_DIR where
 * else, and says the same to musterctl.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipc/control.h"

const char *control_directory(void) {
        const char *directory = getenv("MUSTER_RUNTIME_DIR");

        return directory && *directory ? directory : CONTROL_DIRECTORY;
}

int control_address_in(const char *directory, struct sockaddr_un *ret) {
        int n;

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/" CONTROL_SOCKET, directory);
        return n < 0 || (size_t) n >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

int control_address(const char *instance, struct sockaddr_un *ret) {
        char directory[sizeof(ret->sun_path)];
        int n;

        if (!*instance || *instance == '.' || strchr(instance, '/'))
                return -EINVAL;
        n = snprintf(directory, sizeof(directory), "%s/%s", control_directory(), instance);
        return n < 0 || (size_t) n >= sizeof(directory) ? -ENAMETOOLONG : control_address_in(directory, ret);
}
