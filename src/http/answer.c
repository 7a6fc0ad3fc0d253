/* SPDX-License-Identifier: MIT */

/*
 * Sending an answer: from the plain data that was recorded to a response of libmicrohttpd.
 *
 * Bytes are not copied again: they lie in the request, which lives until the answer is sent. An answer of
 * static bytes and without fields of its own is made once and sent again and again; a small table keeps such
 * answers, by the addresses of what they are made of. When two fall on the same place the older one goes,
 * which costs only time.
 */

#include <errno.h>

#include "http/access-log.h"
#include "http/answer.h"
#include "http/exchange.h"
#include "http/file.h"
#include "http/state.h"
#include "util/log.h"

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

/* ---- The answers that are kept ---- */

static struct cached_answer *cache_place(struct http_server *server, const struct response *response) {
        uintptr_t hash = (uintptr_t) response->bytes ^ ((uintptr_t) response->type >> 3) ^ response->status;

        hash ^= response->size;
        hash *= (uintptr_t) UINT64_C(0x9e3779b97f4a7c15);
        return &server->cache[hash >> (sizeof(hash) * 8 - 6)];
}

_Static_assert(ANSWER_CACHE_SIZE == 1U << 6, "cache_place() takes six bits");

/* Returns the kept answer, making it if need be. It belongs to the table. */
static struct MHD_Response *cache_get(struct http_server *server, const struct response *response) {
        struct cached_answer *place = cache_place(server, response);
        struct MHD_Response *made;

        if (place->response && place->bytes == response->bytes && place->type == response->type &&
            place->size == response->size && place->status == response->status)
                return place->response;

        made = MHD_create_response_from_buffer(response->size, (void *) response->bytes,
                                               MHD_RESPMEM_PERSISTENT);
        if (!made)
                return NULL;
        if (!add_common(server, made, response->type)) {
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

static struct MHD_Response *make_bytes(struct response *response) {
        struct MHD_Response *made;

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
        good = add_common(exchange->server, made,
                          *ret_status == 204 || *ret_status == 304 ? NULL : response->type);
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

enum MHD_Result answer_send(struct exchange *exchange, struct response *response) {
        struct http_server *server = exchange->server;
        struct slot *slot = server->muster->slot;
        struct MHD_Connection *mhd = exchange->connection->mhd;
        bool close = response->close || server->draining;
        struct MHD_Response *made;
        unsigned int status = response->status;
        enum MHD_Result queued;

        if (response->kind == RESPONSE_STATIC && !close && !response->headers) {
                made = cache_get(server, response);
                queued = made ? MHD_queue_response(mhd, status, made) : MHD_NO;
        } else {
                made = answer_make(exchange, response, close, &status);
                queued = made ? MHD_queue_response(mhd, status, made) : MHD_NO;
                if (made)
                        MHD_destroy_response(made); /* the connection has its own reference */
        }
        if (queued != MHD_YES) {
                (void) log_error(0, "Can't answer a request, closing the connection");
                return MHD_NO;
        }
        slot->requests++;
        slot->errors += status >= 500;
        access_log(exchange, status, has_body(exchange, status) ? response->size : 0);
        connection_enter(exchange->connection, PHASE_SEND);
        return MHD_YES;
}
