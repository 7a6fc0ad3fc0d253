/* SPDX-License-Identifier: MIT */

/*
 * The messenger: what an application sends to other processes of the instance, and what it receives.
 *
 * There is one channel, to the master, which routes. A message is written straight into the datagram it will travel in;
 * what is too large for that goes into a memfd beside it (messenger-data.c). Until everything has started the channel
 * holds the application's messages back, within its bounds. Those it sends to itself take the same way, so that the order
 * is the same for all.
 *
 * Who listens for what is in messenger-topic.c, questions and replies are in messenger-ask.c.
 */

#include <errno.h>

#include "app/messenger.h"
#include "util/fd.h"
#include "util/log.h"

#define PAGE_MIN ((size_t) 4096)

struct messenger *messenger_of(struct muster *muster) {
        if (!muster->messenger) {
                muster->messenger = calloc(1, sizeof(*muster->messenger));
                if (muster->messenger) {
                        list_init(&muster->messenger->open);
                        muster->messenger->armed = USEC_NEVER;
                }
        }
        return muster->messenger;
}

void messenger_free(struct muster *muster) {
        if (!muster->messenger)
                return;
        topics_free(muster->messenger);
        questions_free(muster->messenger);
        sd_event_source_disable_unref(muster->messenger->later);
        free(muster->messenger);
        muster->messenger = NULL;
}

/* ---- Sending ---- */

/* Whether the scoreboard shows a process with that pid. Where there is none, the master will tell. */
static bool is_there(struct muster *muster, struct messenger *messenger, pid_t pid) {
        const struct scoreboard *scoreboard = muster->scoreboard;
        size_t *seen = &messenger->seen[(unsigned int) pid % MESSENGER_PIDS], end;
        const volatile struct slot *slot;

        if (!scoreboard)
                return true;
        slot = *seen > 0 ? scoreboard_slot(scoreboard, *seen) : NULL;
        if (slot && slot->pid == pid)
                return true;
        end = MIN(scoreboard_slot(scoreboard, SCOREBOARD_MASTER)->slots_end, scoreboard->n_slots);
        for (size_t i = SCOREBOARD_MASTER + 1; i < end; i++) {
                slot = scoreboard_slot(scoreboard, i);
                if (slot->pid == pid) {
                        *seen = i;
                        return true;
                }
        }
        return false;
}

static int check(struct muster *muster, struct message_envelope *head, const char *action, const void *data,
                 size_t size) {
        size_t action_size = action ? strlen(action) : 0;
        struct messenger *messenger;

        if (action_size == 0 || action_size > MESSENGER_ACTION_MAX || (!data && size > 0))
                return -EINVAL;
        if (action_size == strlen(MESSENGER_READY) && streq(action, MESSENGER_READY))
                return -EINVAL; /* nobody but the master says that */
        if (head->target == ENVELOPE_PID && head->target_pid <= 0)
                return -EINVAL;
        if (size > ENVELOPE_DATA_MAX)
                return -EMSGSIZE;
        if (!muster->channel || muster->role == MUSTER_ROLE_COMPUTE)
                return -ENOTCONN;
        messenger = messenger_of(muster);
        if (!messenger)
                return -ENOMEM;
        if (head->target == ENVELOPE_PID && !is_there(muster, messenger, head->target_pid))
                return -ESRCH;
        head->action_size = (uint8_t) action_size;
        head->data_size = (uint32_t) size;
        if (size > MESSAGE_DATA_MAX)
                head->flags |= ENVELOPE_SHARED;
        return 0;
}

/* A pointer that leads nowhere faults here, before there is a frame: half written it would be sent when an agent lives on, and
 * the master would take it for an attack. */
static void touch(const void *data, size_t size) {
        const volatile char *bytes = data;

        for (size_t i = 0; i < size; i += PAGE_MIN)
                (void) bytes[i];
        if (size > 0)
                (void) bytes[size - 1];
}

static int send_plain(struct muster *muster, const struct message_envelope *head, const char *action,
                      const void *data) {
        void *payload;
        int r;

        touch(data, head->data_size);
        r = channel_reserve(muster->channel, MESSAGE_APP, envelope_size(head), &payload);
        if (r >= 0)
                envelope_write(payload, head, action, data);
        return r;
}

