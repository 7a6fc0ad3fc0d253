/* SPDX-License-Identifier: MIT */

/*
 * The application's calls that answer a request.
 *
 * None of them sends anything: they record the answer in the request, and the server sends it when the
 * callback has returned. So an answer can still be taken back when the application faults behind it, and a
 * fault within one of these calls meets no half-sent answer. The cost is nothing: small texts are formatted
 * straight into the request's own memory, from where they are sent; static bytes are not touched at all.
 *
 * Whatever is allocated or opened is recorded before it is used, so that response_reset() gives it back
 * after a jump.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/media-type.h"
#include "app/request.h"
#include "app/status.h"
#include "util/fd.h"

#define TYPE_TEXT  "text/plain; charset=utf-8"
#define TYPE_BYTES "application/octet-stream"
#define TYPE_JSON  "application/json"

void response_reset(struct response *response) {
        free(response->owned);
        fd_close(response->fd);
        *response = (struct response){ .fd = -1, .headers_end = &response->headers };
}

/* ---- Header fields ---- */

static bool is_token(const char *text) {
        if (!*text)
                return false;
        for (; *text; text++)
                if (!(*text >= 'A' && *text <= 'Z') && !(*text >= 'a' && *text <= 'z') &&
                    !(*text >= '0' && *text <= '9') && !strchr("!#$%&'*+-.^_`|~", *text))
                        return false;
        return true;
}

static bool is_field_value(const char *text) {
        for (; *text; text++)
                if (((unsigned char) *text < 0x20 && *text != '\t') || *text == 0x7f)
                        return false;
        return true;
}

/* Whether nothing but blanks is there, which as a value is nothing. */
static bool is_blank(const char *text) {
        while (*text == ' ' || *text == '\t')
                text++;
        return *text == '\0';
}

/* What frames the message, or is added by the server itself. */
static bool is_reserved(const char *name) {
        static const char *const reserved[] = { "Date",       "Server",           "Content-Length",
                                                "Connection", "Keep-Alive",       "Trailer",
                                                "Upgrade",    "Transfer-Encoding" };

        for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
                if (strcasecmp(name, reserved[i]) == 0)
                        return true;
        return false;
}

int muster_response_header(struct muster_request *request, const char *name, const char *value) {
        struct response *response = &request->response;
        struct response_header *header;
        size_t size;

        if (request->state == REQUEST_ANSWERED)
                return -EALREADY;
        if (!name || !value || !is_token(name) || !is_field_value(value) || is_blank(value) ||
            is_reserved(name))
                return -EINVAL;
        size = strlen(name) + strlen(value) + 4; /* ": " and CR LF */
        if (size > RESPONSE_HEADERS_MAX_SIZE - response->headers_size)
                return -E2BIG;

        header = arena_alloc(&request->arena, sizeof(*header));
        if (!header)
                return -ENOMEM;
        *header = (struct response_header){
                .name = arena_strdup(&request->arena, name),
                .value = arena_strdup(&request->arena, value),
        };
        if (!header->name || !header->value)
                return -ENOMEM;
        response->headers_size += size;
        response->has_type = response->has_type || strcasecmp(name, "Content-Type") == 0;
        *response->headers_end = header;
        response->headers_end = &header->next;
        return 0;
}

/* ---- Answers ---- */

static int respond_begin(const struct muster_request *request, unsigned int status) {
        if (request->state == REQUEST_ANSWERED)
                return -EALREADY;
        if (status < 200 || status > 599)
                return -EINVAL;
        return 0;
}

static int respond_end(struct muster_request *request, enum response_kind kind, unsigned int status,
                       const char *type, const void *bytes, size_t size) {
        struct response *response = &request->response;

        response->kind = kind;
        response->status = status;
        response->type = response->has_type ? NULL : type;
        response->bytes = bytes;
        response->size = size;
        request->state = REQUEST_ANSWERED;
        request_cancel_waits(request);
        if (request->parked)
                request->ops->answered(request);
        return 0;
}

/* The Content-Type to send: what the application says, or the usual one where that is nothing. */
static int choose_type(const struct muster_request *request, const char *type, const char *usual,
                       const char **ret) {
        *ret = usual;
        if (!type || is_blank(type))
                return 0;
        if (!is_field_value(type))
                return -EINVAL;
        if (strlen(type) > RESPONSE_HEADERS_MAX_SIZE - request->response.headers_size)
                return -E2BIG;
        *ret = type;
        return 0;
}

/* Formats into the arena, or, what does not fit there, into memory of its own. */
static int format_text(struct muster_request *request, const char *format, va_list arguments,
                       const char **ret, size_t *ret_size) {
        va_list again;
        size_t room;
        char *text = arena_room(&request->arena, &room);
        int n;

        va_copy(again, arguments);
        n = vsnprintf(text, room, format, arguments);
        if (n >= 0 && (size_t) n >= room) {
                free(request->response.owned);
                text = request->response.owned = malloc((size_t) n + 1);
                if (text)
                        n = vsnprintf(text, (size_t) n + 1, format, again);
        } else if (n >= 0)
                arena_commit(&request->arena, (size_t) n + 1);
        va_end(again);
        if (n < 0)
                return -EINVAL;
        if (!text)
                return -ENOMEM;
        *ret = text;
        *ret_size = (size_t) n;
        return 0;
}

