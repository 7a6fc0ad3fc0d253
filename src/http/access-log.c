/* SPDX-License-Identifier: MIT */

/*
 * The access log, a line for each answer, and the slow log, a warning for each request that took longer than
 * `[log] slow`. The time is that of making the answer, from the end of the request's header; sending it is
 * the client's.
 *
 * And the complaints, about requests that were refused or not answered in time. Whoever sends bad requests in
 * quantity must not make the journal drop the lines that matter, so a worker complains once a second.
 */

#include <inttypes.h>
#include <stdio.h>

#include "http/access-log.h"
#include "http/exchange.h"
#include "http/state.h"
#include "util/log.h"

#define COMPLAINT_SPAN USEC_PER_SEC

static void log_access(struct muster_request *request, const char *version, unsigned int status,
                       uint64_t size, const char *duration) {
        char status_field[32], size_field[48], method_field[48], route_field[SCOREBOARD_ROUTE_SIZE + 16];
        const char *const fields[] = { status_field, size_field, method_field, route_field, NULL };

        (void) snprintf(status_field, sizeof(status_field), "MUSTER_STATUS=%u", status);
        (void) snprintf(size_field, sizeof(size_field), "MUSTER_SIZE=%" PRIu64, size);
        (void) snprintf(method_field, sizeof(method_field), "MUSTER_METHOD=%.30s", request->method);
        (void) snprintf(route_field, sizeof(route_field), "MUSTER_ROUTE=%s",
                        request->route ? request->route->label : "");
        (void) log_fields(LOG_INFO, 0, fields, "%s \"%s %s %s\" %u %" PRIu64 " %s",
                          muster_request_peer(request), request->method, request->target_text, version,
                          status, size, duration);
}

void access_log(struct exchange *exchange, unsigned int status, uint64_t size) {
        const struct config *config = exchange->server->config;
        struct muster_request *request = &exchange->request;
        char duration[USEC_FORMAT_MAX];
        usec_t took;

        if (!config->log.access && config->log.slow == USEC_NEVER)
                return;
        took = now_monotonic() - request->began;
        (void) usec_format(took, duration, sizeof(duration));
        if (config->log.access)
                log_access(request, exchange->version, status, size, duration);
        if (took > config->log.slow)
                (void) log_warning(0, "Slow: %s took %s to answer %u to %s",
                                   request->route ? request->route->label : "no route", duration, status,
                                   request->target_text);
}

void access_log_unread(const struct connection *connection, unsigned int status, uint64_t size) {
        const struct sockaddr *peer =
                MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
        char status_field[32], size_field[48], buffer[PEER_TEXT_SIZE];
        const char *const fields[] = { status_field, size_field, NULL };

        if (!connection->server->config->log.access)
                return;
        (void) snprintf(status_field, sizeof(status_field), "MUSTER_STATUS=%u", status);
        (void) snprintf(size_field, sizeof(size_field), "MUSTER_SIZE=%" PRIu64, size);
        (void) log_fields(LOG_INFO, 0, fields, "%s \"-\" %u %" PRIu64, request_format_peer(peer, buffer),
                          status, size);
}

void access_complaints_flush(struct http_server *server) {
        if (server->n_unsaid > 0)
                log_info("%u more requests were refused or not answered in time", server->n_unsaid);
        server->n_unsaid = 0;
}

void access_complain(struct http_server *server, const char *format, ...) {
        va_list arguments;

        if (server->now < server->complain_again) {
                server->n_unsaid++;
                return;
        }
        access_complaints_flush(server);
        server->complain_again = usec_add(server->now, COMPLAINT_SPAN);
        va_start(arguments, format);
        (void) log_fullv(LOG_INFO, 0, format, arguments);
        va_end(arguments);
}
