/* SPDX-License-Identifier: MIT */

/*
 * Jobs on the wire: a call of one of the application's functions with its input, and the answer with its output.
 *
 * Both are a fixed struct with the bytes behind it. What is larger than JOB_INLINE_MAX lies in a memfd that goes along
 * with the message: the master passes it on without ever mapping it. Whoever maps it insists on the seals first,
 * so that nobody can shrink it under a reader (SIGBUS) or change it while it is looked at.
 *
 * Data is followed by a NUL that is not counted, so that text can be used as it is and where it is.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/job.h"
#include "util/fd.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* A word that was sent: ended, and of visible characters, as it goes to the log. */
bool job_is_text(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++) {
                if (text[i] == '\0')
                        return true;
                if (text[i] < ' ' || text[i] > '~')
                        return false;
        }
        return false;
}

/* So many bytes follow the struct, or could be in the descriptor; 0, -EMFILE or -EBADMSG. */
static int check_carried(const struct message *message, size_t head, uint64_t size, bool brings_fd) {
        bool alone = message->size == head && size <= JOB_DATA_MAX;

        if (brings_fd)
                return alone ? 0 : -EBADMSG;
        if (alone && size > JOB_INLINE_MAX)
                return -EMFILE;
        return size <= JOB_INLINE_MAX && message->size == head + size + 1 &&
                               message->payload[head + size] == '\0'
                       ? 0
                       : -EBADMSG;
}

int job_read_call(const struct message *message, bool brings_fd, struct job_call *ret,
                  const void **ret_data) {
        int r;

        if (message->size < sizeof(*ret))
                return -EBADMSG;
        memcpy(ret, message->payload, sizeof(*ret));
        r = check_carried(message, sizeof(*ret), ret->size, brings_fd);
        if (r == -EBADMSG)
                return r;
        if (!job_is_text(ret->task, sizeof(ret->task)) || !job_is_text(ret->route, sizeof(ret->route)) ||
            !job_is_text(ret->request, sizeof(ret->request)))
                return -EBADMSG;
        if (ret->task[0] == '\0' || ret->timeout == 0 || ret->timeout > JOB_TIMEOUT_MAX)
                return -EBADMSG;
        *ret_data = brings_fd || r < 0 ? NULL : message->payload + sizeof(*ret);
        return r;
}

int job_read_answer(const struct message *message, bool brings_fd, struct job_answer *ret,
                    const void **ret_data) {
        int r;

        if (message->size < sizeof(*ret))
                return -EBADMSG;
        memcpy(ret, message->payload, sizeof(*ret));
        r = check_carried(message, sizeof(*ret), ret->size, brings_fd);
        if (r == -EBADMSG || ret->outcome >= _JOB_OUTCOME_MAX)
                return -EBADMSG;
        *ret_data = brings_fd || r < 0 ? NULL : message->payload + sizeof(*ret);
        return r;
}

/* ---- Memory ---- */

int job_memory_new(size_t size, char **ret_memory) {
        _cleanup_fd_ int fd = -1;
        void *memory;

        fd = memfd_create("muster-job", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) size + 1) < 0)
                return -errno;
        memory = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        *ret_memory = memory;
        return TAKE_FD(fd);
}

int job_memory_seal(int fd, char *memory, size_t mapped, size_t size) {
        memory[size] = '\0';
        (void) munmap(memory, mapped + 1);
        if (size < mapped && ftruncate(fd, (off_t) size + 1) < 0)
                return -errno;
        return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

int job_memory_map(int fd, size_t size, void **ret_memory) {
        struct stat status;
        int seals = fcntl(fd, F_GET_SEALS);
        void *memory;

        if (seals < 0 || (seals & SEALS) != SEALS)
                return -EBADMSG;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (status.st_size != (off_t) size + 1)
                return -EBADMSG;
        memory = mmap(NULL, size + 1, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        if (((const char *) memory)[size] != '\0') {
                job_memory_unmap(memory, size);
                return -EBADMSG;
        }
        *ret_memory = memory;
        return 0;
}

void job_memory_unmap(void *memory, size_t size) {
        (void) munmap(memory, size + 1);
}
