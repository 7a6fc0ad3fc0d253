/* SPDX-License-Identifier: MIT */

/*
 * The messenger, as the tests want to use it. Every process notes what it hears; /do tells the worker that is asked to
 * send, and the action "do" tells whoever gets it. A line of the notes is what happened first:
 *
 *     note FROM ROLE SIZE TEXT · ready · failed ERROR ACTION PID COUNT · answer ERROR TEXT · sent ERROR
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/app.h>

#define LINES_MAX 4096

static char *lines[LINES_MAX];
static size_t n_lines;

/* What came of an action that is counted, by sender. */
static struct stream {
        pid_t from;
        uint64_t count, next, disorder, bytes, gaps;
} streams[256];

static void note(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

static void note(const char *format, ...) {
        va_list arguments;

        if (n_lines == LINES_MAX)
                return;
        va_start(arguments, format);
        if (vasprintf(&lines[n_lines], format, arguments) >= 0)
                n_lines++;
        va_end(arguments);
}

static char *all_notes(void) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        for (size_t i = 0; i < n_lines; i++)
                fprintf(file, "%s\n", lines[i]);
        fclose(file);
        return text;
}

static char *all_streams(void) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]) && streams[i].from; i++)
                fprintf(file, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", streams[i].from, streams[i].count,
                        streams[i].disorder, streams[i].bytes);
        fclose(file);
        return text;
}

static const char *error_name(int error) {
        return error == 0 ? "0" : strerrorname_np(error < 0 ? -error : error);
}

/* ---- What is sent ---- */

static void on_answer(struct muster *muster, int error, struct muster_message *reply, void *data) {
        if (reply)
                note("answer %s %s", error_name(error), (const char *) muster_message_data(reply, NULL));
        else
                note("answer %s", error_name(error));
}

static int send_one(struct muster *muster, const char *to, const char *action, const void *data,
                    size_t size) {
        if (strcmp(to, "all") == 0)
                return muster_broadcast(muster, action, data, size);
        if (strcmp(to, "app") == 0)
                return muster_send_to_app(muster, action, data, size);
        if (strcmp(to, "agent") == 0)
                return muster_send_to_agent(muster, action, data, size);
        if (strcmp(to, "random") == 0)
                return muster_send_random(muster, action, data, size);
        return muster_send_to(muster, atoi(to), action, data, size);
}

static pid_t whom(const char *to) {
        if (strcmp(to, "agent") == 0)
                return MUSTER_AGENT;
        return strcmp(to, "random") == 0 ? MUSTER_RANDOM : atoi(to);
}

/* Numbered from where the last ended, and filled up to their size with what a receiver can check. */
static int send_many(struct muster *muster, const char *to, const char *action, size_t size,
                     unsigned int n) {
        static uint64_t number;
        char *data = malloc(size + 32);
        int r = 0;

        for (unsigned int i = 0; i < n && r == 0; i++) {
                size_t begin = (size_t) sprintf(data, "%" PRIu64 " ", number);

                for (size_t at = begin; at < size; at++)
                        data[at] = (char) ('a' + at % 26);
                r = send_one(muster, to, action, data, size > begin ? size : begin);
                if (r == 0)
                        number++;
        }
        free(data);
        return r;
}

/* A pipe whose other end is given away: what comes out of it is noted. */
static void on_readable(struct muster *muster, int fd, unsigned int events, void *data) {
        char text[64] = "";

        if (read(fd, text, sizeof(text) - 1) > 0)
                note("pipe %s", text);
        else {
                muster_watch_end(*(struct muster_watch **) data);
                free(data);
                close(fd);
        }
}

static int send_pipe(struct muster *muster, const char *to, size_t size) {
        struct muster_watch **watch = malloc(sizeof(struct muster_watch *));
        char *data = calloc(1, size + 1);
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        *watch = muster_watch_fd(muster, ends[0], MUSTER_READABLE, on_readable, watch);
        memset(data, 'x', size);
        r = muster_send_handle(muster, atoi(to), "handle", ends[1], data, size);
        close(ends[1]);
        free(data);
        return r;
}

