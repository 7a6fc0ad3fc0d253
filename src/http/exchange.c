/* SPDX-License-Identifier: MIT */

/*
 * From a request to its answer.
 *
 * libmicrohttpd tells of a request in steps, and an exchange is what it keeps for us between them:
 *
 *   exchange_begin()      the request line has come; the raw target is copied, since the parser writes over it
 *   exchange_handle()     first: the header is there. It is checked, the route is found (admission.c), and what is
 *                         to become of the body is decided. Whatever is refused is refused here, before a client that waits for
 *                         100 Continue sends anything. An answer given here ends the connection (libmicrohttpd
 *                         will have it so), hence everything else is answered in the last step.
 *                         then: the body in pieces
 *                         last: all of it is there. The application's handler runs; what it has recorded is sent
 *                         when it has returned, outside of the guard. Or it suspends the request: then
 *                         libmicrohttpd calls once more when the answer has come, or has not come in time.
 *   exchange_completed()  the answer is sent, or the client gone
 *
 * For a request without a body all this happens in one go, between one recv() and one sendmsg().
 *
 * An exchange that the application still holds outlives the connection: as an orphan it waits for the
 * application to let go of it. One whose handler has faulted after it had been suspended is never freed
 * while the worker lasts, since nobody knows who still points at it; the worker ends soon.
 */

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#include "app/offload.h"
#include "http/access-log.h"
#include "http/admission.h"
#include "http/body.h"
#include "http/client-watch.h"
#include "http/exchange.h"
#include "http/linger.h"
#include "http/state.h"
#include "util/log.h"

#define SPARE_MAX 64U

static struct exchange *exchange_of(const struct muster_request *request) {
        return container_of(request, struct exchange, request);
}

/* ---- What a request asks of the server: see app/request.h ---- */

struct load {
        struct muster_request *request;
        struct request_fields *fields;
        bool failed;
};

static enum MHD_Result load_header(void *userdata, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size) {
        struct load *load = userdata;
        const char *authority = load->request->target.authority;
        struct request_field *field = &load->fields->fields[load->fields->n];

        if (authority && name_size == 4 && strncasecmp(name, "Host", 4) == 0)
                return MHD_YES; /* RFC 9112, 3.2.2: what the target says is the Host */
        while (value_size > 0 && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
                value_size--;
        field->name = arena_strndup(&load->request->arena, name, name_size);
        field->value = arena_strndup(&load->request->arena, value, value_size);
        load->failed = !field->name || !field->value;
        if (load->failed)
                return MHD_NO;
        load->fields->n++;
        return MHD_YES;
}

static int ops_load_headers(struct muster_request *request, struct request_fields *ret) {
        const struct connection *connection = exchange_of(request)->connection;
        struct load load = { .request = request, .fields = ret };
        int n;

        if (!connection)
                return -ENOTCONN;
        ret->n = 0;
        n = MHD_get_connection_values(connection->mhd, MHD_HEADER_KIND, NULL, NULL);
        ret->fields = arena_alloc(&request->arena, ((size_t) MAX(n, 0) + 1) * sizeof(*ret->fields));
        if (!ret->fields)
                return -ENOMEM;
        if (request->target.authority)
                ret->fields[ret->n++] = (struct request_field){ "Host", request->target.authority };
        (void) MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND, load_header, &load);
        if (!load.failed)
                return 0;
        ret->n = 0;
        return -ENOMEM;
}

static void ops_answered(struct muster_request *request) {
        struct exchange *exchange = exchange_of(request);

        if (!request->parked)
                return;
        list_remove(&exchange->node);
        list_append(&exchange->server->answered, &exchange->node);
}

static const struct sockaddr *ops_peer(const struct muster_request *request, socklen_t *ret_size) {
        const struct connection *connection = exchange_of(request)->connection;
        const struct sockaddr *address;

        if (!connection)
                return NULL;
        address = MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
        if (address)
                *ret_size = address->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
                            : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(sa_family_t);
        return address;
}

static struct MHD_Connection *ops_connection(const struct muster_request *request) {
        const struct connection *connection = exchange_of(request)->connection;

        return connection ? connection->mhd : NULL;
}

static void ops_watch_client(struct muster_request *request) {
        client_watch(exchange_of(request));
}

static const struct request_ops exchange_ops = {
        .load_headers = ops_load_headers,
        .answered = ops_answered,
        .watch_client = ops_watch_client,
        .peer = ops_peer,
        .connection = ops_connection,
};

/* ---- Objects ---- */

static struct exchange *exchange_new(struct http_server *server) {
        struct exchange *exchange;

        if (list_empty(&server->spare)) {
                exchange = calloc(1, sizeof(*exchange));
                if (!exchange)
                        return NULL;
        } else {
                /* the one that was used last is still in the cache */
                exchange = container_of(server->spare.prev, struct exchange, node);
                list_remove(&exchange->node);
                server->n_spare--;
        }
        memset((char *) exchange + sizeof(exchange->request), 0,
               sizeof(*exchange) - sizeof(exchange->request));
        request_init(&exchange->request, server->muster, &exchange_ops);
        list_init(&exchange->node);
        exchange->server = server;
        return exchange;
}

