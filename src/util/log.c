/* SPDX-License-Identifier: MIT */

/*
 * Where lines go.
 *
 * Under systemd standard error is a stream to the journal that knows nothing but text; JOURNAL_STREAM
 * names its device and inode, and when ours match, the journal's native protocol is spoken instead (journal.c), which
 * never waits for journald and carries the fields (MUSTER_WORKER=3, MUSTER_SIGNAL=…) that journalctl can filter by. If standard error
 * is anything else (a terminal, a file, a test), somebody wants to read there: a line goes out with a
 * single write(2), so that lines of several processes do not mix, with the fields in brackets behind.
 *
 * A message may quote what a client sent. In the readable form every control byte therefore becomes a
 * blank, so that a message is one line whatever it quotes; the journal stores the bytes as they are.
 * Messages of ordinary length need no memory from the heap, and errno is kept, so that logging never
 * changes what a caller sees. A line that cannot be written is lost: there is nobody to tell.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/journal.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/time.h"

#define TEXT_ROOM  1024
#define FIELDS_MAX 48
#define OURS_MAX   8

/* A text that grows on the heap only when it must. */
struct text {
        char *at;
        size_t size, room;
        char room_here[TEXT_ROOM];
};

static struct {
        char role[32];
        char instance[128];
        int worker;
        int level;
        struct journal *journal; /* NULL: standard error */
} state = { .worker = -1, .level = LOG_INFO };

static const char *const level_names[] = {
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
};

static void text_init(struct text *text) {
        text->at = text->room_here;
        text->size = 0;
        text->room = sizeof(text->room_here);
        text->room_here[0] = '\0';
}

static void text_deinit(struct text *text) {
        if (text->at != text->room_here)
                free(text->at);
        text_init(text);
}

#define _cleanup_text_ _cleanup_(text_deinit)

static bool text_reserve(struct text *text, size_t more) {
        size_t room = text->size + more + 1;
        char *larger;

        if (room <= text->room)
                return true;
        larger = malloc(room);
        if (!larger)
                return false;
        memcpy(larger, text->at, text->size + 1);
        if (text->at != text->room_here)
                free(text->at);
        text->at = larger;
        text->room = room;
        return true;
}

/* Appends; what memory cannot be had for is cut off. */
static void _printf_(2, 0) text_addv(struct text *text, const char *format, va_list arguments) {
        va_list again;
        int n;

        va_copy(again, arguments);
        n = vsnprintf(text->at + text->size, text->room - text->size, format, arguments);
        if (n > 0 && (size_t) n >= text->room - text->size) {
                if (text_reserve(text, (size_t) n))
                        (void) vsnprintf(text->at + text->size, text->room - text->size, format, again);
                else
                        n = (int) (text->room - text->size - 1);
        }
        if (n > 0)
                text->size += (size_t) n;
        va_end(again);
}

static void _printf_(2, 3) text_add(struct text *text, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        text_addv(text, format, arguments);
        va_end(arguments);
}

/* Whether standard error is the stream that the service manager connected to the journal. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        const char *colon = stream ? strchr(stream, ':') : NULL;
        uint64_t device, inode;
        char device_text[32];
        struct stat st;

        if (!colon || (size_t) (colon - stream) >= sizeof(device_text))
                return false;
        memcpy(device_text, stream, (size_t) (colon - stream));
        device_text[colon - stream] = '\0';
        if (parse_uint64(device_text, &device) < 0 || parse_uint64(colon + 1, &inode) < 0)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int log_setup(const char *role, const char *instance, int worker) {
        if (strlen(role) >= sizeof(state.role) || (instance && strlen(instance) >= sizeof(state.instance)))
                return -ENAMETOOLONG;
        (void) stpcpy(state.role, role);
        (void) stpcpy(state.instance, instance ? instance : "");
        state.worker = worker;
        if (!stderr_is_journal())
                state.journal = journal_free(state.journal);
        else if (!state.journal)
                return journal_new(&state.journal, NULL);
        return 0;
}

bool log_flush(usec_t patience) {
        return !state.journal || journal_flush(state.journal, patience);
}

void log_set_level(int level) {
        state.level = level;
}

int log_get_level(void) {
        return state.level;
}

static size_t key_length(const char *field) {
        return strcspn(field, "=");
}

/* Whether the caller brings a field of that key itself, which then counts instead of ours. */
static bool is_given(const char *const *fields, const char *ours) {
        size_t length = key_length(ours);

        for (; fields && *fields; fields++)
                if (key_length(*fields) == length && strncmp(*fields, ours, length) == 0)
                        return true;
        return false;
}

