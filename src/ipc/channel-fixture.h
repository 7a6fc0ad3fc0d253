/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "ipc/channel.h"

/* A channel on a loop, and the bare other end of it. */

struct channel_fixture {
        sd_event *event;
        struct channel *channel;
        int peer;
        unsigned int n_messages;
        enum message_type last;
        char payload[MESSAGE_SIZE_MAX];
        char text[64]; /* the first byte of each payload */
        int closed;    /* the error, 1 while open */
        bool free_on_message;
        bool take_fd;
        int fd; /* that came with the last frame */
};

/* For a test of its own each: `*state` is the fixture. */
int channel_fixture_set_up(void **state);
int channel_fixture_tear_down(void **state);

/* Runs the loop until it has nothing to do. */
void channel_fixture_run(struct channel_fixture *fixture);

/* The callbacks of the channel, which note in the fixture what they hear. */
void channel_fixture_message(struct channel *channel, const struct message *message, void *userdata);
void channel_fixture_closed(struct channel *channel, int error, void *userdata);
