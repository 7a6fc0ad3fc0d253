/* SPDX-License-Identifier: MIT */

/*
 * Whether a request is let in, and where to: all that is decided when its header is there, but for the body.
 *
 * First the header check (header-check.c), over what libmicrohttpd has made of the header. Then whether the memory of
 * the connection suffices. It is one pool, for the request's bytes, for the library's table of its fields, arguments
 * and cookies, and for the header of the answer. A request that fills it would get no answer at all, so one that leaves
 * too little is told 431. Then the route, and whether it is closed: see ipc/quarantine-page.c.
 */

#include <errno.h>

#include "http/access-log.h"
#include "http/admission.h"
#include "http/exchange.h"
#include "http/state.h"

#define FIELD_SIZE 64U /* what the library's table takes for a field, an argument or a cookie */

/* Whether the library has the memory for its table of the query's arguments, whatever else it has read already: that is
 * up to half of all, or up to where the header ends and an eighth of the rest. */
static bool has_room_for_query(const struct http_server *server, const char *query, size_t target_size) {
        size_t pool = server->pool_size, read = MIN(pool, target_size), n = 1;

        read = MAX(pool / 2, read + (pool - read) / 8 + FIELD_SIZE);
        for (const char *p = query; *p; p++)
                n += *p == '&';
        return n * FIELD_SIZE <= pool - read;
}

/* Out of memory for the arguments, 0.9.75 answers 431, and then reads on as if it had not. So it must not find them: it
 * is going to look behind the question mark, in a buffer of its own that it lets us see. */
static void forget_query(struct exchange *exchange, const char *query) {
        exchange->oversized = true;
        *(char *) query = '\0';
}

void admission_begin(struct exchange *exchange, const char *target) {
        const char *query = strchr(target, '?');

        exchange->has_query = query != NULL;
        if (query && !has_room_for_query(exchange->server, query + 1, exchange->target_size))
                forget_query(exchange, query + 1);
}

/* How many entries the library's table has. All but the fields are seldom there, and to count them is to walk it. */
static size_t count_entries(const struct exchange *exchange) {
        int n = 0;

        if (exchange->has_query || exchange->header.cookie_size > 0)
                n = MHD_get_connection_values(exchange->connection->mhd,
                                              MHD_GET_ARGUMENT_KIND | MHD_COOKIE_KIND, NULL, NULL);
        return exchange->header.n_fields + (size_t) MAX(n, 0);
}

static enum MHD_Result check_field(void *userdata, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size) {
        header_check_field(userdata, name, name_size, value ? value : "", value ? value_size : 0);
        return MHD_YES;
}

/* What the library has left for the header of an answer, when all that it keeps of the request is taken off: the bytes
 * themselves, the cookies a second time, and its table. Another request that came with the first may take from it, of
 * which nothing can be known. */
static size_t answer_room(const struct exchange *exchange, size_t header_size) {
        size_t used = header_size + exchange->header.cookie_size + count_entries(exchange) * FIELD_SIZE;

        return exchange->server->pool_size - MIN(exchange->server->pool_size, used);
}

/* Returns 0, or the status with which the header is refused. */
static unsigned int check_header(struct exchange *exchange, const char *method, const char *version) {
        const struct http_server *server = exchange->server;
        struct MHD_Connection *mhd = exchange->connection->mhd;
        struct header_check *check = &exchange->header;
        size_t size = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
        const char *reason;

        header_check_begin(check, method, exchange->request.target_text, version);
        if (server->in_place)
                header_check_layout(check, method, exchange->target_at, exchange->target_size, version);
        (void) MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, check_field, check);
        exchange->room = answer_room(exchange, size);
        exchange->version = check->is_1_1 ? "HTTP/1.1" : "HTTP/1.0";
        reason = header_check_end(check, method, size);
        if (reason) {
                access_complain(exchange->server, "Refused a request from %s: %s",
                                muster_request_peer(&exchange->request), reason);
                return 400;
        }
        if (size > server->config->http.max_header || exchange->room < ANSWER_ROOM || exchange->oversized)
                return 431;
        return 0;
}

/* A request that has crashed workers, or whose route has, is answered without asking the application. */
static void check_quarantine(struct exchange *exchange) {
        const struct muster *muster = exchange->server->muster;
        struct quarantine_request view;

        if (!quarantine_in_use(muster->quarantine))
                return;
        view = request_for_quarantine(&exchange->request);
        exchange->refused_for = quarantine_left(muster->quarantine, &view, exchange->server->now);
        if (exchange->refused_for == 0)
                return;
        exchange->planned = 503;
        muster->slot->quarantined++;
}

/* Finds the route. Returns 0, or the status that answers the request at once. */
static unsigned int find_route(struct exchange *exchange) {
        struct muster_request *request = &exchange->request;
        struct router_match match;
        int r;

        r = target_parse(&request->target, &request->arena, request->target_text);
        if (r < 0)
                return r == -EINVAL ? 400 : 500;
        r = router_match(exchange->server->router, request->method, &request->target, &request->arena,
                         &match);
        if (r < 0)
                return 500;
        request->route = match.route;
        if (match.route)
                memcpy(request->params, match.params, match.route->n_params * sizeof(match.params[0]));
        exchange->planned = match.status;
        exchange->allow = match.allow;
        if (match.route)
                check_quarantine(exchange);
        return 0;
}

unsigned int admission_decide(struct exchange *exchange, const char *method, const char *version) {
        unsigned int status = check_header(exchange, method, version);

        return status == 0 ? find_route(exchange) : status;
}
