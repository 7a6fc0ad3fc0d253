/* SPDX-License-Identifier: MIT */
#pragma once

#include "ipc/channel.h"
#include "ipc/outbox.h"
#include "util/list.h"

/* What a channel is, for channel.c and channel-send.c and nobody else. */

struct channel {
        int fd;
        sd_event *event;         /* not owned; NULL: an epoll of the owner watches it */
        sd_event_source *source; /* of the descriptor */
        sd_event_source *later;  /* sends what was not sent from a dispatch */
        int epoll_fd;            /* not owned */
        void *tag;
        enum message_sender peer;
        channel_message_t on_message;
        channel_closed_t on_closed;
        void (*on_room)(struct channel *channel, void *userdata); /* or NULL */
        channel_message_t on_lost;                                /* or NULL */
        void *userdata;

        struct list unsent; /* among those that are to be flushed */
        struct outbox urgent;
        struct outbox bulk;
        bool held;    /* of those, bulk */
        bool blocked; /* the other end does not read: until there is room again */
        bool broken;  /* the other end is gone, or takes nothing more; reading will tell */
        bool ended;   /* nothing is read any more */

        int received_fds[MESSAGE_FDS_MAX]; /* with the frame that is being delivered, or -1 */
        unsigned int n_received_fds;
        unsigned int eager; /* how many more datagrams are likely to be there when one is */
        unsigned int turns;
        bool rejected; /* the frame that is being delivered is not what it may be */
        bool dispatching;
        bool freed; /* by a callback; the dispatcher does it when it is back */
};

/* channel.c: watches for what there is to wait for now. */
int channel_update_events(struct channel *channel);

/* channel-send.c: frames that are sent from now on wait for the end of the dispatch; and that is it. */
void channel_begin_dispatch(void);
void channel_end_dispatch(void);
