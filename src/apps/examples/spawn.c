/* SPDX-License-Identifier: MIT */

/*
 * The article: "方式一:spawn", a program whose output flows while it runs.
 *
 *     const child = spawn('ls', ['-l'], { cwd: '/usr' });
 *     child.stdout.pipe(process.stdout);
 *     console.log(process.id, child.id);
 *
 * / answers with what `ls -l` says of /usr: every piece is written to our own standard output as it comes, and kept for the
 * answer. Where much is to come, write it on and do not keep it; muster_child_pause() lets the child wait for whoever
 * is slow.
 *
 * The article's process.id and child.id are undefined; `pid` is meant. `[worker] children = yes` is needed here and in all
 * examples that start something.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

struct listing {
        struct muster_request *request;
        char *text;
        size_t size;
};

static void on_output(struct muster_child *child, const void *bytes, size_t size, void *data) {
        struct listing *listing = data;
        char *text;

        if (size == 0)
                return; /* its end */
        (void) !write(STDOUT_FILENO, bytes, size);
        text = realloc(listing->text, listing->size + size);
        if (!text)
                return;
        memcpy(text + listing->size, bytes, size);
        listing->text = text;
        listing->size += size;
}

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        struct listing *listing = data;

        muster_respond_bytes(listing->request, code == 0 ? 200 : 502, "text/plain; charset=utf-8",
                             listing->text ? listing->text : "", listing->size);
        free(listing->text);
        free(listing);
}

static void list(struct muster_request *request) {
        static const char *const argv[] = { "ls", "-l", NULL };
        struct muster_spawn_options options = {
                .argv = argv,
                .directory = "/usr",
                .on_output = on_output,
                .on_close = on_close,
        };
        struct listing *listing;
        struct muster_child *child;

        listing = calloc(1, sizeof(*listing));
        if (!listing) {
                muster_respond_status(request, 500);
                return;
        }
        listing->request = request;
        options.data = listing;
        child = muster_spawn(muster_request_muster(request), &options);
        if (!child) {
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
                free(listing);
                return;
        }
        muster_log(LOG_INFO, "%d %d", getpid(), muster_child_pid(child));
        muster_request_suspend(request);
}

static const struct muster_route routes[] = {
        { "GET", "/", list },
        {},
};

MUSTER_APPLICATION(.name = "spawn", .routes = routes);
