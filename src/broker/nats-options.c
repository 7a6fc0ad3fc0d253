/* SPDX-License-Identifier: MIT */

/*
 * How to connect to a NATS server: where it is, who we are, whom we trust.
 *
 * The file of credentials is read at every attempt, so that a new password needs no reload. It is either what NATS calls a
 * credentials file, which the library reads by itself, or one line with a user and password, or with a token. In the
 * URL they are an alternative. The buffers are wiped; the library has its own copies.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <nats/nats.h>

#include "broker/nats.h"

#define CONNECT_TIMEOUT_MSEC 5000
#define WRITE_TIMEOUT_MSEC   5000
#define PING_INTERVAL_MSEC   10000 /* a connection that is dead is noticed */
#define PINGS_MAX            2     /* after this many without an answer */
#define CREDENTIALS_MAX      65536
#define CREDENTIALS_MARK     "-----BEGIN NATS USER JWT-----"

/* ---- Who we are ---- */

static natsStatus set_user(natsOptions *options, const char *user, const char *password) {
        if (!*user)
                return NATS_OK;
        return *password ? natsOptions_SetUserInfo(options, user, password)
                         : natsOptions_SetToken(options, user);
}

static int read_file(const char *path, char *buffer, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;
        int r;

        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size - 1);
        r = n < 0 ? -errno : 0;
        (void) close(fd);
        buffer[n < 0 ? 0 : n] = '\0';
        return r;
}

static natsStatus set_line(natsOptions *options, char *line) {
        char *colon;

        line[strcspn(line, "\r\n")] = '\0';
        colon = strchr(line, ':');
        if (colon)
                *colon++ = '\0';
        return !*line || (colon && !*colon) ? NATS_INVALID_ARG : set_user(options, line, colon ?: "");
}

static natsStatus set_credentials(natsOptions *options, const char *path, char *reason, size_t size) {
        char text[CREDENTIALS_MAX];
        natsStatus status;
        int r;

        r = read_file(path, text, sizeof(text));
        if (r < 0) {
                (void) snprintf(reason, size, "Cannot read %s: %s", path, strerror(-r));
                return NATS_ERR;
        }
        if (strstr(text, CREDENTIALS_MARK))
                status = natsOptions_SetUserCredentialsFromFiles(options, path, NULL);
        else
                status = set_line(options, text);
        explicit_bzero(text, sizeof(text));
        if (status == NATS_INVALID_ARG)
                (void) snprintf(reason, size,
                                "%s holds neither credentials of NATS nor USER:PASSWORD nor a token", path);
        return status;
}

/* ---- Whom we trust ---- */

static natsStatus set_tls(natsOptions *options, const struct broker_settings *settings,
                          const struct config_broker_url *server) {
        natsStatus status;

        status = natsOptions_SetSecure(options, true);
        if (status == NATS_OK && *settings->tls_ca)
                status = natsOptions_LoadCATrustedCertificates(options, settings->tls_ca);
        if (status == NATS_OK && *settings->tls_certificate)
                status = natsOptions_LoadCertificatesChain(options, settings->tls_certificate,
                                                           settings->tls_key);
        return status ?: natsOptions_SetExpectedHostname(options, server->host);
}

/* ---- All of it ---- */

static natsStatus set_behaviour(natsOptions *options, const char *client) {
        natsStatus status;

        status = natsOptions_SetName(options, client);
        status = status ?: natsOptions_SetTimeout(options, CONNECT_TIMEOUT_MSEC);
        status = status ?: natsOptions_SetWriteDeadline(options, WRITE_TIMEOUT_MSEC);
        status = status ?: natsOptions_SetPingInterval(options, PING_INTERVAL_MSEC);
        status = status ?: natsOptions_SetMaxPingsOut(options, PINGS_MAX);
        status = status ?: natsOptions_SetAllowReconnect(options, false);
        status = status ?: natsOptions_SetIgnoreDiscoveredServers(options, true);
        return status ?: natsOptions_UseGlobalMessageDelivery(options, true);
}

static natsStatus set_server(natsOptions *options, const struct config_broker_url *server) {
        bool ipv6 = strchr(server->host, ':') != NULL;
        char url[CONFIG_BROKER_NAME_MAX];

        (void) snprintf(url, sizeof(url), "nats://%s%s%s:%u", ipv6 ? "[" : "", server->host, ipv6 ? "]" : "",
                        server->port);
        return natsOptions_SetURL(options, url);
}

int nats_options_new(natsOptions **ret, const struct broker_settings *settings,
                     const struct config_broker_url *server, char *reason, size_t size) {
        natsStatus status;

        status = natsOptions_Create(ret);
        if (status != NATS_OK)
                return (int) status;
        status = set_server(*ret, server);
        status = status ?: set_behaviour(*ret, settings->client);
        status = status ?: set_user(*ret, server->user, server->password);
        if (status == NATS_OK && *settings->credentials)
                status = set_credentials(*ret, settings->credentials, reason, size);
        if (status == NATS_OK && server->tls)
                status = set_tls(*ret, settings, server);
        return (int) status;
}
