/* SPDX-License-Identifier: MIT */

/*
 * Several parts of a file as one answer: multipart/byteranges, RFC 9110, 14.6.
 *
 * Each part is a piece of text, which is the boundary and the part's own header, and a range of the file; the end is
 * a text with nothing behind. All texts are made at once, since their sizes are the Content-Length. The bytes of the
 * file are read when the client takes them. Not by sendfile(), as everything is that is asked for often.
 *
 * The boundary must be nowhere in the file. Nobody looks: it is random, so that who wrote the file can't know it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "http/multipart.h"
#include "util/fd.h"
#include "util/macro.h"

#define BOUNDARY_SIZE 33U /* 128 bits as digits, and a NUL */

struct part {
        char *text;
        size_t text_size;
        struct byte_range range; /* empty behind the last text */
};

struct multipart {
        int fd;
        size_t n;
        struct part parts[RANGES_MAX + 1];
};

static struct multipart *multipart_free(struct multipart *multipart) {
        if (!multipart)
                return NULL;
        for (size_t i = 0; i < multipart->n; i++)
                free(multipart->parts[i].text);
        fd_close(multipart->fd);
        free(multipart);
        return NULL;
}

static void free_callback(void *userdata) {
        multipart_free(userdata);
}

/* ---- Making it ---- */

static int make_boundary(char boundary[BOUNDARY_SIZE]) {
        uint64_t random[2];

        if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -EIO;
        (void) snprintf(boundary, BOUNDARY_SIZE, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
        return 0;
}

static int add_part(struct multipart *multipart, const struct multipart_plan *plan, const char *boundary,
                    const struct byte_range *range) {
        struct part *part = &multipart->parts[multipart->n];
        int n;

        n = asprintf(&part->text,
                     "%s--%s\r\n%s%s%sContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                     multipart->n > 0 ? "\r\n" : "", boundary, plan->type ? "Content-Type: " : "",
                     plan->type ? plan->type : "", plan->type ? "\r\n" : "", range->start,
                     range->start + range->size - 1, plan->file_size);
        if (n < 0)
                return -ENOMEM;
        part->text_size = (size_t) n;
        part->range = *range;
        multipart->n++;
        return 0;
}

static int add_end(struct multipart *multipart, const char *boundary) {
        struct part *part = &multipart->parts[multipart->n];
        int n = asprintf(&part->text, "\r\n--%s--\r\n", boundary);

        if (n < 0)
                return -ENOMEM;
        part->text_size = (size_t) n;
        multipart->n++;
        return 0;
}

static struct multipart *multipart_new(const struct multipart_plan *plan, const char *boundary) {
        struct multipart *multipart = calloc(1, sizeof(*multipart));
        int r = 0;

        if (!multipart)
                return NULL;
        multipart->fd = -1;
        for (size_t i = 0; r == 0 && i < plan->n; i++)
                r = add_part(multipart, plan, boundary, &plan->ranges[i]);
        if (r == 0)
                r = add_end(multipart, boundary);
        return r == 0 ? multipart : multipart_free(multipart);
}

static uint64_t multipart_size(const struct multipart *multipart) {
        uint64_t size = 0;

        for (size_t i = 0; i < multipart->n; i++)
                size += multipart->parts[i].text_size + multipart->parts[i].range.size;
        return size;
}

/* ---- Sending it ---- */

static ssize_t read_file(int fd, char *buffer, size_t size, uint64_t position) {
        ssize_t n;

        do
                n = pread(fd, buffer, size, (off_t) position);
        while (n < 0 && errno == EINTR);
        /* The file has become shorter: the client must not take it for the end. */
        return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Some bytes from a position on: of one text or of one range. */
static ssize_t read_part(void *userdata, uint64_t position, char *buffer, size_t size) {
        const struct multipart *multipart = userdata;

        for (size_t i = 0; i < multipart->n; i++) {
                const struct part *part = &multipart->parts[i];

                if (position < part->text_size) {
                        size = MIN(size, part->text_size - (size_t) position);
                        memcpy(buffer, part->text + position, size);
                        return (ssize_t) size;
                }
                position -= part->text_size;
                if (position < part->range.size)
                        return read_file(multipart->fd, buffer, MIN(size, part->range.size - position),
                                         part->range.start + position);
                position -= part->range.size;
        }
        return MHD_CONTENT_READER_END_OF_STREAM;
}

struct MHD_Response *multipart_answer(const struct multipart_plan *plan, struct arena *arena,
                                      size_t *ret_size, const char **ret_type) {
        char boundary[BOUNDARY_SIZE], type[96];
        struct multipart *multipart;
        struct MHD_Response *made;

        if (make_boundary(boundary) < 0)
                return NULL;
        (void) snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", boundary);
        *ret_type = arena_strdup(arena, type);
        multipart = *ret_type ? multipart_new(plan, boundary) : NULL;
        if (!multipart)
                return NULL;
        *ret_size = multipart_size(multipart);
        made = MHD_create_response_from_callback(*ret_size, 65536, read_part, multipart, free_callback);
        if (made)
                multipart->fd = plan->fd;
        else
                multipart_free(multipart);
        return made;
}
