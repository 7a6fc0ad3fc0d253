/* SPDX-License-Identifier: MIT */

/*
 * Questions and replies.
 *
 * A question is a message with a number that its asker has chosen; the reply comes back to the asker's pid with the same
 * number, and is taken only from whom was asked. Each question has one end, whichever comes first: the reply, the refusal,
 * what the master says of a message that did not arrive or of a process that has ended, or the timeout.
 *
 * Most questions are answered long before their timeout, so those do not have a timer each: there is one, for the earliest,
 * which is not moved when that is answered. When it goes off it looks who is due, and for when it is needed next.
 */

#include <errno.h>

#include "app/messenger.h"
#include "util/fd.h"
#include "util/time.h"

#define BUCKETS       256U
#define QUESTIONS_MAX ((size_t) 65536)
#define ACCURACY      USEC_PER_MSEC

struct question {
        struct list node;
        struct question *next; /* in its bucket */
        uint32_t id;
        pid_t pid; /* who was asked, MUSTER_AGENT, MUSTER_RANDOM */
        usec_t deadline;
        int error; /* what it ends with then */
        muster_answer_handler_t handler;
        void *data;
        char route[]; /* for the crash record: "answer ACTION" */
};

struct muster_reply {
        struct muster *muster;
        pid_t pid;
        uint32_t id;
        char action[];
};

/* ---- The table ---- */

static struct question **place_of(const struct messenger *messenger, uint32_t id) {
        struct question **place = &messenger->questions[id % BUCKETS];

        while (*place && (*place)->id != id)
                place = &(*place)->next;
        return place;
}

/* Takes it out: from here on it is the caller's. NULL where there is none with that number. */
static struct question *take(struct messenger *messenger, uint32_t id) {
        struct question **place, *question;

        if (!messenger->questions)
                return NULL;
        place = place_of(messenger, id);
        question = *place;
        if (!question)
                return NULL;
        *place = question->next;
        list_remove(&question->node);
        messenger->n_open--;
        return question;
}

static struct question *question_new(const char *action) {
        static const char before[] = "answer ";
        size_t size = strlen(action) + 1;
        struct question *question = calloc(1, sizeof(*question) + sizeof(before) - 1 + size);

        if (!question)
                return NULL;
        list_init(&question->node);
        memcpy(question->route, before, sizeof(before) - 1);
        memcpy(question->route + sizeof(before) - 1, action, size);
        return question;
}

static uint32_t next_id(struct messenger *messenger) {
        do
                messenger->last_id++;
        while (messenger->last_id == 0 || *place_of(messenger, messenger->last_id));
        return messenger->last_id;
}

void questions_free(struct messenger *messenger) {
        messenger->timer = sd_event_source_disable_unref(messenger->timer);
        LIST_FOREACH_SAFE(node, &messenger->open)
                free(container_of(node, struct question, node));
        free((void *) messenger->questions);
        messenger->questions = NULL;
        list_init(&messenger->open);
}

/* ---- The end of a question ---- */

struct call {
        struct muster *muster;
        const struct question *question;
        int error;
        struct muster_message *reply;
};

static void call_handler(void *argument) {
        const struct call *call = argument;

        call->question->handler(call->muster, call->error, call->reply, call->question->data);
}

static void finish(struct muster *muster, struct question *question, int error,
                   struct muster_message *reply) {
        const struct guard_context context = { .route = question->route };
        struct call call = { muster, question, error, error < 0 ? NULL : reply };

        (void) muster_process_run(muster, &context, call_handler, &call);
        free(question);
}

void question_failed(struct muster *muster, uint32_t id, int error) {
        struct question *question = muster->messenger ? take(muster->messenger, id) : NULL;

        if (question)
                finish(muster, question, error, NULL);
}

/* Whether it comes from whom was asked. */
static bool is_from(const struct question *question, const struct message_envelope *head) {
        if (question->pid == MUSTER_AGENT)
                return head->sender_role == MUSTER_ROLE_AGENT;
        if (question->pid == MUSTER_RANDOM)
                return head->sender_role == MUSTER_ROLE_WORKER;
        return question->pid == head->sender_pid;
}

void question_replied(struct muster *muster, struct muster_message *reply) {
        struct messenger *messenger = muster->messenger;
        const struct question *question =
                messenger->questions ? *place_of(messenger, reply->head->id) : NULL;

        if (question && is_from(question, reply->head))
                finish(muster, take(messenger, reply->head->id), reply->head->error, reply);
}

/* ---- Timeouts ---- */

static usec_t earliest(const struct messenger *messenger) {
        usec_t when = USEC_NEVER;

        LIST_FOREACH(node, &messenger->open)
                when = MIN(when, container_of(node, struct question, node)->deadline);
        return when;
}

static int dispatch_timeout(sd_event_source *source, uint64_t when, void *userdata);

