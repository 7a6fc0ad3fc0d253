/* SPDX-License-Identifier: MIT */

/*
 * The access log, a line for each answer, and the slow log, a warning for each request that took longer than
 * `[log] slow`. The time is that of making the answer, from the end of the request's header; sending it is
 * the client's.
 */

#include <inttypes.h>
#include <stdio.h>

#include "http/access-log.h"
#include "http/exchange.h"
#include "http/state.h"
#include "util/log.h"

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
