/* SPDX-License-Identifier: MIT */

/*
 * An application that starts what a request asks it to start, and answers how that ended: a line of KEY=VALUE, and the
 * beginning of the output behind it.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

#define WORDS_MAX 16
#define HEAD_SIZE 4096
#define PIECE     65536

struct run {
        struct muster_request *request; /* NULL: answered already */
        struct muster_child *child;
        char head[HEAD_SIZE]; /* of its output */
        size_t head_size;
        uint64_t read[2];       /* bytes of output and errors */
        unsigned int ended[2];  /* how often their end was told */
        uint64_t sum;           /* of the output's bytes, by their places */
        uint64_t left, written; /* to and by its input */
        uint64_t written_sum;
        uint64_t limit; /* of output, past which it is killed; 0: none */
        uint64_t pause; /* after so many bytes of output (0: each piece), for how long */
        uint64_t every;
        unsigned int drains;
};

static const char *get(struct muster_request *request, const char *name) {
        return muster_request_query(request, name);
}

static uint64_t number(struct muster_request *request, const char *name) {
        const char *text = get(request, name);

        return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t add_up(uint64_t sum, uint64_t place, const unsigned char *bytes, size_t size) {
        for (size_t i = 0; i < size; i++)
                sum += (place + i) % 65521 * bytes[i];
        return sum;
}

/* ---- What is asked for ---- */

struct words {
        const char *name;
        const char *list[WORDS_MAX + 1];
        size_t n;
        char *end; /* of what is used of the room for their texts */
};

static bool take_word(void *data, const char *name, const char *value) {
        struct words *words = data;

        if (strcmp(name, words->name) == 0 && words->n < WORDS_MAX) {
                words->list[words->n++] = words->end;
                words->end = stpcpy(words->end, value) + 1;
        }
        return true;
}

/* Every value of a name, in order; NULL for none. They live as long as the run. */
static const char *const *all(struct muster_request *request, struct words *words, const char *name,
                              char *room) {
        *words = (struct words){ .name = name, .end = room };
        muster_request_each_query(request, take_word, words);
        return words->n > 0 ? words->list : NULL;
}

static struct muster_stdio stdio(struct muster_request *request, const char *name) {
        const char *text = get(request, name);

        if (!text)
                return (struct muster_stdio){ MUSTER_STDIO_AUTO, 0 };
        if (*text == '/')
                return (struct muster_stdio){ MUSTER_STDIO_FD,
                                              open(text, O_RDWR | O_CREAT | O_APPEND, 0600) };
        if (*text == '#')
                return (struct muster_stdio){ MUSTER_STDIO_FD, (int) strtol(text + 1, NULL, 10) };
        return (struct muster_stdio){ strcmp(text, "pipe") == 0   ? MUSTER_STDIO_PIPE
                                      : strcmp(text, "null") == 0 ? MUSTER_STDIO_NULL
                                                                  : MUSTER_STDIO_INHERIT,
                                      0 };
}

/* ---- How it goes ---- */

static void resume(struct muster *muster, void *data) {
        struct run *run = data;

        muster_child_resume(run->child, STDOUT_FILENO);
}

static bool is_time(uint64_t read, size_t size, uint64_t every) {
        return every == 0 || (read - size) / every != read / every;
}

static void take(struct run *run, struct muster_child *child, int stream, const void *bytes, size_t size) {
        size_t kept;

        run->read[stream] += size;
        run->ended[stream] += !bytes;
        if (stream == 1)
                return;
        run->sum = add_up(run->sum, run->read[0] - size, bytes, size);
        kept = size < HEAD_SIZE - run->head_size ? size : HEAD_SIZE - run->head_size;
        if (bytes && kept > 0)
                memcpy(run->head + run->head_size, bytes, kept);
        run->head_size += kept;
        if (run->limit > 0 && run->read[0] > run->limit)
                (void) muster_child_kill(child, SIGKILL);
        if (run->pause > 0 && bytes && is_time(run->read[0], size, run->every)) {
                muster_child_pause(child, STDOUT_FILENO);
                (void) muster_timer_after(muster_child_muster(child), run->pause, resume, run);
        }
}

static void on_output(struct muster_child *child, const void *bytes, size_t size, void *data) {
        take(data, child, 0, bytes, size);
}

static void on_errors(struct muster_child *child, const void *bytes, size_t size, void *data) {
        take(data, child, 1, bytes, size);
}

static void feed(struct muster_child *child, struct run *run) {
        static unsigned char piece[PIECE];

        while (run->left > 0) {
                size_t size = run->left < PIECE ? (size_t) run->left : PIECE;
                ssize_t n;

                for (size_t i = 0; i < size; i++)
                        piece[i] = (unsigned char) ((run->written + i) * 31 >> 3);
                n = muster_child_write(child, piece, size);
                if (n == -EAGAIN)
                        return;
                if (n < 0)
                        break;
                run->written_sum = add_up(run->written_sum, run->written, piece, (size_t) n);
                run->written += (uint64_t) n;
                run->left -= (uint64_t) n;
        }
        muster_child_end_input(child);
}

static void on_drain(struct muster_child *child, void *data) {
        struct run *run = data;

        run->drains++;
        feed(child, run);
}

static void on_close(struct muster_child *child, int code, int signal, void *data) {
        struct run *run = data;

        if (run->request)
                (void) muster_respond_text(run->request, 200,
                                           "code=%d signal=%d error=%d pid=%d kill=%d output=%" PRIu64
                                           " errors=%" PRIu64 " ended=%u,%u sum=%" PRIu64 " written=%" PRIu64
                                           " written_sum=%" PRIu64 " drains=%u\n%.*s",
                                           code, signal, muster_child_error(child), muster_child_pid(child),
                                           muster_child_kill(child, SIGTERM), run->read[0], run->read[1],
                                           run->ended[0], run->ended[1], run->sum, run->written,
                                           run->written_sum, run->drains, (int) run->head_size, run->head);
        else
                muster_log(LOG_INFO, "Child closed: code %d, signal %d", code, signal);
        free(run);
}

static void fail(struct muster_request *request) {
        (void) muster_respond_text(request, 200, "failed=%s\n", strerrorname_np(errno));
}

static void spawn(struct muster_request *request) {
        struct run *run = calloc(1, sizeof(*run));
        struct words argv, environment, set;
        char rooms[3][WORDS_MAX * 256];
        struct muster_spawn_options options = {
                .argv = all(request, &argv, "arg", rooms[0]),
                .file = get(request, "file"),
                .command = get(request, "command"),
                .directory = get(request, "directory"),
                .environment = all(request, &environment, "environment", rooms[1]),
                .set = all(request, &set, "set", rooms[2]),
                .input = stdio(request, "input"),
                .output = stdio(request, "output"),
                .errors = stdio(request, "errors"),
                .detached = number(request, "detached") > 0,
                .kill_signal = (int) number(request, "kill_signal"),
                .timeout = MUSTER_MSEC(number(request, "timeout")),
                .linger = MUSTER_MSEC(number(request, "linger")),
                .on_output = get(request, "output") || get(request, "quiet") ? NULL : on_output,
                .on_errors = get(request, "errors") || get(request, "quiet") ? NULL : on_errors,
                .on_drain = on_drain,
                .on_close = on_close,
                .data = run,
        };
        bool at_once = get(request, "at_once") != NULL;

        if (!run)
                return;
        run->limit = number(request, "limit");
        run->pause = MUSTER_MSEC(number(request, "pause"));
        run->every = number(request, "every");
        run->left = number(request, "write");
        run->request = at_once ? NULL : request;
        run->child = muster_spawn(muster_request_muster(request), &options);
        if (options.output.type == MUSTER_STDIO_FD)
                (void) close(options.output.fd);
        if (!run->child) {
                fail(request);
                free(run);
                return;
        }
        if (options.input.type == MUSTER_STDIO_PIPE)
                feed(run->child, run);
        if (at_once)
                (void) muster_respond_text(request, 200, "%d", muster_child_pid(run->child));
        else
                (void) muster_request_suspend(request);
}

/* ---- exec ---- */

static void on_exec(struct muster_child *child, int error, const struct muster_exec_result *result,
                    void *data) {
        (void) muster_respond_text(data, 200,
                                   "code=%d signal=%d error=%s output=%zu errors=%zu\n%.4096s\n--\n%.4096s",
                                   result->code, result->signal, error < 0 ? strerrorname_np(-error) : "0",
                                   result->output_size, result->errors_size, result->output, result->errors);
}

static void exec(struct muster_request *request) {
        const struct muster_spawn_options options = {
                .directory = get(request, "directory"),
                .timeout = MUSTER_MSEC(number(request, "timeout")),
                .kill_signal = (int) number(request, "kill_signal"),
                .max_buffer = number(request, "max_buffer"),
        };
        struct muster *muster = muster_request_muster(request);
        const char *command = get(request, "command");
        struct muster_child *child;
        struct words argv;
        char room[WORDS_MAX * 256];

        if (command)
                child = muster_exec(muster, command, &options, on_exec, request);
        else
                child = muster_exec_file(muster, all(request, &argv, "arg", room), &options, on_exec,
                                         request);
        if (!child)
                fail(request);
        else
                (void) muster_request_suspend(request);
}

/* ---- Many short ones, one after another, `beside` at a time ---- */

static struct {
        struct muster_request *request;
        uint64_t left, running, good, bad;
} many;

static void more(struct muster *muster);

static void on_one(struct muster_child *child, int error, const struct muster_exec_result *result,
                   void *data) {
        bool good = error == 0 && result->code == 7 && strcmp(result->output, "out\n") == 0 &&
                    strcmp(result->errors, "err\n") == 0;

        many.running--;
        *(good ? &many.good : &many.bad) += 1;
        if (many.left > 0)
                more(muster_child_muster(child));
        else if (many.running == 0)
                (void) muster_respond_text(many.request, 200, "good=%" PRIu64 " bad=%" PRIu64 "\n",
                                           many.good, many.bad);
}

static void more(struct muster *muster) {
        many.left--;
        if (muster_exec(muster, "echo out; echo err >&2; exit 7", NULL, on_one, NULL))
                many.running++;
        else
                many.bad++;
}

static void start_many(struct muster_request *request) {
        uint64_t beside = number(request, "beside");

        many.request = request;
        many.left = number(request, "n");
        many.running = many.good = many.bad = 0;
        (void) muster_request_suspend(request);
        for (uint64_t i = 0; i < beside && many.left > 0; i++)
                more(muster_request_muster(request));
}

/* ---- The rest ---- */

static void plain(struct muster_request *request) {
        (void) muster_respond_text(request, 200, "ok");
}

static void slow(struct muster_request *request) {
        (void) muster_request_after(request, MUSTER_MSEC(number(request, "ms")), plain);
}

static void pid(struct muster_request *request) {
        (void) muster_respond_text(request, 200, "%d", getpid());
}

static void crash(struct muster_request *request) {
        raise(SIGSEGV);
}

/* The agent may start programs too. */
static void on_agent_exec(struct muster_child *child, int error, const struct muster_exec_result *result,
                          void *data) {
        muster_log(LOG_INFO, "The agent has run it: %s", result->output);
}

static int agent_start(struct muster *muster) {
        const char *command = muster_config(muster, "agent_command");

        if (command && !muster_exec(muster, command, NULL, on_agent_exec, NULL))
                return muster_fail(muster, -errno, "agent_command: %s", strerror(errno));
        return 0;
}

static const struct muster_route routes[] = {
        { "GET", "/", plain },          { "GET", "/slow", slow },
        { "GET", "/pid", pid },         { "GET", "/crash", crash },
        { "GET", "/exec", exec },       { "GET", "/spawn", spawn },
        { "GET", "/many", start_many }, {},
};

MUSTER_APPLICATION(.name = "children", .routes = routes, .agent_start = agent_start);