static void on_repeat(struct muster *muster, void *data) {
        char *const *words = data;

        (void) send_many(muster, words[0], words[1], (size_t) atoi(words[2]), 1);
}

/* "send TO ACTION SIZE COUNT", "say TO ACTION TEXT", "ask TO ACTION MSEC TEXT", "pipe TO SIZE", "repeat MSEC TO ACTION
 * SIZE", "fork TO ACTION" (sends it from a handler of itself …) */
static int run(struct muster *muster, const char *command) {
        static char *repeated[3];
        char verb[16] = "", a[32] = "", b[256] = "", c[64] = "", d[256] = "";
        int n = sscanf(command, "%15s %31s %255s %63s %255s", verb, a, b, c, d);

        if (strcmp(verb, "send") == 0 && n == 5)
                return send_many(muster, a, b, (size_t) atoi(c), (unsigned int) atoi(d));
        if (strcmp(verb, "say") == 0 && n >= 3)
                return send_one(muster, a, b, c, strlen(c));
        if (strcmp(verb, "ask") == 0 && n >= 4)
                return muster_ask(muster, whom(a), b, d, strlen(d), MUSTER_MSEC(atoi(c)), on_answer, NULL);
        if (strcmp(verb, "pipe") == 0 && n == 3)
                return send_pipe(muster, a, (size_t) atoi(b));
        if (strcmp(verb, "repeat") == 0 && n == 5) {
                repeated[0] = strdup(b);
                repeated[1] = strdup(c);
                repeated[2] = strdup(d);
                return muster_timer_every(muster, MUSTER_MSEC(atoi(a)), on_repeat, repeated) ? 0 : -errno;
        }
        return -ENOSYS;
}

/* ---- What is heard ---- */

static void on_note(struct muster *muster, struct muster_message *message, void *data) {
        static const char *const roles[] = { "worker", "agent", "compute", "child", "master" };
        const char *text;
        size_t size;

        text = muster_message_data(message, &size);
        note("%s %d %s %zu %.*s", muster_message_action(message), muster_message_from(message),
             roles[muster_message_from_role(message)], size, (int) (size < 40 ? size : 40), text);
}

static struct stream *stream_from(pid_t from) {
        size_t i = 0;

        while (streams[i].from && streams[i].from != from)
                i++;
        streams[i].from = from;
        return &streams[i];
}

/* Their numbers may have gaps, where some were dropped or went to others, and never go back. */
static void on_count(struct muster *muster, struct muster_message *message, void *unused) {
        struct stream *stream = stream_from(muster_message_from(message));
        const char *data;
        uint64_t number;
        size_t size;
        char *end;

        data = muster_message_data(message, &size);
        number = strtoull(data, &end, 10);
        stream->disorder += stream->count > 0 && number < stream->next;
        stream->gaps += stream->count > 0 && number > stream->next;
        stream->disorder += (uintptr_t) data % 8 != 0 || data[size] != '\0';
        for (size_t at = (size_t) (end + 1 - data); at < size; at += 997)
                stream->disorder += data[at] != (char) ('a' + at % 26);
        stream->next = number + 1;
        stream->count++;
        stream->bytes += size;
}

static void on_do(struct muster *muster, struct muster_message *message, void *data) {
        char command[512];

        /* Spaces would end a word of the command that carries this one. */
        snprintf(command, sizeof(command), "%s", (const char *) muster_message_data(message, NULL));
        for (char *p = command; *p; p++)
                if (*p == ',')
                        *p = ' ';
        note("sent %s", error_name(run(muster, command)));
}

static void on_echo(struct muster *muster, struct muster_message *message, void *data) {
        size_t size;
        const void *bytes = muster_message_data(message, &size);

        note("echoed %s", error_name(muster_message_reply(message, bytes, size)));
        note("again %s", error_name(muster_message_reply(message, bytes, size)));
}