static int arm(struct muster *muster, usec_t when) {
        struct messenger *messenger = muster->messenger;
        int r;

        if (when >= messenger->armed)
                return 0;
        muster->event_changed = true;
        if (messenger->timer) {
                r = sd_event_source_set_time(messenger->timer, when);
                r = r < 0 ? r : sd_event_source_set_enabled(messenger->timer, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time(muster->event, &messenger->timer, CLOCK_MONOTONIC, when, ACCURACY,
                                      dispatch_timeout, muster);
        if (r >= 0)
                messenger->armed = when;
        return r;
}

/* Those that are due are found before any handler is called, which may ask again. */
static int dispatch_timeout(sd_event_source *source, uint64_t when, void *userdata) {
        struct muster *muster = userdata;
        struct messenger *messenger = muster->messenger;
        usec_t now = now_monotonic();
        struct list expired;

        list_init(&expired);
        messenger->armed = USEC_NEVER;
        LIST_FOREACH_SAFE(node, &messenger->open) {
                struct question *question = container_of(node, struct question, node);

                if (question->deadline > now)
                        continue;
                (void) take(messenger, question->id);
                list_append(&expired, &question->node);
        }
        while (!list_empty(&expired)) {
                struct question *question = container_of(expired.next, struct question, node);

                list_remove(&question->node);
                finish(muster, question, question->error, NULL);
        }
        (void) arm(muster, earliest(messenger));
        return 0;
}

void question_lost(struct muster *muster, uint32_t id) {
        struct messenger *messenger = muster->messenger;
        struct question *question = messenger->questions ? *place_of(messenger, id) : NULL;

        if (!question)
                return;
        question->deadline = now_monotonic();
        question->error = -ENOBUFS;
        (void) arm(muster, question->deadline);
}

/* ---- Asking ---- */

static int prepare(struct muster *muster, struct question **ret, pid_t pid, const char *action,
                   uint64_t timeout) {
        struct messenger *messenger = messenger_of(muster);
        struct question *question;
        int r;

        if (!messenger)
                return -ENOMEM;
        if (messenger->n_open >= QUESTIONS_MAX)
                return -ENOBUFS;
        if (!messenger->questions)
                messenger->questions = (struct question **) calloc(BUCKETS, sizeof(struct question *));
        question = messenger->questions ? question_new(action) : NULL;
        if (!question)
                return -ENOMEM;
        question->id = next_id(messenger);
        question->pid = pid;
        question->deadline = usec_add(now_monotonic(), timeout);
        question->error = -ETIMEDOUT;
        r = arm(muster, question->deadline);
        if (r < 0) {
                free(question);
                return r;
        }
        question->next = messenger->questions[question->id % BUCKETS];
        messenger->questions[question->id % BUCKETS] = question;
        list_append(&messenger->open, &question->node);
        messenger->n_open++;
        *ret = question;
        return 0;
}

int muster_ask(struct muster *muster, pid_t pid, const char *action, const void *data, size_t size,
               uint64_t timeout, muster_answer_handler_t handler, void *handler_data) {
        struct message_envelope head = { .flags = ENVELOPE_ASKS };
        struct question *question;
        int r;

        if (!handler || !action || (pid <= 0 && pid != MUSTER_AGENT && pid != MUSTER_RANDOM))
                return -EINVAL;
        r = prepare(muster, &question, pid, action, timeout);
        if (r < 0)
                return r;
        question->handler = handler;
        question->data = handler_data;
        head.id = question->id;
        head.target = (uint8_t) (pid == MUSTER_AGENT    ? ENVELOPE_AGENT
                                 : pid == MUSTER_RANDOM ? ENVELOPE_RANDOM
                                                        : ENVELOPE_PID);
        head.target_pid = MAX(pid, 0);
        r = messenger_send(muster, &head, action, data, size, -1);
        if (r < 0)
                free(take(muster->messenger, question->id));
        return r;
}

/* ---- Replying ---- */

static int send_reply(struct muster *muster, pid_t pid, uint32_t id, const char *action, int error,
                      const void *data, size_t size) {
        const struct message_envelope head = {
                .target = ENVELOPE_PID,
                .flags = ENVELOPE_REPLY,
                .target_pid = pid,
                .id = id,
                .error = error,
        };

        return messenger_send(muster, &head, action, data, size, -1);
}

void reply_lost(struct muster *muster, const struct envelope *reply) {
        (void) send_reply(muster, reply->head.target_pid, reply->head.id, reply->action, -ENOBUFS, NULL, 0);
}

static bool may_reply(const struct muster_message *message) {
        return (message->head->flags & ENVELOPE_ASKS) != 0 && !message->replied;
}

int muster_message_reply(struct muster_message *message, const void *data, size_t size) {
        int r;

        if (!may_reply(message))
                return -ENOMSG;
        r = send_reply(message->muster, message->head->sender_pid, message->head->id, message->action, 0,
                       data, size);
        if (r >= 0)
                message->replied = true;
        return r;
}

int muster_message_refuse(struct muster_message *message, int error) {
        int r;

        if (error >= 0 || error < -ENVELOPE_ERROR_MAX)
                return -EINVAL;
        if (!may_reply(message))
                return -ENOMSG;
        r = send_reply(message->muster, message->head->sender_pid, message->head->id, message->action, error,
                       NULL, 0);
        if (r >= 0)
                message->replied = true;
        return r;
}

struct muster_reply *muster_message_reply_later(struct muster_message *message) {
        size_t size = strlen(message->action) + 1;
        struct muster_reply *reply;

        if (!may_reply(message)) {
                errno = ENOMSG;
                return NULL;
        }
        reply = malloc(sizeof(*reply) + size);
        if (!reply)
                return NULL;
        *reply = (struct muster_reply){ .muster = message->muster,
                                        .pid = message->head->sender_pid,
                                        .id = message->head->id };
        memcpy(reply->action, message->action, size);
        message->replied = true;
        return reply;
}

int muster_reply_send(struct muster_reply *reply, int error, const void *data, size_t size) {
        int r;

        if (error > 0 || error < -ENVELOPE_ERROR_MAX)
                r = -EINVAL;
        else
                r = send_reply(reply->muster, reply->pid, reply->id, reply->action, error,
                               error < 0 ? NULL : data, error < 0 ? 0 : size);
        free(reply);
        return r;
}
