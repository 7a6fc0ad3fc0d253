/* SPDX-License-Identifier: MIT */

/*
 * muster_exec() and muster_exec_file(): a child whose output is collected and handed over with its end.
 *
 * Each stream is kept up to max_buffer. One that writes more is told to end, and what it has written so far is handed
 * over with an error that says so: half a text must not be taken for the whole. From then on its pipe is closed, so
 * that it does not go on.
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/spawn.h"
#include "util/fd.h"

#define MAX_BUFFER ((size_t) 200 * 1024)
#define FIRST_ROOM ((size_t) 4096)

struct text {
        char *bytes; /* with room for a NUL behind; NULL: empty */
        size_t size;
        size_t room;
};

struct collector {
        struct text texts[2];
        size_t max;
        muster_exec_handler_t handler;
};

struct collector *collector_free(struct collector *collector) {
        if (!collector)
                return NULL;
        free(collector->texts[0].bytes);
        free(collector->texts[1].bytes);
        free(collector);
        return NULL;
}

DEFINE_CLEANUP(struct collector *, collector_free);

static int make_room(struct text *text, size_t size, size_t max) {
        size_t room = text->room ? text->room : FIRST_ROOM;
        char *larger;

        if (size <= text->room)
                return 0;
        while (room < size)
                room *= 2;
        room = MIN(room, max);
        larger = realloc(text->bytes, room + 1);
        if (!larger)
                return -ENOMEM;
        text->bytes = larger;
        text->room = room;
        return 0;
}

/* Returns 0; -ENOBUFS, having kept what fits, or -ENOMEM. */
static int append(struct text *text, const void *bytes, size_t size, size_t max) {
        size_t kept = MIN(size, max - text->size);
        int r;

        r = make_room(text, text->size + kept, max);
        if (r < 0)
                return r;
        memcpy(text->bytes + text->size, bytes, kept);
        text->size += kept;
        text->bytes[text->size] = '\0';
        return kept < size ? -ENOBUFS : 0;
}

static void collect(struct muster_child *child, size_t stream, const void *bytes, size_t size) {
        struct collector *collector = child->collector;
        int r;

        r = size > 0 ? append(&collector->texts[stream], bytes, size, collector->max) : 0;
        if (r == 0)
                return;
        output_close(&child->outputs[stream]);
        child_terminate(child, r);
}

static void on_output(struct muster_child *child, const void *bytes, size_t size, void *data) {
        collect(child, 0, bytes, size);
}

static void on_errors(struct muster_child *child, const void *bytes, size_t size, void *data) {
        collect(child, 1, bytes, size);
}

static void call_handler(void *argument) {
        struct muster_child *child = argument;
        const struct collector *collector = child->collector;
        const struct text *output = &collector->texts[0], *errors = &collector->texts[1];
        const struct muster_exec_result result = {
                .code = child->code,
                .signal = child->signal,
                .output = output->bytes ? output->bytes : "",
                .output_size = output->size,
                .errors = errors->bytes ? errors->bytes : "",
                .errors_size = errors->size,
        };

        collector->handler(child, child->error, &result, child->data);
}

void collector_finish(struct muster_child *child) {
        child_run(child, call_handler, child);
}

static struct muster_child *start(struct muster *muster, const struct muster_spawn_options *options,
                                  muster_exec_handler_t handler) {
        _cleanup_(cleanup_collector_free) struct collector *collector = NULL;
        struct muster_child *child = NULL;
        int r = -ENOMEM;

        collector = calloc(1, sizeof(*collector));
        if (collector) {
                collector->max = options->max_buffer ? MIN(options->max_buffer, SIZE_MAX / 4) : MAX_BUFFER;
                collector->handler = handler;
                r = handler ? child_spawn(&child, muster, options, NULL) : -EINVAL;
        }
        if (r < 0) {
                errno = -r;
                return NULL;
        }
        child->collector = TAKE_PTR(collector);
        return child;
}

/* What is the caller's to say, without what is not. */
static struct muster_spawn_options complete(const struct muster_spawn_options *given, const char *command,
                                            const char *const *argv, void *data) {
        struct muster_spawn_options options = {};

        if (given)
                options = *given;
        options.command = command;
        options.argv = argv;
        if (command)
                options.file = NULL;
        options.output = options.errors = (struct muster_stdio){ .type = MUSTER_STDIO_PIPE };
        options.on_output = on_output;
        options.on_errors = on_errors;
        options.on_message = NULL;
        options.on_drain = NULL;
        options.on_close = NULL;
        options.data = data;
        return options;
}

struct muster_child *muster_exec(struct muster *muster, const char *command,
                                 const struct muster_spawn_options *options, muster_exec_handler_t handler,
                                 void *data) {
        const struct muster_spawn_options complete_options = complete(options, command, NULL, data);

        return start(muster, &complete_options, handler);
}

struct muster_child *muster_exec_file(struct muster *muster, const char *const *argv,
                                      const struct muster_spawn_options *options,
                                      muster_exec_handler_t handler, void *data) {
        const struct muster_spawn_options complete_options = complete(options, NULL, argv, data);

        return start(muster, &complete_options, handler);
}
