/* SPDX-License-Identifier: MIT */

/*
 * Sending an answer: from the plain data that was recorded to a response of libmicrohttpd.
 *
 * Bytes are not copied again: they lie in the request, which lives until the answer is sent. An answer of
 * static bytes and without fields of its own is made once and sent again and again; a small table keeps such
 * answers, by the addresses of what they are made of. When two fall on the same place the older one goes,
 * which costs only time.
 *
 * Every request gets an answer: one that can't be made is replaced by a bare 500, for which there is always room in
 * the connection's memory.
 */

#include <errno.h>

#include "http/access-log.h"
#include "http/answer.h"
#include "http/conditional.h"
#include "http/exchange.h"
#include "http/file.h"
#include "http/state.h"
#include "util/log.h"

#define TYPE_ROOM 64U /* of ANSWER_ROOM, for the Content-Type */

static enum MHD_Result add_field(struct MHD_Response *made, const char *name, const char *value) {
        return MHD_add_response_header(made, name, value);
}

/* The fields that do not depend on the request. */
static bool add_common(const struct http_server *server, struct MHD_Response *made, const char *type) {
        const char *name = server->config->http.server_header;

        if (name && *name && add_field(made, MHD_HTTP_HEADER_SERVER, name) != MHD_YES)
                return false;
        return !type || add_field(made, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES;
}

/* Those that describe no content have no type. */
static const char *type_of(const struct response *response, unsigned int status) {
        return status == 204 || status == 304 ? NULL : response->type;
}

/* ---- The answers that are kept ---- */

static struct cached_answer *cache_place(struct http_server *server, const struct response *response) {
        uintptr_t hash = (uintptr_t) response->bytes ^ ((uintptr_t) response->type >> 3) ^ response->status;

        hash ^= response->size;
        hash *= (uintptr_t) UINT64_C(0x9e3779b97f4a7c15);
        return &server->cache[hash >> (sizeof(hash) * 8 - 6)];
}

_Static_assert(ANSWER_CACHE_SIZE == 1U << 6, "cache_place() takes six bits");

/* The Date of a kept answer is ours, since the library would compute it again for each request: a kept answer is good for
 * the second it was made in. */
static bool add_date(struct MHD_Response *made, usec_t second) {
        char date[HTTP_DATE_SIZE];

        return add_field(made, MHD_HTTP_HEADER_DATE, http_date_format((time_t) second, date)) == MHD_YES;
}

/* Returns the kept answer, making it if need be. It belongs to the table. */
static struct MHD_Response *cache_get(struct exchange *exchange, const struct response *response) {
        const struct muster_request *request = &exchange->request;
        struct http_server *server = exchange->server;
        struct cached_answer *place = cache_place(server, response);
        usec_t second = (request->parked ? now_realtime() : request->began_realtime) / USEC_PER_SEC;
        struct MHD_Response *made;

        if (place->response && place->bytes == response->bytes && place->type == response->type &&
            place->size == response->size && place->status == response->status && place->second == second)
                return place->response;

        made = MHD_create_response_from_buffer(response->size, (void *) response->bytes,
                                               MHD_RESPMEM_PERSISTENT);
        if (!made)
                return NULL;
        if (!add_date(made, second) || !add_common(server, made, type_of(response, response->status))) {
                MHD_destroy_response(made);
                return NULL;
        }
        if (place->response)
                MHD_destroy_response(place->response);
        *place = (struct cached_answer){
                .status = response->status,
                .type = response->type,
                .bytes = response->bytes,
                .size = response->size,
                .second = second,
                .response = made,
        };
        return made;
}

void answer_cache_clear(struct http_server *server) {
        for (size_t i = 0; i < ELEMENTSOF(server->cache); i++)
                if (server->cache[i].response)
                        MHD_destroy_response(server->cache[i].response);
        memset(server->cache, 0, sizeof(server->cache));
}

/* ---- The answers that are made ---- */

static ssize_t read_nothing(void *userdata, uint64_t position, char *buffer, size_t size) {
        return MHD_CONTENT_READER_END_OF_STREAM;
}

/* Without a Content-Length, which would have to be that of 200 (RFC 9110, 8.6). The library has such an answer only
 * with the end of the connection, or as chunked, which makes some clients wait for chunks. */
static struct MHD_Response *make_unsized(void) {
        struct MHD_Response *made;

        made = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, read_nothing, NULL, NULL);
        if (made)
                (void) MHD_set_response_options(made, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
        return made;
}

static bool is_unsized(const struct response *response) {
        return response->kind != RESPONSE_FILE && response->status == 304 && response->size == 0;
}

static struct MHD_Response *make_bytes(struct response *response) {
        struct MHD_Response *made;

        if (is_unsized(response))
                return make_unsized();

        if (!response->owned)
                return MHD_create_response_from_buffer(response->size, (void *) response->bytes,
                                                       MHD_RESPMEM_PERSISTENT);
        made = MHD_create_response_from_buffer(response->size, response->owned, MHD_RESPMEM_MUST_FREE);
        if (made)
                response->owned = NULL;
        return made;
}

static struct MHD_Response *answer_make(struct exchange *exchange, struct response *response, bool close,
                                        unsigned int *ret_status) {
        struct MHD_Response *made;
        bool good;

        *ret_status = response->status;
        made = response->kind == RESPONSE_FILE ? file_answer(exchange, response, ret_status)
                                               : make_bytes(response);
        if (!made)
                return NULL;
        good = add_common(exchange->server, made, type_of(response, *ret_status));
        for (const struct response_header *h = response->headers; good && h; h = h->next)
                good = add_field(made, h->name, h->value) == MHD_YES;
        if (good && close)
                good = add_field(made, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
        if (!good) {
                MHD_destroy_response(made);
                return NULL;
        }
        return made;
}

static bool has_body(const struct exchange *exchange, unsigned int status) {
        return status != 204 && status != 304 && !streq(exchange->request.method, "HEAD");
}

/* Whether the library has the memory for its header. */
static bool fits(const struct exchange *exchange, const struct response *response) {
        size_t own = response->headers_size + (response->type ? strlen(response->type) : 0);

        return own == 0 || own + ANSWER_ROOM <= exchange->room + TYPE_ROOM;
}

/* Whether the connection must end: also behind chunks that a tolerant library has framed. */
static bool must_close(const struct exchange *exchange, const struct response *response) {
        const struct http_server *server = exchange->server;

        return response->close || server->draining || (exchange->header.chunked && !server->strict);
}

static enum MHD_Result queue(struct exchange *exchange, struct response *response,
                             unsigned int *ret_status) {
        struct MHD_Connection *mhd = exchange->connection->mhd;
        bool close = must_close(exchange, response);
        struct MHD_Response *made;
        enum MHD_Result queued;

        *ret_status = response->status;
        if (!fits(exchange, response))
                return MHD_NO;
        if (response->kind == RESPONSE_STATIC && !close && !response->headers && !is_unsized(response)) {
                made = cache_get(exchange, response);
                return made ? MHD_queue_response(mhd, *ret_status, made) : MHD_NO;
        }
        made = answer_make(exchange, response, close, ret_status);
        if (!made)
                return MHD_NO;
        queued = MHD_queue_response(mhd, *ret_status, made);
        MHD_destroy_response(made); /* the connection has its own reference */
        return queued;
}

enum MHD_Result answer_send(struct exchange *exchange, struct response *response) {
        struct slot *slot = exchange->server->muster->slot;
        struct response bare = { .fd = -1 };
        unsigned int status;

        if (queue(exchange, response, &status) != MHD_YES) {
                (void) log_error(
                        0,
                        "Can't send the answer to %s: no memory, or a header too large beside the request's",
                        exchange->request.route ? exchange->request.route->label : "a request");
                response_set_status(&bare, 500);
                bare.close = true;
                response = &bare;
                if (queue(exchange, response, &status) != MHD_YES)
                        return MHD_NO;
        }
        if (exchange->header.chunked && !exchange->server->strict)
                exchange->connection->lingers = true;
        slot->requests++;
        slot->errors += status >= 500;
        access_log(exchange, status, has_body(exchange, status) ? response->size : 0);
        connection_enter(exchange->connection, PHASE_SEND);
        return MHD_YES;
}
