/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <microhttpd.h>

#include "util/list.h"
#include "util/time.h"

struct http_server;
struct exchange;

/* Where a connection is, which decides what deadline it has. */
enum phase {
        PHASE_HEADER,  /* a request has begun, or the connection is new */
        PHASE_IDLE,    /* between two requests */
        PHASE_QUIET,   /* likewise, and the client is known to be still there */
        PHASE_BODY,    /* receives a body */
        PHASE_HANDLER, /* suspended, waits for the application */
        PHASE_SEND,    /* an answer is being sent */
        _PHASE_MAX,
};

/* Our side of a connection; libmicrohttpd keeps the pointer. See connection.c. */
struct connection {
        struct list node; /* in the list of its phase, by deadline */
        struct http_server *server;
        struct MHD_Connection *mhd;
        struct exchange *exchange; /* NULL between requests */
        int fd;                    /* libmicrohttpd's */
        enum phase phase;
        bool lingers; /* the answer under way ends it though the client may still be sending: see linger.c */
        bool ended;   /* the client has had its last word from us; what it still sends is read and dropped */
        bool cut;     /* it is shut down, and has no deadline any more */
        usec_t deadline;
        usec_t since;   /* when the phase began, or was checked last */
        uint64_t moved; /* bytes received or acknowledged until then */
};

/* MHD_OPTION_NOTIFY_CONNECTION: makes and frees a struct connection. */
void connection_notify(void *userdata, struct MHD_Connection *mhd, void **context,
                       enum MHD_ConnectionNotificationCode code);

/* The connection libmicrohttpd means, NULL when there was no memory for one. */
struct connection *connection_of(struct MHD_Connection *mhd);

/* Begins a phase, and with it a deadline. */
void connection_enter(struct connection *connection, enum phase phase);

/* In the phases BODY and SEND progress is looked at now and then: the span until the next look. */
usec_t connection_check_span(const struct connection *connection);

/* Sets another deadline within the phase. */
void connection_defer(struct connection *connection, usec_t deadline);

/* Whether the client has sent what nobody has read yet. */
bool connection_has_unread(const struct connection *connection);

/* Whether the client has closed its side, and all that it had sent was read. */
bool connection_client_left(const struct connection *connection);

/* Ends it from our side; libmicrohttpd finds out in the next turn and frees it. */
void connection_cut(struct connection *connection);

/* Ends it as far as we have something to say, and lets the client read that: it is cut when the client closes, or
 * after a moment. See linger.c for the reason. */
void connection_end(struct connection *connection);

/* Answers past libmicrohttpd, where it would not: in the middle of a header or a body. Nothing else can be
 * under way to the client then. The connection is to be ended afterwards. */
void connection_answer_raw(struct connection *connection, unsigned int status);
