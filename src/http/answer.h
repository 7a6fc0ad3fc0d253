/* SPDX-License-Identifier: MIT */
#pragma once

#include <microhttpd.h>

#include "util/time.h"

struct exchange;
struct http_server;
struct response;

#define ANSWER_CACHE_SIZE 64U

/* An answer that can be sent again as it is. */
struct cached_answer {
        unsigned int status;
        const char *type;
        const void *bytes;
        size_t size;
        usec_t second; /* of its Date, since 1970 */
        struct MHD_Response *response;
};

/* What the header of an answer takes at most, but for the fields that an application adds. */
#define ANSWER_ROOM 1024U

/* Queues an answer, or, where that can't be done, 500 with the end of the connection. MHD_NO where even that fails,
 * which just ends it. */
enum MHD_Result answer_send(struct exchange *exchange, struct response *response);

void answer_cache_clear(struct http_server *server);
