/* SPDX-License-Identifier: MIT */

/*
 * What senders are told of messages that did not arrive, and which questions are open.
 *
 * A sender that floods a queue which is full loses one message after the other. It is told how many, not of each: those of
 * the same action, to the same process, for the same reason are one sentence, and it hears a few of them at most ten times
 * a second. What it is told never waits for long behind what it does not read: then the count goes on here.
 *
 * Questions are told one by one, as somebody waits for each. The ones that a process has got and not replied to are
 * remembered, so that their askers hear at once when it ends. The memory is a table of fixed size with one place for each
 * number: a process that asks more than that at a time may have the older ones wait for their timeout. So it is with
 * those that were open when the master is upgraded.
 */

#include <errno.h>

#include "master/service.h"
#include "util/log.h"

#define SENTENCES_MAX 4U
#define TELL_PERIOD   (100 * USEC_PER_MSEC)
#define UNREAD_MAX    ((size_t) 256 * 1024) /* who has as much to read is not told more */
#define QUESTIONS     1024U                 /* a power of two */

struct undelivered {
        unsigned int n;
        struct message_undelivered sentences[SENTENCES_MAX];
};

struct open_question {
        pid_t from; /* 0: none */
        uint32_t id;
};

/* ---- What senders are told ---- */

static struct message_undelivered sentence(int error, pid_t pid, const struct envelope *envelope) {
        struct message_undelivered sentence = { .error = error, .pid = pid, .count = 1 };

        memcpy(sentence.action, envelope->action, envelope->head.action_size);
        return sentence;
}

static bool can_be_told(const struct process *process) {
        return channel_fd(process->channel) >= 0 && channel_unsent(process->channel) < UNREAD_MAX;
}

static void tell(struct process *process, usec_t now) {
        struct undelivered *undelivered = process->messages.undelivered;

        process->messages.told_at = now;
        for (unsigned int i = 0; i < undelivered->n; i++)
                (void) channel_send(process->channel, MESSAGE_UNDELIVERED, &undelivered->sentences[i],
                                    sizeof(undelivered->sentences[i]));
        undelivered->n = 0;
}

static usec_t due(const struct process *process, usec_t now) {
        return MAX(now, usec_add(process->messages.told_at, TELL_PERIOD));
}

static int dispatch_tell(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;
        usec_t now = now_monotonic(), next = USEC_NEVER;

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (!process->messages.undelivered || process->messages.undelivered->n == 0)
                        continue;
                if (due(process, now) > now)
                        next = MIN(next, due(process, now));
                else if (can_be_told(process))
                        tell(process, now);
                else
                        next = MIN(next, usec_add(now, TELL_PERIOD));
        }
        if (next == USEC_NEVER)
                return 0;
        (void) sd_event_source_set_time(source, next);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int tell_later(struct service *service, usec_t when) {
        sd_event_source **source = &service->route.tell;
        usec_t set = 0;
        int enabled, r;

        if (!*source)
                return sd_event_add_time(service->event, source, CLOCK_MONOTONIC, when, USEC_PER_MSEC,
                                         dispatch_tell, service);
        r = sd_event_source_get_enabled(*source, &enabled);
        if (r >= 0 && enabled != SD_EVENT_OFF && sd_event_source_get_time(*source, &set) >= 0 && set <= when)
                return 0;
        r = r < 0 ? r : sd_event_source_set_time(*source, when);
        return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

/* Whether it can be said with one that is there. Where there are too many, the pid is left out. */
static bool join(struct undelivered *undelivered, const struct message_undelivered *another) {
        bool full = undelivered->n == SENTENCES_MAX;

        for (unsigned int i = 0; i < undelivered->n; i++) {
                struct message_undelivered *known = &undelivered->sentences[i];

                if (known->error != another->error || !streq(known->action, another->action))
                        continue;
                if (known->pid != another->pid && !full)
                        continue;
                if (known->pid != another->pid)
                        known->pid = 0;
                known->count += known->count < UINT32_MAX;
                return true;
        }
        return false;
}

static void note(struct process *from, const struct message_undelivered *another) {
        struct undelivered *undelivered = from->messages.undelivered;

        if (!undelivered)
                undelivered = from->messages.undelivered = calloc(1, sizeof(*undelivered));
        if (!undelivered || join(undelivered, another))
                return;
        if (undelivered->n < SENTENCES_MAX)
                undelivered->sentences[undelivered->n++] = *another;
        else /* of many actions at a time: at least the number is right */
                undelivered->sentences[SENTENCES_MAX - 1].count++;
}

void undelivered_note(struct service *service, struct process *from, int error, pid_t pid,
                      const struct envelope *envelope) {
        struct message_undelivered another;

        /* Whoever replies need not know that nobody waits any more. */
        if (!from || (envelope->head.flags & ENVELOPE_REPLY))
                return;
        another = sentence(error, pid, envelope);
        if (envelope->head.flags & ENVELOPE_ASKS) {
                another.id = envelope->head.id;
                if (can_be_told(from))
                        (void) channel_send(from->channel, MESSAGE_UNDELIVERED, &another, sizeof(another));
                return;
        }
        note(from, &another);
        if (tell_later(service, due(from, now_monotonic())) < 0)
                log_oom();
}

void undelivered_tell_all(struct service *service) {
        usec_t now = now_monotonic();

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->messages.undelivered && process->messages.undelivered->n > 0 &&
                    can_be_told(process))
                        tell(process, now);
        }
}

/* ---- Questions ---- */

/* Numbers follow one another, so those of one asker have a place each. */
static struct open_question *place_of(const struct process *process, pid_t from, uint32_t id) {
        return &process->messages.questions[(id + (uint32_t) from * 0x9e3779b1U) % QUESTIONS];
}

void question_open(struct process *to, pid_t from, uint32_t id) {
        if (!to->messages.questions)
                to->messages.questions = calloc(QUESTIONS, sizeof(*to->messages.questions));
        if (to->messages.questions)
                *place_of(to, from, id) = (struct open_question){ from, id };
}

void question_close(struct process *by, pid_t from, uint32_t id) {
        struct open_question *question;

        if (!by->messages.questions)
                return;
        question = place_of(by, from, id);
        if (question->from == from && question->id == id)
                question->from = 0;
}

void question_each(const struct process *process,
                   void (*callback)(struct service *service, pid_t from, uint32_t id, pid_t gone),
                   struct service *service) {
        for (unsigned int i = 0; process->messages.questions && i < QUESTIONS; i++)
                if (process->messages.questions[i].from > 0)
                        callback(service, process->messages.questions[i].from,
                                 process->messages.questions[i].id, process->pid);
}
