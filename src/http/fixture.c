/* SPDX-License-Identifier: MIT */

/*
 * The server and its clients in one process: the server's loop turns whenever a client waits for something, so that
 * every test is one thread and nothing depends on luck. Whatever takes longer than five seconds has failed.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/fixture.h"
#include "util/fd.h"
#include "util/log.h"

#define PATIENCE (5 * USEC_PER_SEC)

struct fixture fixture;

int fixture_set_up(void **state) {
        fixture = (struct fixture){ .epoll_fd = -1, .listener_fd = -1 };
        log_set_level(LOG_ALERT);
        return config_new(&fixture.config);
}

int fixture_tear_down(void **state) {
        fixture.epoll_fd = fd_close(fixture.epoll_fd);
        fixture.server = http_server_free(fixture.server);
        fixture.router = router_free(fixture.router);
        fixture.muster = muster_process_free(fixture.muster);
        fixture.config = config_free(fixture.config);
        fixture.listener_fd = fd_close(fixture.listener_fd);
        return 0;
}

static void arm_guard(void) {
        const struct guard_options options = {
                .slot = fixture.muster->slot,
                .quarantine = &fixture.quarantine,
                .channel_fd = -1,
                .drain = true,
                .survive = true,
        };

        assert_int_equal(guard_setup(&options), 0);
}

static void start(const struct muster_route *routes, int family) {
        struct epoll_event event = { .events = EPOLLIN };
        char *reason;

        assert_int_equal(
                muster_process_new(&fixture.muster, MUSTER_ROLE_WORKER, "test", 0, fixture.config, NULL), 0);
        memset(fixture.muster->slot, 0, sizeof(*fixture.muster->slot));
        fixture.muster->quarantine = &fixture.quarantine;
        arm_guard();
        assert_int_equal(router_new(&fixture.router, routes, &reason), 0);
        assert_int_equal(http_server_new(&fixture.server, fixture.muster, fixture.router), 0);

        fixture.listener_fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fixture.listener_fd >= 0);
        assert_int_equal(bind(fixture.listener_fd, &fixture.address.any, fixture.address_size), 0);
        assert_int_equal(listen(fixture.listener_fd, 64), 0);
        fixture.address_size = sizeof(fixture.address);
        assert_int_equal(getsockname(fixture.listener_fd, &fixture.address.any, &fixture.address_size), 0);
        assert_int_equal(http_server_add_listener(fixture.server, dup(fixture.listener_fd), "test"), 0);

        fixture.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        event.data.ptr = fixture.server;
        assert_int_equal(epoll_ctl(fixture.epoll_fd, EPOLL_CTL_ADD, http_server_fd(fixture.server), &event),
                         0);
        event.data.ptr = fixture.muster;
        assert_int_equal(
                epoll_ctl(fixture.epoll_fd, EPOLL_CTL_ADD, sd_event_get_fd(fixture.muster->event), &event),
                0);
        assert_int_equal(http_server_listen(fixture.server, fixture.epoll_fd), 0);
}

void fixture_start(const struct muster_route *routes) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        memcpy(&fixture.address, &address, sizeof(address));
        fixture.address_size = sizeof(address);
        start(routes, AF_INET);
}

void fixture_start_unix(const struct muster_route *routes) {
        const struct sockaddr_un address = { .sun_family = AF_UNIX };

        /* Without a name the kernel gives it an abstract one. */
        memcpy(&fixture.address, &address, sizeof(address));
        fixture.address_size = sizeof(address.sun_family);
        start(routes, AF_UNIX);
}

/* Dispatches what sd-event has, and leaves its descriptor ready to be waited for. */
static void run_timers(void) {
        sd_event *event = fixture.muster->event;

        while (sd_event_run(event, 0) > 0)
                ;
        assert_int_equal(sd_event_prepare(event), 0);
}

void fixture_turn(usec_t wait) {
        struct epoll_event events[16];
        usec_t now, next;
        int n;

        run_timers();
        now = now_monotonic();
        next = http_server_next(fixture.server);
        wait = MIN(wait, next <= now ? 0 : next - now);
        n = epoll_wait(fixture.epoll_fd, events, ELEMENTSOF(events), (int) ((wait + 999) / 1000));
        assert_true(n >= 0 || errno == EINTR);
        (void) sd_event_wait(fixture.muster->event, 0);
        (void) sd_event_dispatch(fixture.muster->event);
        for (int i = 0; i < n; i++)
                if (events[i].data.ptr != fixture.server && events[i].data.ptr != fixture.muster)
                        http_server_accept(fixture.server, events[i].data.ptr);
        http_server_process(fixture.server, now_monotonic());
}

