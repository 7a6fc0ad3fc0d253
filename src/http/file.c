/* SPDX-License-Identifier: MIT */

/*
 * Files as answers: the application has opened one, here it is decided how much of it the client gets. All of it or
 * one part is sent by the kernel (sendfile); several parts are put together in multipart.c. The descriptor belongs to
 * the response.
 *
 * The entity tag is made of the modification time and the size, not of the inode, so that several machines
 * with the same files agree.
 */

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "app/status.h"
#include "http/conditional.h"
#include "http/exchange.h"
#include "http/file.h"
#include "http/multipart.h"
#include "http/state.h"
#include "util/macro.h"

static const char *lookup(const struct exchange *exchange, const char *name) {
        return MHD_lookup_connection_value(exchange->connection->mhd, MHD_HEADER_KIND, name);
}

static struct selection select_bytes(const struct exchange *exchange, const struct stat *st,
                                     const char *etag) {
        const struct representation representation = {
                .etag = etag,
                .modified = st->st_mtim.tv_sec,
                .size = (uint64_t) st->st_size,
        };
        const struct condition condition = {
                .if_match = lookup(exchange, MHD_HTTP_HEADER_IF_MATCH),
                .if_none_match = lookup(exchange, MHD_HTTP_HEADER_IF_NONE_MATCH),
                .if_modified_since = lookup(exchange, MHD_HTTP_HEADER_IF_MODIFIED_SINCE),
                .if_unmodified_since = lookup(exchange, MHD_HTTP_HEADER_IF_UNMODIFIED_SINCE),
                .if_range = lookup(exchange, MHD_HTTP_HEADER_IF_RANGE),
                .range = lookup(exchange, MHD_HTTP_HEADER_RANGE),
                .is_get = streq(exchange->request.method, "GET"),
                .is_head = streq(exchange->request.method, "HEAD"),
        };

        return condition_evaluate(&condition, &representation);
}

static bool add_fields(struct MHD_Response *made, const struct selection *selection, const struct stat *st,
                       const char *etag) {
        const struct byte_range *first = &selection->ranges[0];
        char date[HTTP_DATE_SIZE], range[96];
        uint64_t size = (uint64_t) st->st_size;

        (void) http_date_format(st->st_mtim.tv_sec, date);
        if (MHD_add_response_header(made, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes") != MHD_YES ||
            MHD_add_response_header(made, MHD_HTTP_HEADER_ETAG, etag) != MHD_YES ||
            MHD_add_response_header(made, MHD_HTTP_HEADER_LAST_MODIFIED, date) != MHD_YES)
                return false;
        if (selection->status == 416)
                (void) snprintf(range, sizeof(range), "bytes */%" PRIu64, size);
        else if (selection->status == 206 && selection->n == 1)
                (void) snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first->start,
                                first->start + first->size - 1, size);
        else
                return true;
        return MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_RANGE, range) == MHD_YES;
}

/* Takes the Content-Type out of the answer: it is that of the parts. */
static const char *take_type(struct response *response) {
        const char *type = response->type;

        for (struct response_header **p = &response->headers; *p;)
                if (strcasecmp((*p)->name, MHD_HTTP_HEADER_CONTENT_TYPE) == 0) {
                        type = (*p)->value;
                        *p = (*p)->next;
                } else
                        p = &(*p)->next;
        return type;
}

static struct MHD_Response *make_parts(struct exchange *exchange, const struct selection *selection,
                                       struct response *response) {
        const struct multipart_plan plan = {
                .fd = response->fd,
                .type = take_type(response),
                .file_size = (uint64_t) response->stat.st_size,
                .ranges = selection->ranges,
                .n = selection->n,
        };

        return multipart_answer(&plan, &exchange->request.arena, &response->size, &response->type);
}

static struct MHD_Response *make_error(const struct selection *selection, struct response *response) {
        response->bytes = status_text(selection->status, &response->size);
        if (response->type)
                response->type = "text/plain; charset=utf-8";
        return MHD_create_response_from_buffer(response->size, (void *) response->bytes,
                                               MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *make_response(struct exchange *exchange, const struct selection *selection,
                                          struct response *response) {
        const struct byte_range *first = &selection->ranges[0];
        struct MHD_Response *made;

        if (selection->status == 412 || selection->status == 416)
                return make_error(selection, response);
        /* 304 sends nothing, but says the length that 200 would have. */
        if (first->size == 0)
                return MHD_create_response_from_buffer(0, (void *) "", MHD_RESPMEM_PERSISTENT);
        if (selection->n > 1)
                made = make_parts(exchange, selection, response);
        else {
                response->size = first->size;
                made = MHD_create_response_from_fd_at_offset64(first->size, response->fd, first->start);
        }
        if (made)
                response->fd = -1; /* it is the response's now */
        return made;
}

struct MHD_Response *file_answer(struct exchange *exchange, struct response *response,
                                 unsigned int *ret_status) {
        struct stat st = response->stat;
        struct selection selection;
        struct MHD_Response *made;
        char etag[ETAG_SIZE];

        (void) snprintf(etag, sizeof(etag), "\"%" PRIx64 "%08lx-%" PRIx64 "\"", (uint64_t) st.st_mtim.tv_sec,
                        (unsigned long) st.st_mtim.tv_nsec, (uint64_t) st.st_size);
        selection = select_bytes(exchange, &st, etag);
        made = make_response(exchange, &selection, response);
        if (!made)
                return NULL;
        if (!add_fields(made, &selection, &st, etag)) {
                MHD_destroy_response(made);
                return NULL;
        }
        *ret_status = selection.status;
        return made;
}
