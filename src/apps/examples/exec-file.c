/* SPDX-License-Identifier: MIT */

/*
 * The article: "方式三：execFile", a program without a shell between.
 *
 *     execFile('node', ['-v'], (error, stdout, stderr) => {
 *         console.log({ error, stdout, stderr });   // { error: null, stdout: 'v8.5.0\n', stderr: '' }
 *     })
 *
 * Nobody takes the arguments apart: what a client sends may be one of them, blanks, quotes and semicolons included, as /echo
 * shows. With exec() it must never be. / runs `uname -r`, where the article runs `node -v`.
 */

#include <errno.h>
#include <string.h>

#include <muster/app.h>

static void on_result(struct muster_child *child, int error, const struct muster_exec_result *result,
                      void *data) {
        muster_log(LOG_INFO, "{ error: %s, stdout: '%s', stderr: '%s' }",
                   error < 0 ? strerrorname_np(-error) : "null", result->output, result->errors);
        muster_respond_bytes(data, error < 0 || result->code != 0 ? 502 : 200, "text/plain; charset=utf-8",
                             result->output, result->output_size);
}

static void run(struct muster_request *request, const char *const *argv) {
        if (muster_exec_file(muster_request_muster(request), argv, NULL, on_result, request))
                muster_request_suspend(request);
        else
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
}

static void version(struct muster_request *request) {
        static const char *const argv[] = { "uname", "-r", NULL };

        run(request, argv);
}

static void echo(struct muster_request *request) {
        const char *const argv[] = { "printf", "%s", muster_request_query(request, "text"), NULL };

        run(request, argv);
}

static const struct muster_route routes[] = {
        { "GET", "/", version },
        { "GET", "/echo", echo },
        {},
};

MUSTER_APPLICATION(.name = "exec-file", .routes = routes);