static void on_refuse(struct muster *muster, struct muster_message *message, void *data) {
        muster_message_refuse(message, -EACCES);
}

static void reply_now(struct muster *muster, void *reply) {
        note("replied %s", error_name(muster_reply_send(reply, 0, "later", 5)));
}

static void on_later(struct muster *muster, struct muster_message *message, void *data) {
        struct muster_reply *reply = muster_message_reply_later(message);
        int msec = atoi(muster_message_data(message, NULL));

        if (!reply)
                note("later %s", error_name(errno));
        else
                muster_timer_after(muster, MUSTER_MSEC(msec), reply_now, reply);
}

static void on_handle(struct muster *muster, struct muster_message *message, void *data) {
        int fd = muster_message_take_handle(message);
        size_t size;

        muster_message_data(message, &size);
        dprintf(fd, "%d got %zu, then %d", getpid(), size, muster_message_take_handle(message));
        close(fd);
}

static void on_slow(struct muster *muster, struct muster_message *message, void *data) {
        usleep((useconds_t) atoi(muster_message_data(message, NULL)) * 1000);
}

__attribute__((__noreturn__)) static void on_crash(struct muster *muster, struct muster_message *message,
                                                   void *data) {
        abort();
}

static void on_notes(struct muster *muster, struct muster_message *message, void *data) {
        char *text = data ? all_streams() : all_notes();

        muster_message_reply(message, text, strlen(text));
        free(text);
}

static void on_ready(struct muster *muster, struct muster_message *message, void *data) {
        note("ready");
}

static void on_failure(struct muster *muster, int error, const char *action, pid_t pid, unsigned int count,
                       void *data) {
        note("failed %s %s %d %u", error_name(error), action, pid, count);
}

/* A handler that ends itself and begins another, and sends what they hear. */
static void on_second(struct muster *muster, struct muster_message *message, void *data) {
        note("second %s", (const char *) muster_message_data(message, NULL));
}

static void on_first(struct muster *muster, struct muster_message *message, void *data) {
        note("first %s", (const char *) muster_message_data(message, NULL));
        note("off %d", muster_off(muster, "chain", on_first, NULL));
        muster_on(muster, "chain", on_second, NULL);
        muster_send_to(muster, getpid(), "chain", "again", 5);
}

/* ---- Requests ---- */

static void pid(struct muster_request *request) {
        muster_respond_text(request, 200, "%d", getpid());
}

static void do_command(struct muster_request *request) {
        const char *command = muster_request_query(request, "c") ?: "";

        muster_respond_text(request, 200, "%s", error_name(run(muster_request_muster(request), command)));
}

static void get_notes(struct muster_request *request) {
        char *text = strcmp(muster_request_path(request), "/notes") == 0 ? all_notes() : all_streams();

        muster_respond_bytes(request, 200, "text/plain", text, strlen(text));
        free(text);
}

static void answer_request(struct muster *muster, int error, struct muster_message *reply, void *request) {
        size_t size = 0;
        const void *data = reply ? muster_message_data(reply, &size) : NULL;

        if (reply)
                muster_respond_bytes(request, 200, "text/plain", data, size);
        else
                muster_respond_text(request, 502, "%s", error_name(error));
}

/* Asks another process, and answers with its reply. */
static void ask(struct muster_request *request) {
        const char *data = muster_request_query(request, "data") ?: "";
        const char *timeout = muster_request_query(request, "timeout") ?: "10000";
        int r;

        muster_request_suspend(request);
        r = muster_ask(muster_request_muster(request), whom(muster_request_query(request, "to")),
                       muster_request_query(request, "action"), data, strlen(data),
                       MUSTER_MSEC(atoi(timeout)), answer_request, request);
        if (r < 0)
                muster_respond_text(request, 409, "%s", error_name(r));
}