static int send_with_fds(struct muster *muster, const struct message_envelope *head, const char *action,
                         const void *data, int fd) {
        static _Alignas(MESSAGE_ALIGN) char payload[MESSAGE_SIZE_MAX];
        _cleanup_fd_ int shared = -1;
        int fds[MESSAGE_FDS_MAX];
        unsigned int n = 0;

        if (head->flags & ENVELOPE_SHARED) {
                shared = data_share(data, head->data_size);
                if (shared < 0)
                        return shared;
                fds[n++] = shared;
        }
        if (head->flags & ENVELOPE_HANDLE)
                fds[n++] = fd;
        envelope_write(payload, head, action, data);
        return channel_send_fds(muster->channel, MESSAGE_APP, payload, envelope_size(head), fds, n);
}

int messenger_send(struct muster *muster, const struct message_envelope *head, const char *action,
                   const void *data, size_t size, int fd) {
        struct message_envelope full = *head;
        int r;

        r = check(muster, &full, action, data, size);
        if (r < 0)
                return r;
        if (envelope_fds(&full) > 0)
                r = send_with_fds(muster, &full, action, data, fd);
        else
                r = send_plain(muster, &full, action, data);
        return r == -EPIPE ? -ENOTCONN : r;
}

static int send_to(struct muster *muster, enum envelope_target target, const char *action, const void *data,
                   size_t size) {
        const struct message_envelope head = { .target = (uint8_t) target };

        return messenger_send(muster, &head, action, data, size, -1);
}

int muster_broadcast(struct muster *muster, const char *action, const void *data, size_t size) {
        return send_to(muster, ENVELOPE_BROADCAST, action, data, size);
}

int muster_send_to_app(struct muster *muster, const char *action, const void *data, size_t size) {
        return send_to(muster, ENVELOPE_APP, action, data, size);
}

int muster_send_to_agent(struct muster *muster, const char *action, const void *data, size_t size) {
        return send_to(muster, ENVELOPE_AGENT, action, data, size);
}

int muster_send_random(struct muster *muster, const char *action, const void *data, size_t size) {
        return send_to(muster, ENVELOPE_RANDOM, action, data, size);
}

int muster_send_to(struct muster *muster, pid_t pid, const char *action, const void *data, size_t size) {
        const struct message_envelope head = { .target = ENVELOPE_PID, .target_pid = pid };

        return messenger_send(muster, &head, action, data, size, -1);
}

int muster_send_handle(struct muster *muster, pid_t pid, const char *action, int fd, const void *data,
                       size_t size) {
        const struct message_envelope head = { .target = ENVELOPE_PID,
                                               .flags = ENVELOPE_HANDLE,
                                               .target_pid = pid };

        return fd < 0 ? -EBADF : messenger_send(muster, &head, action, data, size, fd);
}

/* ---- Receiving ---- */

const char *muster_message_action(const struct muster_message *message) {
        return message->action;
}

const void *muster_message_data(const struct muster_message *message, size_t *ret_size) {
        if (ret_size)
                *ret_size = message->size;
        return message->data;
}

pid_t muster_message_from(const struct muster_message *message) {
        return message->head->sender_pid;
}

enum muster_role muster_message_from_role(const struct muster_message *message) {
        return (enum muster_role) message->head->sender_role;
}

int muster_message_take_handle(struct muster_message *message) {
        return TAKE_FD(message->handle);
}

static void hand_out(struct muster *muster, struct muster_message *message) {
        if (message->head->flags & ENVELOPE_REPLY)
                question_replied(muster, message);
        else if (!topic_dispatch(muster, message))
                (void) muster_message_refuse(message, -EOPNOTSUPP); /* which is none, but for a question */
        message->handle = fd_close(message->handle);
}

/* The data is where it was received, or in a memfd. */
static int find_data(struct channel *channel, const struct envelope *envelope,
                     struct muster_message *message) {
        _cleanup_fd_ int shared = -1;
        int r;

        message->data = envelope->data;
        if (envelope->head.flags & ENVELOPE_SHARED) {
                shared = channel_take_fd(channel);
                r = data_map(shared, envelope->head.data_size, &message->data);
                if (r < 0)
                        return r;
        }
        if (envelope->head.flags & ENVELOPE_HANDLE)
                message->handle = channel_take_fd(channel);
        return 0;
}

