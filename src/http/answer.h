/* SPDX-License-Identifier: MIT */
#pragma once

#include <microhttpd.h>

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
        struct MHD_Response *response;
};

/* Queues an answer. MHD_NO where that can't be done, which ends the connection. */
enum MHD_Result answer_send(struct exchange *exchange, struct response *response);

void answer_cache_clear(struct http_server *server);
