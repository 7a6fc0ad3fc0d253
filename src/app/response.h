/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* The answer to a request as plain data: what the application has said so far. See response.c. */

#define RESPONSE_HEADERS_MAX_SIZE 4096U /* of all added fields together */

enum response_kind {
        RESPONSE_NONE,
        RESPONSE_STATIC, /* bytes that never go away */
        RESPONSE_BYTES,  /* bytes that live as long as the request, or `owned` */
        RESPONSE_FILE,
};

struct response_header {
        struct response_header *next;
        const char *name;
        const char *value;
};

struct response {
        enum response_kind kind;
        unsigned int status;
        const char *type; /* Content-Type, NULL for none */
        const void *bytes;
        size_t size;
        void *owned; /* malloc()ed bytes, NULL where they are in the arena */
        int fd;      /* of a RESPONSE_FILE, else -1 */
        struct stat stat;
        struct response_header *headers; /* in the order they were added */
        struct response_header **headers_end;
        size_t headers_size;
        bool has_type; /* a Content-Type was added as a header */
        bool close;    /* the connection is to end with it */
};

/* Gives back what the answer owns and makes it empty again; its strings stay in the request's arena. */
void response_reset(struct response *response);

/* Makes it the answer that says a status and nothing else, whatever was recorded before. */
void response_set_status(struct response *response, unsigned int status);

/* Tells the client to come again soon. Nothing can be added afterwards. */
void response_set_retry(struct response *response);
