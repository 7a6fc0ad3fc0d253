/* SPDX-License-Identifier: MIT */

/*
 * What a child writes, as it comes.
 *
 * A pipe is read a piece at a time, one for each turn of the loop, so that a child that writes without end takes no
 * request's turn. A paused one is not read at all: the pipe fills, and the child waits. So memory stays as it is,
 * whatever a child writes and however slowly it is used.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/spawn.h"
#include "util/fd.h"

#define PIECE_SIZE ((size_t) 64 * 1024)

struct piece {
        struct output *output;
        const void *bytes;
        size_t size;
};

static void call_handler(void *argument) {
        const struct piece *piece = argument;
        struct output *output = piece->output;

        output->handler(output->child, piece->bytes, piece->size, output->child->data);
}

static void hand_over(struct output *output, const void *bytes, size_t size) {
        struct piece piece = { output, bytes, size };

        if (output->handler)
                child_run(output->child, call_handler, &piece);
}

void output_close(struct output *output) {
        output->source = sd_event_source_disable_unref(output->source);
        output->fd = fd_close(output->fd);
}

/* It has come to its end, which the application hears. */
static void output_end(struct output *output) {
        output_close(output);
        hand_over(output, NULL, 0);
}

/* Reads one piece. Returns its size; 0 when there is none now, or no more. */
static size_t read_piece(struct output *output) {
        static char piece[PIECE_SIZE]; /* handlers run one after another */
        ssize_t n;

        do
                n = read(output->fd, piece, sizeof(piece));
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN)
                return 0;
        if (n <= 0) {
                output_end(output);
                return 0;
        }
        hand_over(output, piece, (size_t) n);
        return (size_t) n;
}

static int dispatch_output(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct output *output = userdata;

        (void) read_piece(output);
        child_look_for_end(output->child);
        return 0;
}

int output_open(struct output *output, struct muster_child *child, int number, int fd,
                muster_child_bytes_handler_t handler) {
        int r;

        *output = (struct output){ .child = child, .number = number, .fd = fd, .handler = handler };
        r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(child->muster->event, &output->source, fd, EPOLLIN, dispatch_output,
                                    output);
        if (r < 0)
                output_close(output);
        return r;
}

/* At most what is there now: somebody may write for ever. */
bool output_finish(struct output *output) {
        int left = 0;

        if (output->fd < 0)
                return true;
        if (ioctl(output->fd, FIONREAD, &left) < 0)
                left = 0;
        while (left > 0 && output->fd >= 0 && !output->paused) {
                size_t n = read_piece(output);

                if (n == 0)
                        break;
                left -= (int) MIN(n, (size_t) left);
        }
        if (output->paused)
                return false;
        if (output->fd >= 0)
                output_end(output);
        return true;
}

/* ---- Calls of the application ---- */

static struct output *find_output(struct muster_child *child, int stream) {
        if (stream != STDOUT_FILENO && stream != STDERR_FILENO)
                return NULL;
        return &child->outputs[stream - STDOUT_FILENO];
}

static void set_paused(struct output *output, bool paused) {
        if (!output || output->fd < 0 || output->paused == paused)
                return;
        output->paused = paused;
        (void) sd_event_source_set_enabled(output->source, paused ? SD_EVENT_OFF : SD_EVENT_ON);
        output->child->muster->event_changed = true;
}

void muster_child_pause(struct muster_child *child, int stream) {
        set_paused(find_output(child, stream), true);
}

void muster_child_resume(struct muster_child *child, int stream) {
        set_paused(find_output(child, stream), false);
}