static void try_calls(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        static char name[257], data[16 * 1024 * 1024 + 1];

        memset(name, 'n', 256);
        muster_respond_text(request, 200, "%s %s %s %s %s %s %s %s %s",
                            error_name(muster_broadcast(muster, "", NULL, 0)),
                            error_name(muster_broadcast(muster, NULL, NULL, 0)),
                            error_name(muster_broadcast(muster, name, NULL, 0)),
                            error_name(muster_broadcast(muster, "note", NULL, 1)),
                            error_name(muster_broadcast(muster, "note", data, sizeof(data))),
                            error_name(muster_broadcast(muster, "muster-ready", NULL, 0)),
                            error_name(muster_send_to(muster, 0, "note", NULL, 0)),
                            error_name(muster_send_handle(muster, getpid(), "note", -1, NULL, 0)),
                            error_name(muster_on(muster, "", on_note, NULL)));
}

static void listen_for(struct muster_request *request) {
        struct muster *muster = muster_request_muster(request);
        const char *call = muster_request_param(request, "call");
        const char *action = muster_request_query(request, "action");
        int r;

        if (strcmp(call, "on") == 0)
                r = muster_on(muster, action, on_note, NULL);
        else if (strcmp(call, "once") == 0)
                r = muster_once(muster, action, on_note, NULL);
        else
                r = muster_off(muster, action, NULL, NULL);
        muster_respond_text(request, 200, "%d", r);
}

/* ---- The start ---- */

static void on_start_timer(struct muster *muster, void *data) {
        note("sent %s", error_name(run(muster, data)));
}

static int start(struct muster *muster) {
        const char *early = muster_config(muster, "early"), *gate = muster_config(muster, "gate");
        const char *soon = muster_config(muster, "soon");

        muster_on(muster, "note", on_note, NULL);
        muster_on(muster, "count", on_count, NULL);
        muster_on(muster, "do", on_do, NULL);
        muster_on(muster, "echo", on_echo, NULL);
        muster_on(muster, "refuse", on_refuse, NULL);
        muster_on(muster, "later", on_later, NULL);
        muster_on(muster, "silent", on_note, NULL);
        muster_on(muster, "handle", on_handle, NULL);
        muster_on(muster, "slow", on_slow, NULL);
        muster_on(muster, "crash", on_crash, NULL);
        muster_on(muster, "notes", on_notes, NULL);
        muster_on(muster, "streams", on_notes, muster);
        muster_on(muster, "muster-ready", on_ready, NULL);
        muster_on(muster, "chain", on_first, NULL);
        muster_on_failure(muster, on_failure, NULL);
        if (early)
                note("sent %s", error_name(run(muster, early)));
        if (soon)
                muster_timer_after(muster, MUSTER_MSEC(1), on_start_timer, (void *) soon);
        /* A start that takes as long as somebody wants. */
        while (gate && access(gate, F_OK) == 0)
                usleep(2000);
        return 0;
}

static void stop(struct muster *muster) {
        const char *gate = muster_config(muster, "stop_gate");

        if (gate)
                muster_log(LOG_NOTICE, "%d is stopped", getpid());
        while (gate && access(gate, F_OK) == 0)
                usleep(2000);
        for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]) && streams[i].from; i++)
                muster_log(LOG_NOTICE,
                           "From %d came %" PRIu64 ", %" PRIu64 " out of order, %" PRIu64 " gaps",
                           streams[i].from, streams[i].count, streams[i].disorder, streams[i].gaps);
}

static const struct muster_route routes[] = {
        { "GET", "/pid", pid },
        { "GET", "/do", do_command },
        { "GET", "/notes", get_notes },
        { "GET", "/streams", get_notes },
        { "GET", "/ask", ask },
        { "GET", "/try", try_calls },
        { "GET", "/listen/{call}", listen_for },
        {},
};

MUSTER_APPLICATION(.name = "messages", .routes = routes, .worker_start = start, .worker_stop = stop,
                   .agent_start = start, .agent_stop = stop);
