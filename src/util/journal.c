/* SPDX-License-Identifier: MIT */

/*
 * The journal's native protocol, without waiting.
 *
 * sd_journal_sendv() waits for as long as journald does not read, which may be for ever: one stopped daemon would stop
 * the workers in the middle of their requests and the master with them. Its socket cannot be had to change that, so the
 * protocol, which is public and small, is spoken here, on a socket of our own that never blocks: one entry is one
 * datagram of "KEY=value" lines; a value that holds a line feed has its size in front of it instead; an entry that is
 * too large for a datagram goes as a sealed memfd.
 *
 * What journald does not take now waits here, in order, in a bounded amount of memory, and is tried again at each
 * further entry and whenever somebody calls journal_flush(), as every process does once a second. Past the bound the
 * newest are lost, since the oldest tell how it began, and a last entry says how many there were.
 *
 * Any thread may send. A fault in the middle may come back to the loop by a jump, with the lock held for ever: the lock
 * knows its owner, who is then refused and says the line elsewhere, where anybody else would wait in vain.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/journal.h"
#include "util/list.h"
#include "util/macro.h"

#define SOCKET_PATH   "/run/systemd/journal/socket"
#define WAITING_MAX   ((size_t) 256 * 1024)
#define SEND_BUFFER   (1024 * 1024)
#define NUMBER_SIZE   8U /* of a value's size, little endian */
#define LOST_TEXT_MAX 128
#define SHORT_MAX     ((size_t) 8 * 1024)

struct entry {
        struct list node;
        size_t size;
        char bytes[];
};

struct journal {
        pthread_mutex_t lock;
        int fd;
        union {
                struct sockaddr sa;
                struct sockaddr_un un;
        } address;
        struct list waiting; /* entries, the oldest first */
        size_t waiting_size;
        uint64_t lost; /* since the last entry that was taken */
};

static void set_up_lock(struct journal *journal) {
        pthread_mutexattr_t attributes;

        (void) pthread_mutexattr_init(&attributes);
        (void) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
        (void) pthread_mutex_init(&journal->lock, &attributes);
        (void) pthread_mutexattr_destroy(&attributes);
}

int journal_new(struct journal **ret, const char *path) {
        struct journal *journal;

        path = path ?: SOCKET_PATH;
        if (strlen(path) >= sizeof(journal->address.un.sun_path))
                return -ENAMETOOLONG;
        journal = calloc(1, sizeof(*journal));
        if (!journal)
                return -ENOMEM;
        set_up_lock(journal);
        journal->fd = -1;
        journal->address.un.sun_family = AF_UNIX;
        (void) stpcpy(journal->address.un.sun_path, path);
        list_init(&journal->waiting);
        *ret = journal;
        return 0;
}

static void drop_first(struct journal *journal) {
        struct entry *entry = container_of(journal->waiting.next, struct entry, node);

        list_remove(&entry->node);
        journal->waiting_size -= entry->size;
        free(entry);
}

struct journal *journal_free(struct journal *journal) {
        if (!journal)
                return NULL;
        while (!list_empty(&journal->waiting))
                drop_first(journal);
        fd_close(journal->fd);
        (void) pthread_mutex_destroy(&journal->lock);
        free(journal);
        return NULL;
}

/* ---- The socket ---- */

static int open_socket(struct journal *journal) {
        _cleanup_fd_ int fd = -1;
        int size = SEND_BUFFER;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        if (connect(fd, &journal->address.sa, sizeof(journal->address.un)) < 0)
                return -errno;
        journal->fd = TAKE_FD(fd);
        return 0;
}

