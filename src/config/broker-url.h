/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_BROKER_TEXT_MAX 512U
#define CONFIG_BROKER_NAME_MAX 288U

/* Where a message broker is, as [broker] url has it. */
struct config_broker_url {
        const char *driver; /* who speaks its protocol: "nats"; a constant */
        bool tls;
        unsigned int port;
        char host[256];                        /* without brackets */
        char user[CONFIG_BROKER_TEXT_MAX];     /* "" for none; alone, it is a token */
        char password[CONFIG_BROKER_TEXT_MAX]; /* "" for none */
};

/* "SCHEME://[USER[:PASSWORD]@]HOST[:PORT]"; user and password may have bytes written as %XX. Returns 0, or -EINVAL. */
int config_broker_url_parse(const char *text, struct config_broker_url *ret);

/* How it is called where others read it, without user and password: "nats://127.0.0.1:4222". Returns buffer. */
char *config_broker_url_name(const struct config_broker_url *url, char *buffer, size_t size);

/* What the grammar allows, in words, for error messages. */
#define CONFIG_BROKER_URL_ALLOWED "nats://[USER:PASSWORD@]HOST[:PORT] or tls://…"
