/* SPDX-License-Identifier: MIT */

/*
 * The article: "方式二：exec", a command of the shell whose output comes in one piece, at the end.
 *
 *     exec('node -v', (err, stdout, stderr) => {
 *         console.log({ error, stdout, stderr });   // { error: null, stdout: 'v8.5.0', stderr: '' }
 *     })
 *
 * What is run here is `uname -r`, which every machine has, or what `[app] command` says. More output than 200 KiB, Node's
 * maxBuffer and ours, ends the command with an error; a time that is too long does too.
 *
 * The article writes `node - v`, which is the program `node` with two arguments, and prints `error` and `stdoit` where its
 * parameters are `err` and `stdout`: it ends with a ReferenceError.
 */

#include <errno.h>
#include <string.h>

#include <muster/app.h>

static const char *command = "uname -r";

static void on_result(struct muster_child *child, int error, const struct muster_exec_result *result,
                      void *data) {
        const char *name = error < 0 ? strerrorname_np(-error) : "null";

        muster_log(LOG_INFO, "{ error: %s, stdout: '%s', stderr: '%s' }", name, result->output,
                   result->errors);
        muster_respond_text(data, 200, "{ error: %s, code: %d, stdout: '%s', stderr: '%s' }", name,
                            result->code, result->output_size < 4096 ? result->output : "...",
                            result->errors);
}

static void run(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        struct muster_spawn_options options = { .timeout = MUSTER_SEC(5) };

        if (!muster_exec(muster, command, &options, on_result, request)) {
                muster_respond_text(request, 503, "%s", strerrorname_np(errno));
                return;
        }
        muster_request_suspend(request);
}

static int start(struct muster *muster) {
        const char *configured = muster_config(muster, "command");

        if (configured)
                command = configured;
        return 0;
}

static const struct muster_route routes[] = {
        { "GET", "/", run },
        {},
};

MUSTER_APPLICATION(.name = "exec", .routes = routes, .worker_start = start);
