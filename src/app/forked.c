/* SPDX-License-Identifier: MIT */

/*
 * A process that muster_fork() has started, from its own side: its parent's messages, and how long it has anything to do.
 *
 * A function may compute for an hour and send what it has found; or it may listen, and then the process lives on for
 * what it listens to. So the loop ends by itself when nothing can happen in it any more, and nobody has to remember to
 * end it. When the parent is gone, or has closed the channel, there are no messages to wait for.
 *
 * While nobody listens nothing is read, so that what the parent sends waits, and in the end the parent does.
 */

#include <errno.h>
#include <stdlib.h>

#include "app/forked.h"
#include "app/link.h"
#include "util/fd.h"
#include "util/log.h"

struct forked {
        struct muster *muster;
        struct link *link; /* paused while nobody listens */
        bool exiting;
        int status;
        muster_parent_message_handler_t handler; /* NULL: nobody listens */
        void *data;
};

static const struct guard_context parent_context = { .route = "parent's message" };

/* ---- Messages ---- */

struct incoming {
        struct forked *forked;
        const void *bytes;
        size_t size;
        int fd;
};

static void call_handler(void *argument) {
        const struct incoming *incoming = argument;
        struct forked *forked = incoming->forked;

        forked->handler(forked->muster, incoming->bytes, incoming->size, incoming->fd, forked->data);
}

static void on_message(const void *bytes, size_t size, int fd, void *userdata) {
        struct incoming incoming = { userdata, bytes, size, fd };

        if (incoming.forked->handler && !incoming.forked->exiting)
                (void) muster_process_run(incoming.forked->muster, &parent_context, call_handler, &incoming);
}

static void on_closed(int error, void *userdata) {
}

int forked_new(struct forked **ret, struct muster *muster, int channel_fd) {
        _cleanup_(cleanup_forked_free) struct forked *forked = NULL;
        struct link_callbacks callbacks = { on_message, NULL, on_closed, NULL };
        int r;

        forked = calloc(1, sizeof(*forked));
        if (!forked) {
                fd_close(channel_fd);
                return -ENOMEM;
        }
        forked->muster = muster;
        callbacks.userdata = forked;
        r = link_new(&forked->link, muster->event, channel_fd, SENDER_PARENT, &callbacks);
        if (r < 0)
                return r;
        link_pause(forked->link, true);
        *ret = TAKE_PTR(forked);
        return 0;
}

struct forked *forked_free(struct forked *forked) {
        if (!forked)
                return NULL;
        link_free(forked->link);
        free(forked);
        return NULL;
}

/* ---- The loop ---- */

static bool has_anything_to_wait_for(const struct forked *forked) {
        const struct muster *muster = forked->muster;

        return (forked->handler && link_is_open(forked->link)) || !list_empty(&muster->timers) ||
               !list_empty(&muster->watches) || !list_empty(&muster->children);
}

int forked_loop(struct forked *forked) {
        int r = 0;

        while (r >= 0 && !forked->exiting && has_anything_to_wait_for(forked))
                r = sd_event_run(forked->muster->event, UINT64_MAX);
        return MIN(r, 0);
}

void forked_finish(struct forked *forked, usec_t patience) {
        if (!link_drain(forked->link, patience))
                log_warning(0, "Messages to the parent are lost: it does not read them");
}

int forked_status(const struct forked *forked) {
        return forked->status;
}

/* ---- Calls of the application ---- */

int muster_on_parent_message(struct muster *muster, muster_parent_message_handler_t handler, void *data) {
        struct forked *forked = muster->forked;

        if (!forked)
                return -ENOTCONN;
        forked->handler = handler;
        forked->data = data;
        link_pause(forked->link, !handler);
        return 0;
}

int muster_parent_send(struct muster *muster, const void *bytes, size_t size, int fd) {
        return muster->forked ? link_send(muster->forked->link, bytes, size, fd) : -ENOTCONN;
}

void muster_exit(struct muster *muster, int code) {
        if (!muster->forked)
                return;
        muster->forked->exiting = true;
        muster->forked->status = code & 0xff;
}
