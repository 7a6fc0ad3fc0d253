/* SPDX-License-Identifier: MIT */

/*
 * Where the listening sockets come from.
 *
 * Normally from systemd, which has bound them before anything of ours ran and keeps them when we are gone.
 * Any number is taken, under the names the socket unit gave them; what is not a listening stream socket of a
 * family we can serve is closed, and said so. Run by hand there is nothing from systemd: then the addresses
 * of `[http] listen` are bound here.
 *
 * The master never accepts. It holds the sockets so that they outlive every worker. Each generation has a set of its own,
 * of duplicates where an address stays: so a reload that changes `listen` can bind what is new before it gives up what
 * is old, and gives back what is new when it fails.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>

#include <systemd/sd-daemon.h>

#include "config/address.h"
#include "master/sockets.h"
#include "master/state.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/macro.h"

#define BACKLOG      4096 /* the kernel cuts it to net.core.somaxconn */
#define DEFAULT_NAME "http"

/* ---- What a socket is, in words ---- */

void sockets_describe(int fd, char *buffer, size_t size) {
        struct config_address address = { .size = sizeof(address.socket) };
        char host[INET6_ADDRSTRLEN];

        if (getsockname(fd, &address.socket.sa, &address.size) < 0)
                (void) snprintf(buffer, size, "a descriptor that is no socket");
        else if (address.socket.sa.sa_family == AF_INET)
                (void) snprintf(buffer, size, "%s:%u",
                                inet_ntop(AF_INET, &address.socket.in.sin_addr, host, sizeof(host)),
                                (unsigned int) ntohs(address.socket.in.sin_port));
        else if (address.socket.sa.sa_family == AF_INET6)
                (void) snprintf(buffer, size, "[%s]:%u",
                                inet_ntop(AF_INET6, &address.socket.in6.sin6_addr, host, sizeof(host)),
                                (unsigned int) ntohs(address.socket.in6.sin6_port));
        else if (address.socket.sa.sa_family == AF_UNIX &&
                 address.size > offsetof(struct sockaddr_un, sun_path))
                (void) snprintf(buffer, size, "%s%.*s", address.socket.un.sun_path[0] ? "" : "@",
                                (int) sizeof(address.socket.un.sun_path) - 1,
                                address.socket.un.sun_path[0] ? address.socket.un.sun_path
                                                              : address.socket.un.sun_path + 1);
        else
                (void) snprintf(buffer, size, "a socket of family %d", address.socket.sa.sa_family);
}

static bool is_servable(int fd) {
        static const int families[] = { AF_INET, AF_INET6, AF_UNIX };

        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (sd_is_socket(fd, families[i], SOCK_STREAM, 1) > 0)
                        return true;
        return false;
}

static int append(struct sockets *sockets, int fd, char *name, char *address) {
        int *fds;
        char **names, **addresses;

        fds = reallocarray(sockets->fds, sockets->n + 1, sizeof(*fds));
        if (fds)
                sockets->fds = fds;
        names = reallocarray(sockets->names, sockets->n + 1, sizeof(*names));
        if (names)
                sockets->names = names;
        addresses = reallocarray(sockets->addresses, sockets->n + 1, sizeof(*addresses));
        if (addresses)
                sockets->addresses = addresses;
        if (!fds || !names || !addresses)
                return -ENOMEM;
        sockets->fds[sockets->n] = fd;
        sockets->names[sockets->n] = name;
        sockets->addresses[sockets->n] = address;
        sockets->n++;
        return 0;
}

/* ---- From systemd ---- */

/* systemd passes what it has kept together with the sockets. */
static bool is_state(int fd, const char *name) {
        return streq(name, STATE_FD_NAME) && sd_is_socket(fd, AF_UNSPEC, 0, -1) == 0;
}

static int take_one(struct sockets *sockets, int fd, char *name) {
        char where[160];
        int r;

        sockets_describe(fd, where, sizeof(where));
        if (!is_servable(fd)) {
                log_warning(
                        0,
                        "Descriptor %d \"%s\" from systemd is not a listening stream socket (%s), closing it",
                        fd, name, where);
                fd_close(fd);
                free(name);
                return 0;
        }
        r = append(sockets, fd, name, NULL);
        if (r < 0) {
                fd_close(fd);
                free(name);
                return r;
        }
        log_info("Listening on %s \"%s\", from systemd", where, name);
        return 0;
}

/* Returns how many descriptors systemd has passed to listen on, whether they were of use or not. */
static int take_from_systemd(struct sockets *sockets, int *ret_state_fd) {
        _cleanup_free_ char **names = NULL;
        int n, r = 0, taken = 0;

        n = sd_listen_fds_with_names(1, &names);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i, error;

                if (*ret_state_fd < 0 && is_state(fd, names[i])) {
                        *ret_state_fd = fd;
                        free(names[i]);
                        continue;
                }
                error = take_one(sockets, fd, names[i]);
                r = r < 0 ? r : error;
                taken++;
        }
        if (n < 0)
                return n;
        return r < 0 ? r : taken;
}

/* ---- Our own ---- */

/* A socket file that nobody listens on any more is in the way; one that somebody does is not ours to take.
 */
static void remove_stale(const struct config_address *address) {
        const char *path = address->socket.un.sun_path;
        _cleanup_fd_ int fd = -1;
        struct stat st;

        if (address->socket.sa.sa_family != AF_UNIX || path[0] == '\0')
                return;
        if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, &address->socket.sa, address->size) < 0 && errno == ECONNREFUSED)
                (void) unlink(path);
}

