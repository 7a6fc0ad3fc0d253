/* SPDX-License-Identifier: MIT */

/*
 * The application's calls about a request.
 *
 * They work on plain data that the server has filled in, and never on the server's own state. The reason is
 * the guard: an application may fault in the middle of any of these calls, and the jump that follows must
 * leave nothing half-changed but this one request, which is answered 500 and thrown away. For the same
 * reason everything that is allocated here is tied to the request before it is used.
 *
 * A request has two owners. The server's ends when the client has its answer or is gone; the application's
 * begins when a handler suspends the request and ends when it responds. The server frees the object when
 * neither is left, so an application that answers too late never touches freed memory. What it was handed
 * out before (header values, the peer) is copied, so that it outlives the connection too.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/un.h>

#include "app/offload.h"
#include "app/request.h"
#include "util/macro.h"

struct request_timer {
        struct list node;
        struct muster_request *request;
        struct muster_timer *timer;
        muster_handler_t handler;
};

void request_init(struct muster_request *request, struct muster *muster, const struct request_ops *ops) {
        memset(request, 0, offsetof(struct muster_request, arena));
        request->ops = ops;
        request->muster = muster;
        request->response.fd = -1;
        request->response.headers_end = &request->response.headers;
        list_init(&request->timers);
        list_init(&request->jobs);
        arena_reset(&request->arena);
}

static struct request_timer *request_timer_free(struct request_timer *timer) {
        list_remove(&timer->node);
        (void) muster_timer_cancel(timer->timer);
        free(timer);
        return NULL;
}

void request_cancel_waits(struct muster_request *request) {
        offload_forget(request);
        while (!list_empty(&request->timers))
                request_timer_free(container_of(request->timers.next, struct request_timer, node));
}

void request_reset(struct muster_request *request) {
        request_cancel_waits(request);
        response_reset(&request->response);
        free(request->body);
        request->body = NULL;
        arena_reset(&request->arena);
}

/* ---- Running a handler ---- */

struct call {
        struct muster_request *request;
        muster_handler_t handler;
};

static void call_handler(void *argument) {
        const struct call *call = argument;

        call->handler(call->request);
}

/* HEAD is answered by the same code as GET, unless there is a route for it. */
struct quarantine_request request_for_quarantine(const struct muster_request *request) {
        const struct muster_route *declared = request->route->declared;
        const char *method = declared->method;

        if (method[0] == '*')
                method = streq(request->method, "HEAD") ? "GET" : request->method;
        return (struct quarantine_request){
                .method = method,
                .segments = request->target.segments,
                .size = request->target.size,
                .route_method = declared->method,
                .route_path = declared->path,
        };
}

/* Whatever the handler had said is taken back. One that faulted would fault again; one that hung may have been unlucky. */
static void answer_fault(struct muster_request *request, bool hung) {
        request->faulted = true;
        request_cancel_waits(request);
        response_set_status(&request->response, hung ? 503 : 500);
        if (hung)
                response_set_retry(&request->response);
        request->response.close = true;
        request->state = REQUEST_ANSWERED;
}

int request_run_function(struct muster_request *request, guard_function_t function, void *argument) {
        const struct quarantine_request view = request_for_quarantine(request);
        const struct guard_context context = { .route = request->route->label,
                                               .target = request->target_text,
                                               .request = &view };
        struct slot *slot = request->muster->slot;
        int signal;

        memcpy(slot->route, request->route->label, sizeof(slot->route));
        signal = muster_process_run(request->muster, &context, function, argument);
        slot->route[0] = '\0';
        if (signal != 0)
                answer_fault(request, guard_was_hung());
        return signal;
}

int request_run(struct muster_request *request, muster_handler_t handler) {
        struct call call = { request, handler };

        return request_run_function(request, call_handler, &call);
}

/* ---- What was asked ---- */

struct muster *muster_request_muster(const struct muster_request *request) {
        return request->muster;
}

const char *muster_request_method(const struct muster_request *request) {
        return request->method;
}

const char *muster_request_path(const struct muster_request *request) {
        return request->target.path;
}

const char *muster_request_target(const struct muster_request *request) {
        return request->target_text;
}

const char *muster_request_param(const struct muster_request *request, const char *name) {
        for (size_t i = 0; request->route && i < request->route->n_params; i++)
                if (streq(request->route->params[i], name))
                        return request->params[i];
        return NULL;
}

/* Cuts the query up when it is asked for. There can't be more parts than ampersands, and one. */
static void load_query(struct muster_request *request) {
        struct request_fields *query = &request->query;
        char *cursor, *name, *value;
        size_t parts = 1;

        if (query->loaded || !request->target.query)
                return;
        for (const char *p = request->target.query; *p; p++)
                parts += *p == '&';
        cursor = arena_strdup(&request->arena, request->target.query);
        query->fields = arena_alloc(&request->arena, parts * sizeof(*query->fields));
        if (!cursor || !query->fields)
                return;
        while (query_next(&cursor, &name, &value))
                query->fields[query->n++] = (struct request_field){ name, value };
        query->loaded = true;
}

static void load_headers(struct muster_request *request) {
        if (!request->headers.loaded && request->ops->load_headers(request, &request->headers) == 0)
                request->headers.loaded = true;
}

