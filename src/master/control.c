/* SPDX-License-Identifier: MIT */

/*
 * The control socket: where an operator's tools speak to the master.
 *
 * It speaks D-Bus, peer to peer, without a broker: types, introspection and a client library are there already, and busctl
 * is a client that needs no musterctl. As a broker would, it answers Hello, since some clients insist.
 *
 * Whoever gets through may stop the service anyway, so what has to be held off is mistakes and floods. A connection that
 * does not authenticate is closed after a few seconds. There are CLIENTS_MAX of them; one more takes the place of
 * the oldest that has not authenticated, else of the one that has been silent longest without waiting for an
 * answer. One that asks without reading the answers is closed when a few are left lying. Descriptors are not
 * accepted. When the master itself has no descriptor left, accepting pauses and does not spin. And all of it
 * comes after the children in the loop's order: nobody keeps the master from its work by asking how it is.
 *
 * Access is checked once, when a connection is made (control-access.c); who has passed is trusted.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/control.h"
#include "master/control.h"
#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"

#define CLIENTS_MAX   32U
#define AUTHENTICATE  (5 * USEC_PER_SEC)
#define PAUSE         USEC_PER_SEC
#define ANSWERS_MAX   16U /* not read by the client */
#define BACKLOG       64
#define PRIORITY      (SD_EVENT_PRIORITY_NORMAL + 20)
#define DIRECTORY_ENV "RUNTIME_DIRECTORY"

static struct control_client *client_free(struct control_client *client) {
        if (!client)
                return NULL;
        LIST_FOREACH_SAFE(node, &client->control->calls) {
                struct control_call *call = container_of(node, struct control_call, node);

                if (call->client == client)
                        control_call_free(call);
        }
        list_remove(&client->node);
        client->control->n_clients--;
        control_monitor_end(client);
        sd_event_source_disable_unref(client->timer);
        sd_bus_close_unref(client->bus);
        free(client);
        return NULL;
}

/* ---- What a client may cost ---- */

static int dispatch_authenticate(sd_event_source *source, uint64_t when, void *userdata) {
        struct control_client *client = userdata;

        if (sd_bus_is_ready(client->bus) > 0)
                return 0;
        log_debug("A client of the control socket did not authenticate in time, closing it");
        client_free(client);
        return 0;
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        client_free(userdata);
        return 0;
}

/* Sees each message first. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct control_client *client = userdata;
        uint64_t n;

        client->active = now_monotonic();
        if (sd_bus_get_n_queued_write(client->bus, &n) < 0 || n < ANSWERS_MAX)
                return 0;
        log_debug("A client of the control socket does not read its answers, closing it");
        client_free(client);
        return 1;
}

/* Who gives way to a newcomer: NULL when everybody has a reason to stay. */
static struct control_client *find_victim(struct control *control) {
        struct control_client *silent = NULL;

        LIST_FOREACH(node, &control->clients) {
                struct control_client *client = container_of(node, struct control_client, node);

                if (sd_bus_is_ready(client->bus) <= 0)
                        return client;
                if (client->n_calls == 0 && (!silent || client->active < silent->active))
                        silent = client;
        }
        return silent;
}

/* ---- Connections ---- */