void fixture_run(usec_t span) {
        usec_t end = now_monotonic() + span, now;

        while ((now = now_monotonic()) < end)
                fixture_turn(end - now);
}

/* ---- Clients ---- */

struct client *client_new(void) {
        struct client *client = calloc(1, sizeof(*client));

        assert_non_null(client);
        client->fd = socket(fixture.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(client->fd >= 0);
        assert_int_equal(connect(client->fd, &fixture.address.any, fixture.address_size), 0);
        return client;
}

struct client *client_free(struct client *client) {
        if (!client)
                return NULL;
        fd_close(client->fd);
        free(client);
        return NULL;
}

void client_send_bytes(struct client *client, const void *bytes, size_t size) {
        const char *p = bytes;
        usec_t end = now_monotonic() + PATIENCE;

        while (size > 0 && now_monotonic() < end) {
                ssize_t n = send(client->fd, p, size, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno != EAGAIN)
                        return;
                if (n < 0)
                        fixture_turn(USEC_PER_MSEC);
                else {
                        p += n;
                        size -= (size_t) n;
                }
        }
        assert_int_equal(size, 0);
}

void client_send(struct client *client, const char *text) {
        client_send_bytes(client, text, strlen(text));
}

static void client_read(struct client *client) {
        ssize_t n = recv(client->fd, client->bytes + client->n, sizeof(client->bytes) - 1 - client->n,
                         MSG_DONTWAIT);

        if (n > 0)
                client->n += (size_t) n;
        else if (n == 0)
                client->ended = true;
        else if (errno != EAGAIN)
                client->ended = client->reset = true;
        client->bytes[client->n] = '\0';
}

/* Takes one whole answer out of what has come. */
static bool take_reply(struct client *client, struct reply *ret, bool head) {
        const char *end = strstr(client->bytes, "\r\n\r\n"), *length;
        size_t header_size;

        if (!end)
                return false;
        header_size = (size_t) (end - client->bytes) + 4;
        assert_true(header_size < sizeof(ret->header));
        memset(ret, 0, sizeof(*ret));
        memcpy(ret->header, client->bytes, header_size);
        ret->status = (unsigned int) strtoul(ret->header + strlen("HTTP/1.1 "), NULL, 10);
        length = strcasestr(ret->header, "\r\nContent-Length: ");
        if (length && !head)
                ret->size = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
        assert_true(ret->size < sizeof(ret->body));
        if (client->n < header_size + ret->size)
                return false;
        memcpy(ret->body, client->bytes + header_size, ret->size);
        client->n -= header_size + ret->size;
        memmove(client->bytes, client->bytes + header_size + ret->size, client->n + 1);
        return true;
}

bool client_receive(struct client *client, struct reply *ret, bool head) {
        usec_t end = now_monotonic() + PATIENCE;

        while (!take_reply(client, ret, head)) {
                if (client->ended || now_monotonic() > end)
                        return false;
                fixture_turn(USEC_PER_MSEC);
                client_read(client);
        }
        return true;
}

void client_ask(struct client *client, const char *request, unsigned int status, struct reply *ret) {
        struct reply *reply = ret ? ret : calloc(1, sizeof(*reply));

        client_send(client, request);
        assert_non_null(reply);
        assert_true(client_receive(client, reply, startswith(request, "HEAD")));
        assert_int_equal(reply->status, status);
        if (!ret)
                free(reply);
}

bool client_sees_end(struct client *client) {
        usec_t end = now_monotonic() + PATIENCE;

        while (!client->ended && now_monotonic() < end) {
                fixture_turn(USEC_PER_MSEC);
                client_read(client);
        }
        return client->ended;
}

bool reply_has(const struct reply *reply, const char *field) {
        const char *found = strcasestr(reply->header, field);

        return found && found > reply->header && found[-1] == '\n' && found[strlen(field)] == '\r';
}