/* The server has no more use for it: it is kept for another request, unless the application may hold it. */
static void exchange_release(struct exchange *exchange) {
        struct http_server *server = exchange->server;
        struct muster_request *request = &exchange->request;

        list_remove(&exchange->node);
        if (request->state == REQUEST_SUSPENDED || (request->faulted && request->shared)) {
                list_append(&server->orphans, &exchange->node);
                offload_abandon(request);
                return;
        }
        request_reset(&exchange->request);
        if (server->n_spare >= SPARE_MAX) {
                free(exchange);
                return;
        }
        list_append(&server->spare, &exchange->node);
        server->n_spare++;
}

static void exchange_count(struct http_server *server, int change) {
        server->n_in_flight += (unsigned int) change;
        server->muster->slot->in_flight = server->n_in_flight;
}

/* Takes the exchange away from its connection, and with it from libmicrohttpd. */
static void exchange_part(struct exchange *exchange, void **context) {
        if (exchange->begun)
                exchange_count(exchange->server, -1);
        if (exchange->connection)
                exchange->connection->exchange = NULL;
        client_unwatch(exchange);
        exchange->connection = NULL;
        *context = NULL;
        exchange_release(exchange);
}

/* ---- The steps ---- */

void *exchange_begin(void *userdata, const char *target, struct MHD_Connection *mhd) {
        struct http_server *server = userdata;
        struct connection *connection = connection_of(mhd);
        struct exchange *exchange;

        if (!connection || !target || connection->ended)
                return NULL;
        exchange = exchange_new(server);
        if (!exchange)
                return NULL;
        exchange->target_at = target;
        exchange->target_size = strlen(target);
        exchange->request.target_text =
                arena_strndup(&exchange->request.arena, target, exchange->target_size);
        if (!exchange->request.target_text) {
                exchange_release(exchange);
                return NULL;
        }
        admission_begin(exchange, target);
        exchange->connection = connection;
        connection->exchange = exchange;
        if (connection->phase == PHASE_IDLE || connection->phase == PHASE_QUIET)
                connection_enter(connection, PHASE_HEADER);
        return exchange;
}

/* Past the library, and lets it close. */
static enum MHD_Result answer_raw(struct exchange *exchange, unsigned int status) {
        connection_answer_raw(exchange->connection, status);
        exchange->connection->lingers = true;
        return MHD_NO;
}

/* The span in whole seconds, which are none too few. */
static void say_retry_after(struct muster_request *request, usec_t span) {
        char seconds[32];

        (void) snprintf(seconds, sizeof(seconds), "%" PRIu64, (span + USEC_PER_SEC - 1) / USEC_PER_SEC);
        (void) muster_response_header(request, "Retry-After", seconds);
}

static void set_planned(struct exchange *exchange, unsigned int status) {
        struct muster_request *request = &exchange->request;

        response_set_status(&request->response, status);
        if (exchange->refused_for > 0 && status == exchange->planned)
                say_retry_after(request, exchange->refused_for);
        if (exchange->allow && status == exchange->planned)
                (void) muster_response_header(request, "Allow", exchange->allow);
        request->state = REQUEST_ANSWERED;
}

static enum MHD_Result answer_early(struct exchange *exchange, unsigned int status) {
        if (exchange->room < ANSWER_ROOM)
                return answer_raw(exchange, status); /* it would have no memory for the answer */
        set_planned(exchange, status);
        exchange->request.response.close = true;
        exchange->connection->lingers = true;
        return answer_send(exchange, &exchange->request.response);
}

/* The methods that matter are compared often and live for ever; others are copied out of the connection. */
static const char *copy_method(struct muster_request *request, const char *method) {
        static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH" };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(method, methods[i]))
                        return methods[i];
        return arena_strdup(&request->arena, method);
}

static enum MHD_Result handle_header(struct exchange *exchange, const char *method, const char *version) {
        struct muster_request *request = &exchange->request;
        unsigned int status;

        exchange->begun = true;
        exchange_count(exchange->server, 1);
        exchange->server->now = request->began = now_monotonic();
        request->began_realtime = request->began + exchange->server->to_realtime;
        request->method = copy_method(request, method);
        if (!request->method)
                return MHD_NO;

        status = admission_decide(exchange, method, version);
        if (status == 0)
                status = body_plan(exchange);
        if (status != 0)
                return answer_early(exchange, status);
        if (exchange->header.chunked || exchange->header.length > 0)
                connection_enter(exchange->connection, PHASE_BODY);
        return MHD_YES;
}

static enum MHD_Result handle_body(struct exchange *exchange, const char *data, size_t size) {
        int r;

        r = body_take(exchange, data, size);
        if (r == 0)
                return MHD_YES;
        return answer_raw(exchange, r == -EFBIG ? 413 : 500);
}

