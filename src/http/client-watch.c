/* SPDX-License-Identifier: MIT */

/*
 * Clients that go away while somebody computes for them.
 *
 * libmicrohttpd does not look at a connection that is suspended. For most requests that is well, the answer is
 * simply not read. But one for which a compute process works is worth to be given up early, so its socket is watched
 * for that one event: the client has closed, or at least will send nothing more. The latter may still want its
 * answer, but cannot be told from one that is gone until it is too late; servers in front of applications all take it for
 * an end, and so do we, as at the connection limit (deadline.c).
 */

#include "http/client-watch.h"
#include "http/exchange.h"
#include "http/state.h"

static int dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        struct exchange *exchange = userdata;

        client_unwatch(exchange);
        if (!exchange->connection || !exchange->request.parked || exchange->connection->cut ||
            exchange->resumed)
                return 0;
        connection_cut(exchange->connection);
        exchange_resume(exchange);
        return 0;
}

/* Without it the job is just not cancelled. */
void client_watch(struct exchange *exchange) {
        struct muster *muster = exchange->server->muster;

        if (exchange->client || !exchange->connection)
                return;
        (void) sd_event_add_io(muster->event, &exchange->client, exchange->connection->fd, EPOLLRDHUP,
                               dispatch, exchange);
        muster->event_changed = true;
}

void client_unwatch(struct exchange *exchange) {
        exchange->client = sd_event_source_disable_unref(exchange->client);
}