int muster_respond_text(struct muster_request *request, unsigned int status, const char *format, ...) {
        const char *text;
        va_list arguments;
        size_t size;
        int r;

        r = respond_begin(request, status);
        if (r < 0)
                return r;
        va_start(arguments, format);
        r = format_text(request, format, arguments, &text, &size);
        va_end(arguments);
        if (r < 0)
                return r;
        return respond_end(request, RESPONSE_BYTES, status, TYPE_TEXT, text, size);
}

/* What is asked of bytes, copied or not. *type becomes the one to be sent. */
static int begin_bytes(struct muster_request *request, unsigned int status, const char **type,
                       const void *bytes, size_t size) {
        int r;

        r = respond_begin(request, status);
        if (r < 0)
                return r;
        if (size > 0 && !bytes)
                return -EINVAL;
        return choose_type(request, *type, TYPE_BYTES, type);
}

int muster_respond_bytes(struct muster_request *request, unsigned int status, const char *type,
                         const void *bytes, size_t size) {
        const char *copied_type;
        void *copy;
        int r;

        r = begin_bytes(request, status, &type, bytes, size);
        if (r < 0)
                return r;
        copied_type = arena_strdup(&request->arena, type);
        copy = arena_alloc(&request->arena, size);
        if (!copied_type || !copy)
                return -ENOMEM;
        if (size > 0)
                memcpy(copy, bytes, size);
        return respond_end(request, RESPONSE_BYTES, status, copied_type, copy, size);
}

int muster_respond_static(struct muster_request *request, unsigned int status, const char *type,
                          const void *bytes, size_t size) {
        int r;

        r = begin_bytes(request, status, &type, bytes, size);
        if (r < 0)
                return r;
        return respond_end(request, RESPONSE_STATIC, status, type, bytes ? bytes : "", size);
}

int muster_respond_json(struct muster_request *request, unsigned int status, const char *json) {
        if (!json)
                return -EINVAL;
        return muster_respond_bytes(request, status, TYPE_JSON, json, strlen(json));
}

int muster_respond_status(struct muster_request *request, unsigned int status) {
        const char *text;
        size_t size;

        text = status_text(status, &size);
        /* Its length would be taken for that of what was not modified. */
        return muster_respond_static(request, status, TYPE_TEXT, text, status == 304 ? 0 : size);
}

void response_set_status(struct response *response, unsigned int status) {
        response_reset(response);
        response->kind = RESPONSE_STATIC;
        response->status = status;
        response->type = TYPE_TEXT;
        response->bytes = status_text(status, &response->size);
}

/* Takes no memory, which may be what the application hung in. */
void response_set_retry(struct response *response) {
        static struct response_header retry = { .name = "Retry-After", .value = "1" };

        response->headers = &retry;
        response->headers_end = NULL;
        response->headers_size = sizeof("Retry-After: 1\r\n") - 1;
}

/* ---- Files ---- */

/* Records an open file as the answer. Takes the descriptor over, also when it fails. */
static int respond_fd(struct muster_request *request, int fd, const char *path, const char *type) {
        struct response *response = &request->response;
        const char *copied_type;
        int r;

        response->fd = fd_close(response->fd);
        response->fd = fd;
        if (fstat(fd, &response->stat) < 0)
                return -errno;
        if (S_ISDIR(response->stat.st_mode))
                return -EISDIR;
        if (!S_ISREG(response->stat.st_mode))
                return -EINVAL;
        r = choose_type(request, type, media_type_of(path), &type);
        if (r < 0)
                return r;
        copied_type = arena_strdup(&request->arena, type);
        if (!copied_type)
                return -ENOMEM;
        return respond_end(request, RESPONSE_FILE, 200, copied_type, NULL, (size_t) response->stat.st_size);
}

static int respond_opened(struct muster_request *request, int fd, const char *path, const char *type) {
        int r;

        r = respond_fd(request, fd, path, type);
        if (r < 0)
                request->response.fd = fd_close(request->response.fd);
        return r;
}

int muster_respond_file(struct muster_request *request, const char *path, const char *type) {
        int fd, r;

        r = respond_begin(request, 200);
        if (r < 0)
                return r;
        /* Non-blocking, since opening a FIFO must not hold the loop up. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        return respond_opened(request, fd, path, type);
}

int muster_respond_file_below(struct muster_request *request, const char *directory, const char *path,
                              const char *type) {
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_fd_ int directory_fd = -1;
        int fd, r;

        r = respond_begin(request, 200);
        if (r < 0)
                return r;
        directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory_fd < 0)
                return -errno;
        fd = (int) syscall(SYS_openat2, directory_fd, *path ? path : ".", &how, sizeof(how));
        if (fd < 0)
                return -errno;
        return respond_opened(request, fd, path, type);
}