static enum MHD_Result handle_request(struct exchange *exchange) {
        struct muster_request *request = &exchange->request;

        /* The server is being freed: the application is not asked any more. */
        if (exchange->server->stopping) {
                exchange->planned = 503;
                exchange->allow = NULL;
        }
        if (exchange->planned != 0) {
                set_planned(exchange, exchange->planned);
                return answer_send(exchange, &request->response);
        }
        (void) request_run(request, request->route->declared->handler);
        exchange->server->now = MAX(exchange->server->now, now_coarse()); /* deadlines count from here */
        switch (request->state) {
        case REQUEST_SUSPENDED:
                request->parked = true;
                connection_enter(exchange->connection, PHASE_HANDLER);
                MHD_suspend_connection(exchange->connection->mhd);
                return MHD_YES;
        case REQUEST_FRESH:
                (void) log_error(0, "The handler of %s returned without an answer", request->route->label);
                response_set_status(&request->response, 500);
                request->state = REQUEST_ANSWERED;
                break;
        case REQUEST_ANSWERED:
                break;
        }
        return answer_send(exchange, &request->response);
}

/* The application has had its time: the client is told so, and the exchange becomes an orphan. */
static enum MHD_Result handle_expired(struct exchange *exchange, void **context) {
        struct response response = { .fd = -1 };
        enum MHD_Result result;

        access_complain(exchange->server, "%s has not answered in time", exchange->request.route->label);
        response_set_status(&response, 503);
        response.close = true;
        result = answer_send(exchange, &response);
        exchange->connection->lingers = connection_has_unread(exchange->connection);
        request_detach(&exchange->request);
        exchange_part(exchange, context);
        return result;
}

static enum MHD_Result handle_resumed(struct exchange *exchange, void **context) {
        struct muster_request *request = &exchange->request;

        exchange->resumed = false;
        client_unwatch(exchange);
        if (exchange->connection->cut) {
                request_detach(request);
                exchange_part(exchange, context);
                return MHD_NO;
        }
        if (request->state != REQUEST_ANSWERED)
                return handle_expired(exchange, context);
        request->parked = false;
        list_remove(&exchange->node);
        return answer_send(exchange, &request->response);
}

enum MHD_Result exchange_handle(void *userdata, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data, size_t *size,
                                void **context) {
        struct exchange *exchange = *context;
        size_t n = *size;

        if (!exchange)
                return MHD_NO; /* there was no memory for one */
        *size = 0;
        if (exchange->connection->ended)
                return n > 0 ? MHD_YES : MHD_NO; /* read and dropped, up to its end */
        if (!exchange->begun)
                return handle_header(exchange, method, version);
        if (n > 0)
                return handle_body(exchange, data, n);
        if (exchange->request.parked)
                return handle_resumed(exchange, context);
        return handle_request(exchange);
}

/* Whether the client may still be sending, and has an answer that a reset must not take back. Where it was not us who
 * gave it, it was the library: in the first step, or in the middle of a body. */
static bool must_linger(const struct connection *connection, const struct exchange *exchange) {
        if (connection->lingers)
                return true;
        if (!exchange || !exchange->begun)
                return exchange != NULL;
        return connection->phase == PHASE_BODY && !connection->ended && !connection->cut;
}

void exchange_completed(void *userdata, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode code) {
        struct http_server *server = userdata;
        struct exchange *exchange = *context;
        struct connection *connection =
                exchange && exchange->connection ? exchange->connection : connection_of(mhd);

        if (connection && must_linger(connection, exchange) && code != MHD_REQUEST_TERMINATED_CLIENT_ABORT)
                linger_start(server, connection->fd);
        if (exchange && exchange->request.state == REQUEST_SUSPENDED)
                request_detach(&exchange->request);
        if (exchange)
                exchange_part(exchange, context);
        if (connection)
                connection_enter(connection, PHASE_IDLE);
}

void exchange_abandon(struct connection *connection) {
        struct exchange *exchange = connection->exchange;
        void *context = exchange;

        if (must_linger(connection, exchange))
                linger_start(exchange->server, connection->fd);
        exchange_part(exchange, &context);
}

void exchange_resume(struct exchange *exchange) {
        if (exchange->resumed)
                return;
        exchange->resumed = exchange->server->resumed = true;
        MHD_resume_connection(exchange->connection->mhd);
}

void exchanges_resume(struct http_server *server) {
        while (!list_empty(&server->answered)) {
                struct exchange *exchange = container_of(server->answered.next, struct exchange, node);

                list_remove(&exchange->node);
                if (exchange->connection)
                        exchange_resume(exchange);
                else
                        exchange_release(exchange);
        }
}

static void free_list(struct list *list) {
        LIST_FOREACH_SAFE(node, list) {
                struct exchange *exchange = container_of(node, struct exchange, node);

                list_remove(node);
                request_reset(&exchange->request);
                free(exchange);
        }
}

void exchanges_free(struct http_server *server) {
        free_list(&server->answered);
        free_list(&server->orphans);
        free_list(&server->spare);
}
