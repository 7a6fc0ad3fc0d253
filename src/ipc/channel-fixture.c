/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "ipc/channel-fixture.h"
#include "util/fd.h"

void channel_fixture_message(struct channel *channel, const struct message *message, void *userdata) {
        struct channel_fixture *fixture = userdata;

        fixture->n_messages++;
        fixture->last = message->type;
        memcpy(fixture->payload, message->payload, message->size);
        fixture->payload[message->size] = '\0';
        if (message->size > 0 && fixture->n_messages < sizeof(fixture->text))
                fixture->text[strlen(fixture->text)] =
                        message->payload[message->type == MESSAGE_APP ? sizeof(struct message_envelope) : 0];
        if (fixture->take_fd)
                fixture->fd = channel_take_fd(channel);
        if (fixture->free_on_message)
                fixture->channel = channel_free(fixture->channel);
}

void channel_fixture_closed(struct channel *channel, int error, void *userdata) {
        struct channel_fixture *fixture = userdata;

        fixture->closed = error;
}

int channel_fixture_set_up(void **state) {
        static struct channel_fixture fixture;
        int fds[2];

        fixture = (struct channel_fixture){ .closed = 1, .fd = -1 };
        assert_int_equal(sd_event_new(&fixture.event), 0);
        assert_int_equal(channel_pair(fds), 0);
        fixture.peer = fds[1];
        assert_int_equal(channel_new(&fixture.channel, fixture.event, fds[0], SENDER_WORKER,
                                     channel_fixture_message, channel_fixture_closed, &fixture),
                         0);
        *state = &fixture;
        return 0;
}

int channel_fixture_tear_down(void **state) {
        struct channel_fixture *fixture = *state;

        channel_free(fixture->channel);
        fd_close(fixture->peer);
        fd_close(fixture->fd);
        sd_event_unref(fixture->event);
        return 0;
}

void channel_fixture_run(struct channel_fixture *fixture) {
        while (sd_event_run(fixture->event, 0) > 0)
                ;
}
