/* SPDX-License-Identifier: MIT */
#pragma once

#include <muster/app.h>

#include "app/process.h"
#include "ipc/channel.h"
#include "ipc/envelope.h"

/* Messages of the application, in the process that sends and receives them. See messenger.c. */

#define MESSENGER_READY      ENVELOPE_READY
#define MESSENGER_PIDS       64U
#define MESSENGER_ACTION_MAX MESSAGE_ACTION_MAX

struct topic;
struct question;

struct messenger {
        struct topic **topics; /* by the hash of their action */
        size_t n_topics;
        size_t n_buckets; /* a power of two, or 0 */

        struct question **questions; /* by their id */
        struct list open;            /* the same in the order they were asked */
        size_t n_open;
        uint32_t last_id;
        sd_event_source *timer;
        usec_t armed; /* for when; USEC_NEVER: not */

        muster_failure_handler_t on_failure;
        void *failure_data;
        struct message_undelivered lost; /* before the master had them; count 0: none */
        sd_event_source *later;          /* tells that */

        size_t seen[MESSENGER_PIDS]; /* by pid: in which slot of the scoreboard it was found */
};

struct muster_message {
        struct muster *muster;
        const struct message_envelope *head;
        const char *action;
        const char *data;
        size_t size;
        int handle; /* or -1; owned */
        bool replied;
};

/* The process's own, made when it is first needed; NULL for want of memory. */
struct messenger *messenger_of(struct muster *muster);

/* Frames from the master: MESSAGE_APP, MESSAGE_UNDELIVERED. */
void messenger_receive(struct muster *muster, struct channel *channel, const struct message *message);
void messenger_undelivered(struct muster *muster, const struct message *message);

/* A frame of ours that has waited cannot be sent, for a descriptor beside it. Whoever is to know is told when the loop turns.
 */
void messenger_lost(struct muster *muster, const struct message *message);

/* All have started: whoever listens for that hears it. */
void messenger_ready(struct muster *muster);

/* Part of muster_process_free(). */
void messenger_free(struct muster *muster);

/* Sends a message: `head` says to whom and what for. `fd` -1: without. Returns as the calls of app.h do. */
int messenger_send(struct muster *muster, const struct message_envelope *head, const char *action,
                   const void *data, size_t size, int fd);

/* messenger-topic.c: calls who listens for the action; whether there is anybody. */
bool topic_dispatch(struct muster *muster, struct muster_message *message);
void topics_free(struct messenger *messenger);

/* messenger-ask.c: a reply has come, or there will be none; a question, or a reply of ours, was lost on its way out. */
void question_replied(struct muster *muster, struct muster_message *reply);
void question_failed(struct muster *muster, uint32_t id, int error);
void question_lost(struct muster *muster, uint32_t id);
void reply_lost(struct muster *muster, const struct envelope *reply);
void questions_free(struct messenger *messenger);

/* messenger-data.c: more data than a frame may carry, in a sealed memfd; whoever gets one looks whether it is. */
int data_share(const void *data, size_t size);
int data_map(int fd, size_t size, const char **ret);
void data_unmap(const char *data, size_t size);