const char *muster_request_query(struct muster_request *request, const char *name) {
        load_query(request);
        for (size_t i = 0; i < request->query.n; i++)
                if (streq(request->query.fields[i].name, name))
                        return request->query.fields[i].value;
        return NULL;
}

const char *muster_request_header(const struct muster_request *request, const char *name) {
        /* The object is the server's and never const; only the application's view of it is. */
        load_headers((struct muster_request *) request);
        for (size_t i = 0; i < request->headers.n; i++)
                if (strcasecmp(request->headers.fields[i].name, name) == 0)
                        return request->headers.fields[i].value;
        return NULL;
}

static void each_field(const struct request_fields *fields,
                       bool (*each)(void *data, const char *name, const char *value), void *data) {
        for (size_t i = 0; i < fields->n; i++)
                if (!each(data, fields->fields[i].name, fields->fields[i].value))
                        return;
}

void muster_request_each_header(struct muster_request *request,
                                bool (*each)(void *data, const char *name, const char *value), void *data) {
        load_headers(request);
        each_field(&request->headers, each, data);
}

void muster_request_each_query(struct muster_request *request,
                               bool (*each)(void *data, const char *name, const char *value), void *data) {
        load_query(request);
        each_field(&request->query, each, data);
}

const void *muster_request_body(const struct muster_request *request, size_t *ret_size) {
        if (ret_size)
                *ret_size = request->body_size;
        return request->body ? request->body : "";
}

static const struct sockaddr *load_peer(struct muster_request *request) {
        const struct sockaddr *peer;
        struct sockaddr_storage *copy;
        socklen_t size = 0;

        if (request->peer)
                return request->peer;
        peer = request->ops->peer(request, &size);
        copy = peer ? arena_alloc(&request->arena, sizeof(*copy)) : NULL;
        if (!copy)
                return NULL;
        memset(copy, 0, sizeof(*copy));
        memcpy(copy, peer, MIN(size, sizeof(*copy)));
        request->peer = (struct sockaddr *) copy;
        return request->peer;
}

const struct sockaddr *muster_request_peer_address(const struct muster_request *request) {
        return load_peer((struct muster_request *) request);
}

_Static_assert(PEER_TEXT_SIZE >= INET6_ADDRSTRLEN + sizeof("[]:65535"), "an address and a port must fit");

const char *request_format_peer(const struct sockaddr *peer, char buffer[PEER_TEXT_SIZE]) {
        char address[INET6_ADDRSTRLEN] = "";

        if (peer && peer->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) peer;

                (void) inet_ntop(AF_INET, &in->sin_addr, address, sizeof(address));
                (void) snprintf(buffer, PEER_TEXT_SIZE, "%s:%u", address, ntohs(in->sin_port));
        } else if (peer && peer->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) peer;

                (void) inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
                (void) snprintf(buffer, PEER_TEXT_SIZE, "[%s]:%u", address, ntohs(in6->sin6_port));
        } else
                return peer && peer->sa_family == AF_UNIX ? "unix" : "unknown";
        return buffer;
}

const char *muster_request_peer(struct muster_request *request) {
        char buffer[PEER_TEXT_SIZE];

        if (!request->peer_text)
                request->peer_text =
                        arena_strdup(&request->arena, request_format_peer(load_peer(request), buffer));
        return request->peer_text ? request->peer_text : "unknown";
}

uint64_t muster_request_began(const struct muster_request *request) {
        return request->began_realtime;
}

void muster_request_set_data(struct muster_request *request, void *data) {
        request->data = data;
}

void *muster_request_data(const struct muster_request *request) {
        return request->data;
}

struct MHD_Connection *muster_request_connection(const struct muster_request *request) {
        return request->ops->connection(request);
}

void request_detach(struct muster_request *request) {
        load_headers(request);
        (void) load_peer(request);
}

/* ---- Answering later ---- */

int muster_request_suspend(struct muster_request *request) {
        if (request->state == REQUEST_ANSWERED)
                return -EALREADY;
        request->state = REQUEST_SUSPENDED;
        request->shared = true;
        return 0;
}

/* A fault in the handler of a request that waits is that request's: it gets the 500 at once. */
static void on_request_timer(struct muster *muster, void *data) {
        struct request_timer *timer = data;
        struct muster_request *request = timer->request;
        muster_handler_t handler = timer->handler;

        timer->timer = NULL; /* it is gone when its handler is called */
        request_timer_free(timer);
        if (request_run(request, handler) != 0)
                request->ops->answered(request);
}

int muster_request_after(struct muster_request *request, uint64_t usec, muster_handler_t handler) {
        struct request_timer *timer;

        if (request->state == REQUEST_ANSWERED)
                return -EALREADY;
        if (!handler)
                return -EINVAL;
        timer = calloc(1, sizeof(*timer));
        if (!timer)
                return -ENOMEM;
        timer->request = request;
        timer->handler = handler;
        list_append(&request->timers, &timer->node);
        timer->timer = muster_timer_after(request->muster, usec, on_request_timer, timer);
        if (!timer->timer) {
                request_timer_free(timer);
                return -ENOMEM;
        }
        request->state = REQUEST_SUSPENDED;
        request->shared = true;
        return 0;
}