static int start_bus(struct control_client *client, int *fd) {
        sd_event *event = client->control->service->event;
        sd_id128_t id;
        int r;

        r = sd_bus_new(&client->bus);
        r = r < 0 ? r : sd_id128_randomize(&id);
        r = r < 0 ? r : sd_bus_set_description(client->bus, "control");
        r = r < 0 ? r : sd_bus_set_fd(client->bus, *fd, *fd);
        if (r < 0)
                return r;
        TAKE_FD(*fd);
        r = sd_bus_set_server(client->bus, true, id);
        r = r < 0 ? r : sd_bus_set_trusted(client->bus, true);
        r = r < 0 ? r : sd_bus_negotiate_fds(client->bus, false);
        r = r < 0 ? r : sd_bus_add_filter(client->bus, NULL, on_message, client);
        r = r < 0 ? r
                  : sd_bus_match_signal(client->bus, NULL, "org.freedesktop.DBus.Local",
                                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Disconnected", on_disconnected, client);
        r = r < 0 ? r : control_methods_add(client);
        r = r < 0 ? r : sd_bus_start(client->bus);
        return r < 0 ? r : sd_bus_attach_event(client->bus, event, PRIORITY);
}

static int client_new(struct control *control, int *fd) {
        struct control_client *client;
        int r;

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        *client = (struct control_client){ .control = control, .active = now_monotonic() };
        list_append(&control->clients, &client->node);
        control->n_clients++;

        r = start_bus(client, fd);
        if (r >= 0)
                r = sd_event_add_time(control->service->event, &client->timer, CLOCK_MONOTONIC,
                                      usec_add(client->active, AUTHENTICATE), USEC_PER_SEC / 10,
                                      dispatch_authenticate, client);
        if (r < 0)
                client_free(client);
        return r;
}

static bool may_enter(struct control *control, int fd) {
        socklen_t size = sizeof(struct ucred);
        struct ucred peer;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || !control_may(&peer, geteuid())) {
                log_debug("Somebody who may not has connected to the control socket, closing it");
                return false;
        }
        if (control->n_clients >= CLIENTS_MAX)
                client_free(find_victim(control));
        if (control->n_clients < CLIENTS_MAX)
                return true;
        log_debug("All %u clients of the control socket wait for answers, closing another", CLIENTS_MAX);
        return false;
}

static int dispatch_pause(sd_event_source *source, uint64_t when, void *userdata) {
        struct control *control = userdata;

        (void) sd_event_source_set_enabled(control->accept, SD_EVENT_ON);
        return 0;
}

/* The connection waits in the socket, which stays readable: looking again at once would only burn the CPU. */
static void pause_accepting(struct control *control, int error) {
        log_warning(error, "Cannot accept a connection on the control socket, trying again: %m");
        (void) sd_event_source_set_enabled(control->accept, SD_EVENT_OFF);
        (void) sd_event_source_set_time(control->pause, usec_add(now_monotonic(), PAUSE));
        (void) sd_event_source_set_enabled(control->pause, SD_EVENT_ONESHOT);
}

static int dispatch_accept(sd_event_source *source, int listener, uint32_t events, void *userdata) {
        struct control *control = userdata;
        _cleanup_fd_ int fd = -1;
        int r;

        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        pause_accepting(control, -errno);
                return 0;
        }
        if (!may_enter(control, fd))
                return 0;
        r = client_new(control, &fd);
        if (r < 0)
                log_warning(r, "Failed to take a connection on the control socket: %m");
        return 0;
}

/* ---- The socket ---- */

/* Where it belongs: what systemd has made, or a directory that we make. `MUSTER_RUNTIME_DIR=` asks for none. Returns 1
 * with the directory, 0 where there is none. */
static int find_directory(const char *instance, char **ret, bool *ret_make) {
        const char *given = getenv(DIRECTORY_ENV), *own = getenv("MUSTER_RUNTIME_DIR");
        int n;

        if (own && !*own)
                return 0;
        *ret_make = own || !given || !*given;
        /* systemd may have made several; ours is the first */
        if (*ret_make)
                n = asprintf(ret, "%s/%s", control_directory(), instance);
        else
                n = asprintf(ret, "%.*s", (int) strcspn(given, ":"), given);
        return n < 0 ? -ENOMEM : 1;
}

/* A socket that nobody answers is left over from one who was killed. */
static int remove_stale(const struct sockaddr_un *address) {
        _cleanup_fd_ int fd = -1;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) >= 0 || errno == EAGAIN)
                return -EADDRINUSE;
        if (errno == ECONNREFUSED)
                (void) unlink(address->sun_path);
        return 0;
}

