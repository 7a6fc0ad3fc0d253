/* SPDX-License-Identifier: MIT */
#pragma once

#include <microhttpd.h>

#include "app/request.h"
#include "http/header-check.h"
#include "util/list.h"

struct connection;
struct http_server;

/* One request and its answer: what libmicrohttpd keeps for us with a request. See exchange.c. */
struct exchange {
        struct muster_request request;
        struct list node; /* in the server's answered, orphans or spare ones */
        struct http_server *server;
        sd_event_source *client;       /* watches whether it goes away, NULL: nobody asks */
        struct connection *connection; /* NULL when the client is gone, or has been told 503 */

        struct header_check header;
        const char *target_at; /* where the raw target stood; not to be followed */
        size_t target_size;
        const char *version;  /* static text */
        unsigned int planned; /* the status to answer without asking the application, or 0 */
        const char *allow;    /* to be said with it, or NULL */
        usec_t refused_for;   /* likewise: how long the request is in quarantine yet, or 0 */
        uint64_t received;    /* of the body */
        size_t capacity;      /* of request.body */
        size_t room;          /* of the connection's memory, for the header of the answer */

        bool has_query; /* there is a question mark in the target */
        bool oversized; /* there are more query arguments than the library can take */
        bool begun;     /* the header has been looked at */
        bool discards;  /* the body is read and dropped */
        bool resumed;   /* libmicrohttpd has been told to call again */
};

/* MHD_OPTION_URI_LOG_CALLBACK: a request line has come. */
void *exchange_begin(void *userdata, const char *target, struct MHD_Connection *mhd);

/* MHD_AccessHandlerCallback. */
enum MHD_Result exchange_handle(void *userdata, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data, size_t *size,
                                void **context);

/* MHD_OPTION_NOTIFY_COMPLETED. */
void exchange_completed(void *userdata, struct MHD_Connection *mhd, void **context,
                        enum MHD_RequestTerminationCode code);

/* The connection closes, and its exchange was not completed. From 1.0 on libmicrohttpd does not tell of the end of a
 * request whose refusal it had no memory for. */
void exchange_abandon(struct connection *connection);

/* Makes libmicrohttpd call again for a suspended request: with its answer, or, where there is none yet, to
 * tell the client 503. */
void exchange_resume(struct exchange *exchange);

/* Resumes all whose answer has come. */
void exchanges_resume(struct http_server *server);

/* Frees all that have no client any more, and the spare ones. */
void exchanges_free(struct http_server *server);
