/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <muster/app.h>

#include "app/arena.h"
#include "app/process.h"
#include "app/response.h"
#include "app/router.h"
#include "app/target.h"
#include "util/list.h"
#include "util/time.h"

/* One request as the application sees it: plain data, filled and answered by the server. See request.c. */

enum request_state {
        REQUEST_FRESH,
        REQUEST_SUSPENDED,
        REQUEST_ANSWERED,
};

struct request_field {
        const char *name;
        const char *value;
};

struct request_fields {
        bool loaded;
        size_t n;
        struct request_field *fields;
};

/* What only the server can do. None of it may change the server's view of the connection: an application's
 * call can be cut short by a fault at any point. */
struct request_ops {
        /* Copies all header fields into the request's arena. 0 or -ENOMEM. */
        int (*load_headers)(struct muster_request *request, struct request_fields *ret);
        /* A request is answered: if it was parked, note it down, so that the loop sends the answer. */
        void (*answered)(struct muster_request *request);
        /* Watch whether the client goes away while the request waits, until it is answered. */
        void (*watch_client)(struct muster_request *request);
        /* The peer, NULL when it is gone. */
        const struct sockaddr *(*peer)(const struct muster_request *request, socklen_t *ret_size);
        struct MHD_Connection *(*connection)(const struct muster_request *request);
};

struct muster_request {
        const struct request_ops *ops;
        struct muster *muster;
        enum request_state state;
        bool parked; /* the handler has returned, the server waits for the application */
        bool shared; /* it has been suspended: the application may have the pointer */
        bool faulted;

        const char *method;
        const char *target_text; /* raw */
        struct target target;
        const struct route *route;
        const char *params[ROUTER_PARAMS_MAX];
        usec_t began;          /* monotonic */
        usec_t began_realtime; /* for the application */

        char *body; /* malloc()ed, NULL where there is none */
        size_t body_size;

        struct request_fields headers;
        struct request_fields query;
        const char *peer_text;
        const struct sockaddr *peer;
        struct list timers; /* of muster_request_after() */
        struct list jobs;   /* of muster_offload() */
        void *data;

        struct response response;
        struct arena arena;
};

/* Makes a zeroed or used one fresh, and gives back all it holds. */
void request_init(struct muster_request *request, struct muster *muster, const struct request_ops *ops);
void request_reset(struct muster_request *request);

/* A request that has a route, as the quarantine sees it. */
struct quarantine_request request_for_quarantine(const struct muster_request *request);

/* Runs a handler of the application for this request, under the guard with the request's route and target.
 * When it faults, the request is answered 500 with the end of the connection, whatever was said before; when it hangs,
 * 503.
 * Returns 0 or the signal. */
int request_run(struct muster_request *request, muster_handler_t handler);

/* Makes what the application may still look at independent of the connection, which is about to go. What there
 * is no memory for is missing from then on. */
void request_detach(struct muster_request *request);

/* The same for any function. */
int request_run_function(struct muster_request *request, guard_function_t function, void *argument);

/* Ends what it may be waiting for: the timers of muster_request_after(), what it has offloaded. */
void request_cancel_waits(struct muster_request *request);

/* Writes an address as muster_request_peer() gives it. Returns the text, which may be static. */
#define PEER_TEXT_SIZE 64
const char *request_format_peer(const struct sockaddr *peer, char buffer[PEER_TEXT_SIZE]);