static int listen_on(const struct sockaddr_un *address) {
        _cleanup_fd_ int fd = -1;
        mode_t mask;
        int r;

        r = remove_stale(address);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        mask = umask(0177);
        r = bind(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 ? -errno : 0;
        (void) umask(mask);
        if (r < 0)
                return r;
        if (listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_socket(struct control *control, const char *directory, bool make) {
        struct sockaddr_un address;
        int r;

        if (make) {
                (void) mkdir(control_directory(), 0755);
                if (mkdir(directory, 0755) >= 0)
                        control->directory = strdup(directory);
        }
        r = control_address_in(directory, &address);
        if (r < 0)
                return r;
        control->fd = listen_on(&address);
        if (control->fd < 0)
                return control->fd;
        control->path = strdup(address.sun_path);
        return control->path ? 0 : -ENOMEM;
}

/* Clients that connected between the two programs are still in its queue. */
static int adopt_socket(struct control *control, const struct control_left *left) {
        union {
                struct sockaddr any;
                struct sockaddr_un un;
        } address = {};
        socklen_t size = sizeof(address);

        control->fd = left->fd;
        if (getsockname(left->fd, &address.any, &size) < 0)
                return -errno;
        control->path = strndup(address.un.sun_path, sizeof(address.un.sun_path));
        if (left->directory)
                control->directory = strdup(left->directory);
        return control->path && (control->directory || !left->directory) ? 0 : -ENOMEM;
}

static int watch_socket(struct control *control) {
        sd_event *event = control->service->event;
        int r;

        r = sd_event_add_time(event, &control->pause, CLOCK_MONOTONIC, 0, 0, dispatch_pause, control);
        r = r < 0 ? r : sd_event_source_set_enabled(control->pause, SD_EVENT_OFF);
        r = r < 0 ? r
                  : sd_event_add_io(event, &control->accept, control->fd, EPOLLIN, dispatch_accept, control);
        return r < 0 ? r : sd_event_source_set_priority(control->accept, PRIORITY);
}

static int set_up(struct service *service, const char *directory, bool make,
                  const struct control_left *left) {
        struct control *control;
        int r;

        control = calloc(1, sizeof(*control));
        if (!control)
                return -ENOMEM;
        *control = (struct control){ .service = service, .fd = -1 };
        list_init(&control->clients);
        list_init(&control->calls);
        r = left ? adopt_socket(control, left) : open_socket(control, directory, make);
        r = r < 0 ? r : watch_socket(control);
        if (r < 0) {
                control_free(control);
                return r;
        }
        service->control = control;
        return 0;
}

void control_open(struct service *service, const struct control_left *left) {
        _cleanup_free_ char *directory = NULL;
        bool make = false;
        int r;

        if (left && left->fd < 0)
                left = NULL;
        if (left)
                r = 1;
        else
                r = find_directory(service->current->config->instance, &directory, &make);
        if (r == 0) {
                log_info("No control socket, as MUSTER_RUNTIME_DIR says");
                return;
        }
        r = r < 0 ? r : set_up(service, directory, make, left);
        if (r < 0)
                log_full(make ? LOG_INFO : LOG_WARNING, r, "No control socket in %s: %m",
                         directory ?: "the place it had");
}

struct control *control_free(struct control *control) {
        if (!control)
                return NULL;
        LIST_FOREACH_SAFE(node, &control->clients)
                client_free(container_of(node, struct control_client, node));
        sd_event_source_disable_unref(control->accept);
        sd_event_source_disable_unref(control->pause);
        sd_event_source_disable_unref(control->monitor_timer);
        fd_close(control->fd);
        if (control->path) {
                (void) unlink(control->path);
                free(control->path);
        }
        if (control->directory) {
                (void) rmdir(control->directory);
                free(control->directory);
        }
        free(control);
        return NULL;
}
