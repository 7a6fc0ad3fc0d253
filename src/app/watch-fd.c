/* SPDX-License-Identifier: MIT */

/*
 * Descriptors that the application has watched, on the process's sd-event loop: for libraries that bring their own
 * connections and want to be told when those are ready. Handlers run under the guard.
 *
 * Level-triggered, since that is what such libraries expect: what a handler leaves unread is told again. It is also why
 * a watch of a worker rests once its handler has faulted. What it faulted on is still there, so it would be called again
 * at once, and that second fault would end the worker with all the requests it has yet to answer. The agent, which is to
 * live on, goes on watching; an agent that only faults any more meets its limit and is replaced.
 *
 * A watch for nothing is not in the kernel's set at all: epoll would go on to tell of a hang-up, and the loop would spin.
 *
 * A descriptor is the caller's, who should end the watch before closing it. Who does it the other way round must not be
 * punished by something that cannot be found: epoll knows a descriptor by its number and the open file behind it. If
 * that file lives on elsewhere (a duplicate, another process), its entry stays and cannot be taken out any more; and taking
 * out the number might take out whoever has it now, a timer of ours perhaps. So a watch looks whether the number is
 * still what it was. If it is not, the loop is left with a source that nobody is called for, for as long as it
 * lives.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "app/process.h"

struct muster_watch {
        struct list node;
        struct muster *muster;
        sd_event_source *source;
        int fd;      /* not owned */
        dev_t dev;   /* which file it was */
        ino_t inode; /* when the watch began */
        muster_watch_handler_t handler;
        void *data;
        unsigned int ready; /* what the handler is told */
        bool running;       /* the handler is: it is freed when that is back */
        bool ended;         /* meanwhile */
};

static const struct guard_context watch_context = { .route = "watch" };

/* Whether the number stands for what it stood for when the watch began. */
static bool still_open(const struct muster_watch *watch) {
        struct stat now;

        return fstat(watch->fd, &now) >= 0 && now.st_dev == watch->dev && now.st_ino == watch->inode;
}

/* A source without userdata calls nobody; it is the loop's own from here on. */
static void leave_behind(sd_event_source *source) {
        (void) sd_event_source_set_userdata(source, NULL);
        (void) sd_event_source_set_floating(source, true);
        sd_event_source_unref(source);
}

static struct muster_watch *watch_free(struct muster_watch *watch) {
        if (watch->source && !still_open(watch))
                leave_behind(TAKE_PTR(watch->source));
        watch->source = sd_event_source_disable_unref(watch->source);
        list_remove(&watch->node);
        if (watch->running)
                watch->ended = true;
        else
                free(watch);
        return NULL;
}

static uint32_t to_epoll(unsigned int events) {
        return (events & MUSTER_READABLE ? EPOLLIN : 0U) | (events & MUSTER_WRITABLE ? EPOLLOUT : 0U);
}

static unsigned int from_epoll(uint32_t events) {
        return (events & EPOLLIN ? (unsigned int) MUSTER_READABLE : 0U) |
               (events & EPOLLOUT ? (unsigned int) MUSTER_WRITABLE : 0U) |
               (events & (EPOLLERR | EPOLLHUP) ? (unsigned int) MUSTER_HANGUP : 0U);
}

static bool events_are_valid(unsigned int events) {
        return (events & ~(unsigned int) (MUSTER_READABLE | MUSTER_WRITABLE)) == 0;
}

static void call_handler(void *argument) {
        struct muster_watch *watch = argument;

        watch->handler(watch->muster, watch->fd, watch->ready, watch->data);
}

static int watch_dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct muster_watch *watch = userdata;
        struct muster *muster;
        int signal;

        if (!watch)
                return 0;
        muster = watch->muster;
        muster->event_changed = true;
        watch->ready = from_epoll(events);
        watch->running = true;
        signal = muster_process_run(muster, &watch_context, call_handler, watch);
        watch->running = false;
        if (watch->ended)
                free(watch);
        else if (signal != 0 && muster->role != MUSTER_ROLE_AGENT)
                (void) muster_watch_change(watch, 0);
        return 0;
}

static bool is_watched(const struct muster *muster, int fd) {
        LIST_FOREACH(node, &muster->watches)
                if (container_of(node, struct muster_watch, node)->fd == fd)
                        return true;
        return false;
}

static int watch_new(struct muster_watch **ret, struct muster *muster, int fd, unsigned int events,
                     muster_watch_handler_t handler, void *data) {
        struct muster_watch *watch;
        struct stat file;
        int r;

        if (fstat(fd, &file) < 0)
                return -errno;
        if (is_watched(muster, fd))
                return -EEXIST;
        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return -ENOMEM;
        *watch = (struct muster_watch){
                .muster = muster,
                .fd = fd,
                .dev = file.st_dev,
                .inode = file.st_ino,
                .handler = handler,
                .data = data,
        };
        list_append(&muster->watches, &watch->node);
        r = sd_event_add_io(muster->event, &watch->source, fd, to_epoll(events), watch_dispatch, watch);
        if (r >= 0)
                r = muster_watch_change(watch, events);
        if (r < 0) {
                watch_free(watch);
                return r;
        }
        *ret = watch;
        return 0;
}

struct muster_watch *muster_watch_fd(struct muster *muster, int fd, unsigned int events,
                                     muster_watch_handler_t handler, void *data) {
        struct muster_watch *watch = NULL;
        int r = -EINVAL;

        if (handler && events_are_valid(events))
                r = watch_new(&watch, muster, fd, events, handler, data);
        if (r < 0)
                errno = -r;
        return watch;
}

int muster_watch_change(struct muster_watch *watch, unsigned int events) {
        int r;

        if (!events_are_valid(events))
                return -EINVAL;
        if (!watch->source || !still_open(watch))
                return -EBADF;
        watch->muster->event_changed = true;
        if (events == 0)
                return sd_event_source_set_enabled(watch->source, SD_EVENT_OFF);
        r = sd_event_source_set_io_events(watch->source, to_epoll(events));
        return r < 0 ? r : sd_event_source_set_enabled(watch->source, SD_EVENT_ON);
}

struct muster_watch *muster_watch_end(struct muster_watch *watch) {
        return watch && !watch->ended ? watch_free(watch) : NULL;
}

void muster_watches_free(struct muster *muster) {
        LIST_FOREACH_SAFE(node, &muster->watches)
                watch_free(container_of(node, struct muster_watch, node));
}