/* An entry that no datagram can hold. journald reads it whenever it gets to it: nobody can change it meanwhile. */
static int send_memfd(int fd, const void *bytes, size_t size) {
        _cleanup_fd_ int memory = -1;
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };

        memory = fd_memfd_sealed("muster-journal", bytes, size);
        if (memory < 0)
                return memory;
        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS,
                                           .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));
        return sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_bytes(int fd, const void *bytes, size_t size) {
        int r;

        r = send(fd, bytes, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
        return r == -EMSGSIZE || r == -ENOBUFS ? send_memfd(fd, bytes, size) : r;
}

static bool is_connection_lost(int error) {
        return error == -ECONNREFUSED || error == -ENOTCONN || error == -ECONNRESET;
}

/* Returns 0, -EAGAIN while the journal is full, or another negative errno where there is none. */
static int transmit(struct journal *journal, const void *bytes, size_t size) {
        int r = 0;

        if (journal->fd < 0)
                r = open_socket(journal);
        if (r >= 0)
                r = send_bytes(journal->fd, bytes, size);
        if (!is_connection_lost(r) || journal->fd < 0)
                return r;
        /* It was started anew, on a new socket */
        journal->fd = fd_close(journal->fd);
        r = open_socket(journal);
        return r < 0 ? r : send_bytes(journal->fd, bytes, size);
}

/* ---- What waits ---- */

static void tell_lost(struct journal *journal) {
        char text[LOST_TEXT_MAX];
        int n;

        n = snprintf(text, sizeof(text),
                     "PRIORITY=%d\nMESSAGE=%" PRIu64 " log entries were lost: the journal took none\n",
                     LOG_WARNING, journal->lost);
        if (transmit(journal, text, (size_t) n) != -EAGAIN)
                journal->lost = 0;
}

static bool flush(struct journal *journal, usec_t patience) {
        usec_t end = usec_add(now_monotonic(), patience), now;

        while (!list_empty(&journal->waiting)) {
                const struct entry *entry = container_of(journal->waiting.next, struct entry, node);
                struct pollfd wait = { .fd = journal->fd, .events = POLLOUT };

                if (transmit(journal, entry->bytes, entry->size) != -EAGAIN) {
                        drop_first(journal);
                        continue;
                }
                now = now_monotonic();
                if (now >= end ||
                    poll(&wait, 1, (int) ((end - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) <= 0)
                        return false;
        }
        if (journal->lost > 0)
                tell_lost(journal);
        return true;
}

bool journal_flush(struct journal *journal, usec_t patience) {
        bool done;

        if (pthread_mutex_lock(&journal->lock) != 0)
                return false;
        done = flush(journal, patience);
        (void) pthread_mutex_unlock(&journal->lock);
        return done;
}

static void keep(struct journal *journal, struct entry *entry) {
        if (journal->lost > 0 || entry->size > WAITING_MAX - journal->waiting_size) {
                journal->lost++;
                free(entry);
                return;
        }
        list_append(&journal->waiting, &entry->node);
        journal->waiting_size += entry->size;
}

/* ---- The format ---- */

static char *add(char *p, const void *bytes, size_t size) {
        return (char *) memcpy(p, bytes, size) + size;
}

/* "KEY=value\n", or "KEY\n", the value's size, the value and "\n" where that would end the line early. */
static char *add_field(char *p, const struct iovec *field) {
        const char *text = field->iov_base, *equals = memchr(text, '=', field->iov_len);
        size_t key, size;

        if (equals && memchr(equals, '\n', field->iov_len - (size_t) (equals - text))) {
                key = (size_t) (equals - text);
                size = field->iov_len - key - 1;
                p = add(p, text, key);
                *p++ = '\n';
                for (unsigned int i = 0; i < NUMBER_SIZE; i++)
                        *p++ = (char) ((uint64_t) size >> (8 * i));
                p = add(p, equals + 1, size);
        } else
                p = add(p, text, field->iov_len);
        *p++ = '\n';
        return p;
}

static size_t room_for(const struct iovec *fields, size_t n_fields) {
        size_t room = 0;

        for (size_t i = 0; i < n_fields; i++)
                room += fields[i].iov_len + NUMBER_SIZE + 2;
        return room;
}

static size_t format(char *bytes, const struct iovec *fields, size_t n_fields) {
        char *p = bytes;

        for (size_t i = 0; i < n_fields; i++)
                p = add_field(p, &fields[i]);
        return (size_t) (p - bytes);
}

static struct entry *make_entry(const struct iovec *fields, size_t n_fields) {
        struct entry *entry;

        entry = malloc(sizeof(*entry) + room_for(fields, n_fields));
        if (!entry)
                return NULL;
        entry->size = format(entry->bytes, fields, n_fields);
        list_init(&entry->node);
        return entry;
}

/* What most entries are: short, and taken at once. They need no memory from the heap, which may be the very thing that
 * is broken. Returns -EAGAIN for all others. */
static int send_at_once(struct journal *journal, const struct iovec *fields, size_t n_fields) {
        char bytes[SHORT_MAX];

        if (room_for(fields, n_fields) > sizeof(bytes) || !flush(journal, 0))
                return -EAGAIN;
        return transmit(journal, bytes, format(bytes, fields, n_fields));
}

/* In order: nothing overtakes what waits. */
static int send_or_keep(struct journal *journal, const struct iovec *fields, size_t n_fields) {
        struct entry *entry;
        int r;

        r = send_at_once(journal, fields, n_fields);
        if (r != -EAGAIN)
                return r;
        entry = make_entry(fields, n_fields);
        if (!entry)
                return -ENOMEM;
        if (flush(journal, 0))
                r = transmit(journal, entry->bytes, entry->size);
        if (r == -EAGAIN) {
                keep(journal, entry);
                return 0;
        }
        free(entry);
        return r;
}

int journal_send(struct journal *journal, const struct iovec *fields, size_t n_fields) {
        int r;

        r = -pthread_mutex_lock(&journal->lock);
        if (r < 0)
                return r;
        r = send_or_keep(journal, fields, n_fields);
        (void) pthread_mutex_unlock(&journal->lock);
        return r;
}
