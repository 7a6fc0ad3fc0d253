/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "http/answer.h"
#include "http/balance.h"
#include "http/connection.h"
#include "http/server.h"
#include "util/list.h"

/* The server's own state, for its parts. See server.c. */
struct http_server {
        struct muster *muster;       /* not owned */
        const struct config *config; /* not owned */
        const struct router *router; /* not owned */
        struct MHD_Daemon *daemon;
        int epoll_fd; /* libmicrohttpd's */
        int outer_fd; /* the worker's epoll, not owned; -1 until http_server_listen() */
        size_t pool_size;
        bool strict;        /* the library refuses what could be read two ways */
        bool in_place;      /* it does not, but parses in place: see header-check.c */
        bool resumed;       /* it has been told to resume something, and has not run since */
        usec_t now;         /* the last time that was looked at the clock */
        usec_t to_realtime; /* what is to be added to a monotonic time for the realtime, as of this turn */

        struct http_listener *listeners;
        struct balance balance;
        usec_t accept_again; /* no accepting until then; 0 without a shortage */
        bool shortage_told;  /* the log has it already */
        usec_t limit_again;  /* at the connection limit: when to look for who can be given up */
        usec_t gone_again;   /* likewise, for clients that have gone */
        bool awaited;        /* somebody waited to be accepted when it was last looked */

        struct list phases[_PHASE_MAX];
        unsigned int n_connections;
        unsigned int n_in_flight;

        struct list answered; /* exchanges that were waiting and have their answer */
        struct list orphans;  /* exchanges that have no client, but the application may have them */
        struct list spare;    /* exchanges to be used again */
        unsigned int n_spare;

        struct list lingering;
        unsigned int n_lingering;
        usec_t linger_again;

        usec_t complain_again; /* when the log may have the next complaint about a client */
        unsigned int n_unsaid; /* those left out since the last one */

        bool draining;
        bool stopping; /* no handler is called any more */
        usec_t drain_deadline;
        struct cached_answer cache[ANSWER_CACHE_SIZE];
};

/* How long after a drain's deadline what is still being sent may take. */
#define DRAIN_GRACE USEC_PER_SEC

/* When nothing may be left of a drain. */
static inline usec_t drain_end(const struct http_server *server) {
        return usec_add(server->drain_deadline, DRAIN_GRACE);
}
