/* SPDX-License-Identifier: MIT */

/*
 * The worker's loop: one epoll for everything.
 *
 * The listening sockets are in it directly, with EPOLLEXCLUSIVE, so that the kernel wakes one worker for a
 * connection and not all of them; that flag is lost in a nested epoll, and sd_event_add_io() refuses it. So
 * it is this epoll that is outermost, and sd-event's and libmicrohttpd's are watched from it.
 *
 * sd-event is driven by hand (prepare, wait, dispatch). It stays prepared from turn to turn, which costs
 * nothing; only when something of it was changed outside a dispatch (a request's handler started a timer:
 * `event_changed`) must it be prepared again, or the loop would sleep past the new timer.
 *
 * The channel is in it too, so that a message costs one wait. What a turn sends leaves before the next wait.
 *
 * How busy the worker is, is how long it is between two waits. The clock is read twice a turn, before the wait for
 * its timeout and after it for everybody who asks for the time, and the two give that span without a third look.
 */

#include <errno.h>
#include <sys/epoll.h>

#include "ipc/channel.h"
#include "util/fd.h"
#include "util/time.h"
#include "worker/loop.h"

#define EVENTS_PER_TURN     16
#define DISPATCHES_PER_TURN 16 /* of sd-event, so that busy timers leave room for requests */

struct loop {
        struct muster *muster;      /* not owned */
        struct http_server *server; /* not owned */
        int epoll_fd;
        bool prepared; /* sd-event waits for its descriptor to become readable */
        usec_t woke;   /* when the wait of the turn before ended; 0 before the first */
};

static int watch(struct loop *loop, int fd, void *tag) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

        return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int loop_new(struct loop **ret, struct muster *muster, struct http_server *server) {
        _cleanup_(cleanup_loop_free) struct loop *loop = NULL;
        int r;

        loop = calloc(1, sizeof(*loop));
        if (!loop)
                return -ENOMEM;
        *loop = (struct loop){ .muster = muster, .server = server, .epoll_fd = -1 };
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return -errno;
        r = watch(loop, sd_event_get_fd(muster->event), loop);
        if (r < 0)
                return r;
        r = watch(loop, http_server_fd(server), server);
        if (r >= 0 && muster->channel)
                r = channel_watch_from(muster->channel, loop->epoll_fd, muster->channel);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loop);
        return 0;
}

struct loop *loop_free(struct loop *loop) {
        if (!loop)
                return NULL;
        fd_close(loop->epoll_fd);
        free(loop);
        return NULL;
}

int loop_listen(struct loop *loop) {
        return http_server_listen(loop->server, loop->epoll_fd);
}

/* Runs what sd-event has ready, and leaves it prepared, unless there is more of it than is good for a turn. */
static int pump_events(struct loop *loop) {
        sd_event *event = loop->muster->event;
        int r;

        if (loop->prepared) {
                loop->prepared = false;
                r = sd_event_wait(event, 0);
                if (r > 0)
                        r = sd_event_dispatch(event);
                if (r < 0)
                        return r;
        }
        for (unsigned int i = 0; i < DISPATCHES_PER_TURN; i++) {
                loop->muster->event_changed = false;
                r = sd_event_prepare(event);
                if (r < 0)
                        return r;
                if (r == 0) {
                        loop->prepared = true;
                        break;
                }
                r = sd_event_dispatch(event);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Milliseconds for epoll_wait(), rounded up so that it never wakes too early and spins. */
static int timeout_until(usec_t next, usec_t now) {
        usec_t wait;

        if (next == USEC_NEVER)
                return -1;
        if (next <= now)
                return 0;
        wait = (next - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
        return (int) MIN(wait, (usec_t) 60000);
}

static void note_waiting(struct loop *loop, usec_t now) {
        struct slot *slot = loop->muster->slot;

        if (loop->woke > 0)
                slot->busy += now - loop->woke;
        slot->busy_since = 0;
}

/* Whoever looks while a turn goes on, be it for a minute, shall see that too. */
static void note_working(struct loop *loop, usec_t now) {
        loop->woke = loop->muster->slot->busy_since = now;
}

int loop_turn(struct loop *loop) {
        struct epoll_event events[EVENTS_PER_TURN];
        bool readable = false, messages = false;
        usec_t now;
        int n, r, timeout;

        if (!loop->prepared || loop->muster->event_changed) {
                r = pump_events(loop);
                if (r < 0)
                        return r;
        }

        channel_flush_all();
        now = now_monotonic();
        timeout = loop->prepared ? timeout_until(http_server_next(loop->server), now) : 0;
        note_waiting(loop, now);
        n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout);
        if (n < 0 && errno != EINTR)
                return -errno;
        now = now_monotonic();
        note_working(loop, now);

        for (int i = 0; i < n; i++)
                if (events[i].data.ptr == loop)
                        readable = true;
                else if (events[i].data.ptr == loop->muster->channel) {
                        messages = true;
                        channel_process(loop->muster->channel, events[i].events);
                } else if (events[i].data.ptr != loop->server)
                        http_server_accept(loop->server, events[i].data.ptr);

        if (readable) {
                r = pump_events(loop);
                if (r < 0)
                        return r;
        }
        /* A message by itself is no reason to look at connections, which costs a wait of its own. */
        if (n != 1 || !messages || !http_server_idle(loop->server, now))
                http_server_process(loop->server, now);
        return 0;
}
