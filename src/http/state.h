/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "http/answer.h"
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
        bool in_place; /* the library parses in place and is too tolerant: see header-check.c */
        usec_t now;    /* the last time that was looked at the clock */

        struct http_listener *listeners;
        usec_t accept_again; /* no accepting until then; 0 without a shortage */
        bool shortage_told;  /* the log has it already */

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

        bool draining;
        bool stopping; /* no handler is called any more */
        usec_t drain_deadline;
        struct cached_answer cache[ANSWER_CACHE_SIZE];
};
