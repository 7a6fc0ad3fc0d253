/* SPDX-License-Identifier: MIT */

/*
 * Data that is too large for a frame travels in a memfd: written once by the sender, passed on by the master, and mapped
 * by each receiver. So it is in memory once, however many get it.
 *
 * It is sealed against every change before it leaves. A receiver looks at the seals and the size before it touches a
 * byte: memory that somebody could still change or cut off would change under the eyes of a handler, or kill it.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "app/messenger.h"
#include "util/fd.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int data_share(const void *data, size_t size) {
        return fd_memfd_sealed_text("muster-message", data, size);
}

int data_map(int fd, size_t size, const char **ret) {
        struct stat info;
        const char *data;
        int seals;

        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & SEALS) != SEALS)
                return -EBADMSG;
        if (fstat(fd, &info) < 0 || info.st_size != (off_t) size + 1)
                return -EBADMSG;
        data = mmap(NULL, size + 1, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
                return -errno;
        if (data[size] != '\0') {
                data_unmap(data, size);
                return -EBADMSG;
        }
        *ret = data;
        return 0;
}

void data_unmap(const char *data, size_t size) {
        (void) munmap((void *) data, size + 1);
}