void messenger_receive(struct muster *muster, struct channel *channel, const struct message *message) {
        struct muster_message received = { .muster = muster, .handle = -1 };
        struct envelope envelope;
        int r;

        if (!messenger_of(muster) || (muster->role == MUSTER_ROLE_WORKER && guard_faulted()))
                return;
        r = envelope_read(message->payload, message->size, &envelope);
        if (r >= 0) {
                received.head = &envelope.head;
                received.action = envelope.action;
                received.size = envelope.head.data_size;
                r = find_data(channel, &envelope, &received);
        }
        if (r < 0) {
                log_warning(r, "A message cannot be read, ignoring: %m");
                return;
        }
        hand_out(muster, &received);
        if (envelope.head.flags & ENVELOPE_SHARED)
                data_unmap(received.data, received.size);
}

void messenger_ready(struct muster *muster) {
        const struct message_envelope head = { .sender_role = MUSTER_ROLE_MASTER };
        struct muster_message message = {
                .muster = muster, .head = &head, .action = MESSENGER_READY, .data = "", .handle = -1
        };

        if (muster->messenger)
                (void) topic_dispatch(muster, &message);
}

/* ---- What did not arrive ---- */

struct failure_call {
        struct muster *muster;
        const struct message_undelivered *undelivered;
};

static void call_failure_handler(void *argument) {
        const struct failure_call *call = argument;
        const struct messenger *messenger = call->muster->messenger;

        messenger->on_failure(call->muster, call->undelivered->error, call->undelivered->action,
                              call->undelivered->pid, call->undelivered->count, messenger->failure_data);
}

static void log_undelivered(const struct message_undelivered *undelivered) {
        if (undelivered->pid > 0)
                log_warning(undelivered->error, "%u messages \"%s\" to process %d did not arrive: %m",
                            undelivered->count, undelivered->action, undelivered->pid);
        else
                log_warning(undelivered->error, "%u messages \"%s\" did not arrive: %m", undelivered->count,
                            undelivered->action);
}

static void undelivered_told(struct muster *muster, const struct message_undelivered *undelivered) {
        static const struct guard_context context = { .route = "message failure" };
        struct failure_call call = { muster, undelivered };

        if (muster->messenger && muster->messenger->on_failure)
                (void) muster_process_run(muster, &context, call_failure_handler, &call);
        else
                log_undelivered(undelivered);
}

void messenger_undelivered(struct muster *muster, const struct message *message) {
        struct message_undelivered undelivered;

        if (muster->role == MUSTER_ROLE_WORKER && guard_faulted())
                return;
        memcpy(&undelivered, message->payload, sizeof(undelivered));
        undelivered.action[sizeof(undelivered.action) - 1] = '\0';
        if (undelivered.id != 0)
                question_failed(muster, undelivered.id, undelivered.error);
        else
                undelivered_told(muster, &undelivered);
}

static int dispatch_lost(sd_event_source *source, void *userdata) {
        struct muster *muster = userdata;
        const struct message_undelivered lost = muster->messenger->lost;

        muster->messenger->lost.count = 0;
        undelivered_told(muster, &lost);
        return 0;
}

/* Those of several actions at a time are told as one: the number is right. */
static void note_lost(struct muster *muster, const struct envelope *envelope) {
        struct messenger *messenger = muster->messenger;
        struct message_undelivered *lost = &messenger->lost;
        int r;

        if (lost->count++ > 0)
                return;
        lost->error = -ENOBUFS;
        lost->pid = envelope->head.target == ENVELOPE_PID ? envelope->head.target_pid : 0;
        memset(lost->action, 0, sizeof(lost->action));
        memcpy(lost->action, envelope->action, envelope->head.action_size);
        if (messenger->later)
                r = sd_event_source_set_enabled(messenger->later, SD_EVENT_ONESHOT);
        else
                r = sd_event_add_defer(muster->event, &messenger->later, dispatch_lost, muster);
        muster->event_changed = true;
        if (r < 0)
                log_undelivered(lost);
}

void messenger_lost(struct muster *muster, const struct message *message) {
        struct envelope envelope;

        if (!muster->messenger || envelope_read(message->payload, message->size, &envelope) < 0)
                return;
        if (envelope.head.flags & ENVELOPE_REPLY)
                reply_lost(muster, &envelope);
        else if (envelope.head.flags & ENVELOPE_ASKS)
                question_lost(muster, envelope.head.id);
        else
                note_lost(muster, &envelope);
}

void muster_on_failure(struct muster *muster, muster_failure_handler_t handler, void *data) {
        struct messenger *messenger = messenger_of(muster);

        if (!messenger)
                return;
        messenger->on_failure = handler;
        messenger->failure_data = data;
}
