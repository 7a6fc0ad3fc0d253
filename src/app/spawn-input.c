/* SPDX-License-Identifier: MIT */

/*
 * What is written to a child.
 *
 * The pipe takes what it has room for, a buffer of a fixed size some more, and the rest is the writer's to keep until it
 * hears that there is room: nobody's memory grows because a child does not read.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "app/spawn.h"
#include "util/fd.h"

#define BUFFER_SIZE ((size_t) 256 * 1024)

void input_close(struct input *input) {
        input->source = sd_event_source_disable_unref(input->source);
        input->fd = fd_close(input->fd);
        free(input->bytes);
        input->bytes = NULL;
        input->begin = input->size = 0;
}

/* Returns how many bytes the pipe has taken, or a negative errno. */
static ssize_t write_some(int fd, const char *bytes, size_t size) {
        ssize_t n;

        do
                n = write(fd, bytes, size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        return n;
}

static void listen_for_room(struct input *input, bool on) {
        (void) sd_event_source_set_enabled(input->source, on ? SD_EVENT_ON : SD_EVENT_OFF);
        input->child->muster->event_changed = true;
}

static void call_drain(void *argument) {
        struct muster_child *child = argument;

        child->on_drain(child, child->data);
}

static void tell_room(struct input *input) {
        struct muster_child *child = input->child;

        if (!input->owed)
                return;
        input->owed = false;
        if (child->on_drain)
                child_run(child, call_drain, child);
}

/* A child that reads no more is told by the next write, which fails; its end may be far away. */
static int dispatch_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct input *input = userdata;
        ssize_t n;

        n = write_some(fd, input->bytes + input->begin, input->size);
        if (n < 0) {
                input_close(input);
                tell_room(input);
                return 0;
        }
        input->begin += (size_t) n;
        input->size -= (size_t) n;
        if (input->size > 0)
                return 0;
        input->begin = 0;
        listen_for_room(input, false);
        if (input->ending)
                input_close(input);
        tell_room(input);
        return 0;
}

int input_open(struct input *input, struct muster_child *child, int fd) {
        int r;

        *input = (struct input){ .child = child, .fd = fd };
        r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(child->muster->event, &input->source, fd, EPOLLOUT, dispatch_input,
                                    input);
        if (r >= 0)
                r = sd_event_source_set_enabled(input->source, SD_EVENT_OFF);
        if (r < 0)
                input_close(input);
        return r;
}

/* Returns how many of them there was room for, or -ENOMEM. */
static ssize_t keep(struct input *input, const char *bytes, size_t size) {
        if (!input->bytes)
                input->bytes = malloc(BUFFER_SIZE);
        if (!input->bytes)
                return -ENOMEM;
        if (input->begin + input->size + size > BUFFER_SIZE) {
                memmove(input->bytes, input->bytes + input->begin, input->size);
                input->begin = 0;
        }
        size = MIN(size, BUFFER_SIZE - input->size);
        memcpy(input->bytes + input->begin + input->size, bytes, size);
        input->size += size;
        return (ssize_t) size;
}

/* ---- Calls of the application ---- */

ssize_t muster_child_write(struct muster_child *child, const void *bytes, size_t size) {
        struct input *input = &child->input;
        ssize_t taken = 0, kept = 0;

        if (!input->child)
                return -EINVAL;
        if (input->fd < 0 || input->ending)
                return -EPIPE;
        if (input->size == 0 && size > 0)
                taken = write_some(input->fd, bytes, size);
        if (taken < 0) {
                input_close(input);
                return taken;
        }
        if ((size_t) taken < size) {
                kept = keep(input, (const char *) bytes + taken, size - (size_t) taken);
                listen_for_room(input, input->size > 0);
        }
        if (kept < 0)
                return taken > 0 ? taken : kept;
        taken += kept;
        input->owed = input->owed || (size_t) taken < size;
        return taken == 0 && size > 0 ? -EAGAIN : taken;
}

void muster_child_end_input(struct muster_child *child) {
        child->input.ending = true;
        if (child->input.size == 0)
                input_close(&child->input);
}
