/* SPDX-License-Identifier: MIT */

/*
 * File descriptors: closing, flags, whole files and memfds.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;

                /* On Linux the descriptor is gone even when close() says EINTR. */
                (void) close(fd);
                errno = saved;
        }
        return -1;
}

static int fd_set_flag(int fd, int get, int set, int flag, bool on) {
        int flags = fcntl(fd, get);

        if (flags < 0)
                return -errno;
        if (!!(flags & flag) == on)
                return 0;
        if (fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0)
                return -errno;
        return 0;
}

int fd_set_nonblock(int fd, bool on) {
        return fd_set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on) {
        return fd_set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_read(int fd, size_t max, char **ret_text, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (size + 1 >= room) {
                        char *larger;

                        room = room ? room * 2 : 4096;
                        larger = realloc(text, room);
                        if (!larger)
                                return -ENOMEM;
                        text = larger;
                }
                n = read(fd, text + size, room - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t) n;
                if (size > max)
                        return -EFBIG;
        }

        text[size] = '\0';
        *ret_text = TAKE_PTR(text);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int fd_read_file(const char *path, size_t max, char **ret_text, size_t *ret_size) {
        _cleanup_fd_ int fd = -1;
        struct stat st;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        return fd_read(fd, max, ret_text, ret_size);
}

static int fd_write_all(int fd, const void *bytes, size_t size) {
        const char *p = bytes;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

static int memfd_sealed(const char *name, const void *bytes, size_t size, size_t whole) {
        _cleanup_fd_ int fd = -1;
        int r;

        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, bytes, size);
        if (r < 0)
                return r;
        if (whole > size && ftruncate(fd, (off_t) whole) < 0)
                return -errno;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int fd_memfd_sealed(const char *name, const void *bytes, size_t size) {
        return memfd_sealed(name, bytes, size, size);
}

int fd_memfd_sealed_text(const char *name, const void *bytes, size_t size) {
        return memfd_sealed(name, bytes, size, size + 1);
}

int fd_memfd_shared(const char *name, size_t size) {
        _cleanup_fd_ int fd = -1;

        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) size) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
                return -errno;
        return TAKE_FD(fd);
}
