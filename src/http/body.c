/* SPDX-License-Identifier: MIT */

/*
 * Request bodies.
 *
 * A body is collected up to `max_body`, in memory that grows with what has really come, so that a length
 * that is only claimed costs nothing. One that is too large, or that nobody wants since there is no route
 * for it, is refused before it is sent if the client asks first (Expect: 100-continue). Otherwise the client
 * is sending already, and would lose the answer to a connection that is reset under it; so a little more
 * than allowed is read and dropped, the client gets its answer in the ordinary way, and the connection stays
 * usable. Far beyond that it is told at once and the connection ends; see linger.c.
 */

#include <errno.h>

#include "http/body.h"
#include "http/exchange.h"
#include "http/state.h"

#define CAPACITY_MIN 4096U
#define TRUST_SIZE   65536U /* a length up to this is believed */

static uint64_t body_limit(const struct exchange *exchange) {
        return exchange->server->config->http.max_body;
}

/* How much may come before the connection is worth less than the transfer. */
static uint64_t discard_limit(const struct exchange *exchange) {
        uint64_t wanted = exchange->planned == 413 ? body_limit(exchange) : 0;

        return wanted > UINT64_MAX - BODY_DISCARD_MAX ? UINT64_MAX : wanted + BODY_DISCARD_MAX;
}

unsigned int body_plan(struct exchange *exchange) {
        const struct header_check *header = &exchange->header;

        if (exchange->planned == 0 && header->has_length && header->length > body_limit(exchange))
                exchange->planned = 413;
        if (exchange->planned == 0)
                return 0;

        /* Nobody wants this body. */
        exchange->discards = true;
        if (!header->chunked && header->length == 0)
                return 0;
        if (header->expects_continue || header->length > discard_limit(exchange))
                return exchange->planned;
        return 0;
}

static int body_grow(struct exchange *exchange, size_t need) {
        struct muster_request *request = &exchange->request;
        size_t capacity = MAX(exchange->capacity * 2, (size_t) CAPACITY_MIN);
        char *larger;

        if (exchange->header.has_length && exchange->header.length <= TRUST_SIZE)
                capacity = (size_t) exchange->header.length + 1;
        capacity = MAX(capacity, need);
        larger = realloc(request->body, capacity);
        if (!larger)
                return -ENOMEM;
        request->body = larger;
        exchange->capacity = capacity;
        return 0;
}

/* From now on the body is only read for the connection's sake. */
static void body_refuse(struct exchange *exchange) {
        struct muster_request *request = &exchange->request;

        exchange->planned = 413;
        exchange->allow = NULL;
        exchange->discards = true;
        free(request->body);
        request->body = NULL;
        request->body_size = 0;
}

int body_take(struct exchange *exchange, const char *data, size_t size) {
        struct muster_request *request = &exchange->request;
        int r;

        exchange->received += size;
        if (!exchange->discards && exchange->received > body_limit(exchange))
                body_refuse(exchange);
        if (exchange->discards)
                return exchange->received > discard_limit(exchange) ? -EFBIG : 0;

        if (request->body_size + size + 1 > exchange->capacity) {
                r = body_grow(exchange, request->body_size + size + 1);
                if (r < 0)
                        return r;
        }
        memcpy(request->body + request->body_size, data, size);
        request->body_size += size;
        request->body[request->body_size] = '\0';
        return 0;
}
