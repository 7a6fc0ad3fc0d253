/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/messenger-fixture.h"
#include "util/fd.h"

struct muster *muster;
struct channel *master;
char heard[4096];
struct sent sent;

static void on_frame(struct channel *channel, const struct message *message, void *userdata) {
        messenger_receive(muster, channel, message);
}

static void on_sent(struct channel *channel, const struct message *message, void *userdata) {
        struct envelope envelope;
        int fd;

        assert_int_equal(envelope_read(message->payload, message->size, &envelope), 0);
        sent.n++;
        sent.head = envelope.head;
        (void) snprintf(sent.action, sizeof(sent.action), "%s", envelope.action);
        if (envelope.data)
                (void) snprintf(sent.data, sizeof(sent.data), "%s", envelope.data);
        for (sent.n_fds = 0; (fd = channel_take_fd(channel)) >= 0; sent.n_fds++)
                fd_close(fd);
}

static void on_closed(struct channel *channel, int error, void *userdata) {
        fail();
}

int set_up(void **state) {
        int fds[2];

        heard[0] = '\0';
        memset(&sent, 0, sizeof(sent));
        assert_int_equal(muster_process_new(&muster, MUSTER_ROLE_AGENT, "test", -1, NULL, NULL), 0);
        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_new(&muster->channel, muster->event, fds[0], SENDER_MASTER, on_frame,
                                     on_closed, NULL),
                         0);
        return channel_new(&master, muster->event, fds[1], SENDER_AGENT, on_sent, on_closed, NULL);
}

int tear_down(void **state) {
        muster->channel = channel_free(muster->channel);
        master = channel_free(master);
        muster_process_free(muster);
        return 0;
}

void run(void) {
        while (sd_event_run(muster->event, 0) > 0)
                ;
}

void note(const char *text) {
        (void) strncat(heard, text, sizeof(heard) - strlen(heard) - 1);
}

void receive_full(struct message_envelope head, const char *action, const char *data, const int *fds,
                  unsigned int n_fds) {
        char payload[512];

        head.action_size = (uint8_t) strlen(action);
        head.sender_pid = head.sender_pid ?: OTHER;
        if (!(head.flags & ENVELOPE_SHARED))
                head.data_size = (uint32_t) strlen(data);
        envelope_write(payload, &head, action, data);
        assert_int_equal(channel_send_fds(master, MESSAGE_APP, payload, envelope_size(&head), fds, n_fds),
                         0);
        run();
}

void receive(const char *action, const char *data) {
        receive_full((struct message_envelope){ .target = ENVELOPE_APP }, action, data, NULL, 0);
}