static int write_journal(int level, int error, const char *const *fields, const char *message) {
        struct text ours[OURS_MAX];
        struct iovec iov[FIELDS_MAX];
        size_t n_ours = 0, n = 0;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                text_init(&ours[i]);
        text_add(&ours[n_ours++], "MESSAGE=%s", message);
        text_add(&ours[n_ours++], "PRIORITY=%i", level);
        text_add(&ours[n_ours++], "SYSLOG_IDENTIFIER=muster-%s", state.role);
        text_add(&ours[n_ours++], "MUSTER_ROLE=%s", state.role);
        if (state.instance[0])
                text_add(&ours[n_ours++], "MUSTER_INSTANCE=%s", state.instance);
        if (state.worker >= 0)
                text_add(&ours[n_ours++], "MUSTER_WORKER=%i", state.worker);
        if (error < 0)
                text_add(&ours[n_ours++], "ERRNO=%i", -error);

        for (size_t i = 0; i < n_ours; i++)
                if (!is_given(fields, ours[i].at))
                        iov[n++] = (struct iovec){ ours[i].at, ours[i].size };
        for (; fields && *fields && n < ELEMENTSOF(iov); fields++)
                iov[n++] = (struct iovec){ (char *) *fields, strlen(*fields) };

        r = journal_send(state.journal, iov, n);
        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                text_deinit(&ours[i]);
        return r;
}

static void add_time(struct text *line) {
        usec_t now = now_realtime();
        time_t seconds = (time_t) (now / USEC_PER_SEC);
        char clock[32];
        struct tm tm;

        if (!localtime_r(&seconds, &tm) || strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &tm) == 0)
                return;
        text_add(line, "%s.%03u ", clock, (unsigned int) (now % USEC_PER_SEC / USEC_PER_MSEC));
}

static void fold(struct text *line) {
        for (size_t i = 0; i < line->size; i++)
                if ((unsigned char) line->at[i] < ' ' || line->at[i] == '\x7f')
                        line->at[i] = ' ';
}

static void write_stderr(const char *const *fields, const char *message) {
        _cleanup_text_ struct text line;
        ssize_t n;

        text_init(&line);
        add_time(&line);
        text_add(&line, "muster%s%s[%i]: ", state.role[0] ? "-" : "", state.role, (int) getpid());
        if (state.worker >= 0)
                text_add(&line, "%s/%i: ", state.instance, state.worker);
        else if (state.instance[0])
                text_add(&line, "%s: ", state.instance);
        text_add(&line, "%s", message);
        for (const char *const *field = fields; field && *field; field++)
                text_add(&line, "%s%s", field == fields ? " [" : " ", *field);
        if (fields && *fields)
                text_add(&line, "]");

        fold(&line);
        text_add(&line, "\n");
        do
                n = write(STDERR_FILENO, line.at, line.size);
        while (n < 0 && errno == EINTR);
}

static void _printf_(4, 0)
        log_line(int level, int error, const char *const *fields, const char *format, va_list arguments) {
        _cleanup_text_ struct text message;
        int saved = errno;

        text_init(&message);
        errno = -error; /* what %m says */
        text_addv(&message, format, arguments);
        if (!state.journal || write_journal(level, error, fields, message.at) < 0)
                write_stderr(fields, message.at);
        errno = saved;
}

int log_fullv(int level, int error, const char *format, va_list arguments) {
        if (level <= state.level)
                log_line(level, error, NULL, format, arguments);
        return error;
}

int log_full(int level, int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void) log_fullv(level, error, format, arguments);
        va_end(arguments);
        return error;
}

int log_fields(int level, int error, const char *const *fields, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        if (level <= state.level)
                log_line(level, error, fields, format, arguments);
        va_end(arguments);
        return error;
}

int log_level_parse(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (streq(name, level_names[i]))
                        return (int) i;
        return -EINVAL;
}

const char *log_level_name(int level) {
        return level >= 0 && (size_t) level < ELEMENTSOF(level_names) ? level_names[level] : "unknown";
}