static int bind_address(const struct config_address *address) {
        _cleanup_fd_ int fd = -1;
        int on = 1, only = !address->dual, family = address->socket.sa.sa_family;

        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (family != AF_UNIX) {
                if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
                        return -errno;
                if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
                        return -errno;
        }
        remove_stale(address);
        if (bind(fd, &address->socket.sa, address->size) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* A bare port means all addresses; where the machine has no IPv6, that is all of IPv4. */
static int bind_address_or_ipv4(const struct config_address *address) {
        struct config_address ipv4 = { .size = sizeof(struct sockaddr_in) };
        int fd;

        fd = bind_address(address);
        if (fd != -EAFNOSUPPORT || !address->dual)
                return fd;
        ipv4.socket.in.sin_family = AF_INET;
        ipv4.socket.in.sin_port = address->socket.in6.sin6_port;
        return bind_address(&ipv4);
}

static int bind_one(struct sockets *sockets, const char *text) {
        _cleanup_free_ char *name = NULL, *own = NULL;
        _cleanup_fd_ int fd = -1;
        struct config_address address;
        char where[160];
        int r;

        r = config_address_parse(text, &address);
        if (r < 0)
                return r;
        fd = bind_address_or_ipv4(&address);
        if (fd < 0)
                return fd;
        name = strdup(DEFAULT_NAME);
        own = strdup(text);
        if (!name || !own)
                return -ENOMEM;
        sockets_describe(fd, where, sizeof(where));
        r = append(sockets, fd, name, own);
        if (r < 0)
                return r;
        log_info("Listening on %s", where);
        TAKE_FD(fd);
        TAKE_PTR(name);
        TAKE_PTR(own);
        return 0;
}

static int refuse(char **ret_reason, int error, const char *address) {
        if (asprintf(ret_reason, "Cannot listen on %s: %s", address, strerror(-error)) < 0)
                *ret_reason = NULL;
        return error;
}

int sockets_open(struct sockets *sockets, char *const *listen, int *ret_state_fd, char **ret_reason) {
        int r;

        *ret_state_fd = -1;
        *ret_reason = NULL;
        r = take_from_systemd(sockets, ret_state_fd);
        if (r < 0)
                return refuse(ret_reason, r, "the sockets from systemd");
        if (r > 0)
                return sockets->n > 0 ? 0 : refuse(ret_reason, -ENOTSOCK, "any descriptor from systemd");

        for (; *listen; listen++) {
                r = bind_one(sockets, *listen);
                if (r < 0)
                        return refuse(ret_reason, r, *listen);
        }
        return sockets->n > 0 ? 0 : refuse(ret_reason, -EADDRNOTAVAIL, "nothing: [http] listen is empty");
}

/* ---- From one generation to the next ---- */

bool sockets_from_systemd(const struct sockets *sockets) {
        return sockets->n > 0 && !sockets->addresses[0];
}

/* The place of an address that we have bound; -1 where there is none. */
static ssize_t find(const struct sockets *sockets, const char *address) {
        for (size_t i = 0; i < sockets->n; i++)
                if (sockets->addresses[i] && streq(sockets->addresses[i], address))
                        return (ssize_t) i;
        return -1;
}

static int keep_one(struct sockets *sockets, const struct sockets *current, size_t i) {
        _cleanup_free_ char *name = strdup(current->names[i]), *address = NULL;
        _cleanup_fd_ int fd = -1;
        int r;

        if (current->addresses[i])
                address = strdup(current->addresses[i]);
        if (!name || (current->addresses[i] && !address))
                return -ENOMEM;
        fd = fcntl(current->fds[i], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = append(sockets, fd, name, address);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        TAKE_PTR(name);
        TAKE_PTR(address);
        return 0;
}

static int keep_all(struct sockets *sockets, const struct sockets *current) {
        int r = 0;

        for (size_t i = 0; i < current->n && r >= 0; i++)
                r = keep_one(sockets, current, i);
        return r;
}

int sockets_follow(struct sockets *sockets, const struct sockets *current, char *const *listen,
                   char **ret_reason) {
        int r;

        *ret_reason = NULL;
        if (sockets_from_systemd(current)) {
                r = keep_all(sockets, current);
                return r < 0 ? refuse(ret_reason, r, "the sockets from systemd") : 0;
        }
        for (; *listen; listen++) {
                ssize_t i = find(current, *listen);

                r = i >= 0 ? keep_one(sockets, current, (size_t) i) : bind_one(sockets, *listen);
                if (r < 0)
                        return refuse(ret_reason, r, *listen);
        }
        return 0;
}

int sockets_restore(struct sockets *sockets, int fd, char *name, char *address) {
        if (!is_servable(fd))
                return -ENOTSOCK;
        return append(sockets, fd, name, address);
}

/* ---- The end ---- */

/* Shut, so that it is free at once for whoever wants it next: workers that have not heard yet hold it too. */
static void give_up(int fd, const char *address) {
        (void) shutdown(fd, SHUT_RDWR);
        if (address[0] == '/')
                (void) unlink(address);
}

void sockets_deinit(struct sockets *sockets, const struct sockets *heir) {
        for (size_t i = 0; i < sockets->n; i++) {
                const char *address = sockets->addresses[i];

                if (address && (!heir || find(heir, address) < 0))
                        give_up(sockets->fds[i], address);
                fd_close(sockets->fds[i]);
                free(sockets->names[i]);
                free(sockets->addresses[i]);
        }
        free(sockets->fds);
        free(sockets->names);
        free(sockets->addresses);
        *sockets = (struct sockets) SOCKETS_NULL;
}
