/* SPDX-License-Identifier: MIT */

/*
 * The messages of the application go through here: a process sends them to the master, the master to whoever is to get
 * them.
 *
 * A message is checked once, its sender is written into it (nobody can pretend to be another), and it is copied as it
 * is behind what waits for each receiver; those datagrams leave when the dispatch ends. The master never looks at the
 * data, and what travels beside it (a memfd, a handle) is passed on and never mapped or read. So a message costs
 * a few checks and one copy for each receiver, and the kernel is called once for many of them.
 *
 * Order holds for each sender and receiver since there is one queue to each receiver, which everything passes. Nothing
 * waits for a slow receiver: its queue is bounded, what exceeds it is dropped, counted, and told to the sender.
 *
 * Who has not been told muster-ready gets nothing yet: it waits in its queue (channel_hold()), so that those who start
 * late miss nothing that was sent from their start on. Who has announced a fault gets nothing more; who drains in
 * good order goes on receiving.
 */

#include <errno.h>
#include <inttypes.h>

#include <muster/app.h>

#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/macro.h"

#define LOOK_PERIOD USEC_PER_MSEC /* at how busy workers are, while messages come that any may get */

/* A message on its way. */
struct delivery {
        struct service *service;
        struct process *from; /* NULL: nobody of ours */
        const struct envelope *envelope;
        const void *payload;
        size_t size;
        const int *fds;
        unsigned int n_fds;
        unsigned int n_given;
        unsigned int n_full;
        pid_t last; /* it was given to */
};

/* ---- Who ---- */

static bool takes_part(const struct process *process) {
        return (process->role == PROCESS_WORKER || process->role == PROCESS_AGENT) && !process->faulted &&
               channel_fd(process->channel) >= 0;
}

struct process *route_find(struct service *service, pid_t pid) {
        struct process **place = &service->route.by_pid[(unsigned int) pid % ROUTE_PIDS];

        if (*place && (*place)->pid == pid)
                return takes_part(*place) ? *place : NULL;
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->pid == pid && takes_part(process))
                        return *place = process;
        }
        return NULL;
}

/* That of the generation that serves; the one that stands by for a reload only where there is no other. */
static struct process *find_agent(const struct service *service) {
        struct process *found = NULL;

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);
                bool current = process->generation == service->current->number;

                if (process->role != PROCESS_AGENT || !takes_part(process))
                        continue;
                if (current && process->state != PROCESS_LEAVING)
                        return process;
                if (!found || current)
                        found = process;
        }
        return found;
}

/* Single numbers of slots that their owners may be writing; whatever they say, nothing but this choice hangs on it. */
static void look_at_workers(struct service *service, usec_t now) {
        service->route.looked_at = now;
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);
                const volatile struct slot *slot = scoreboard_slot(&service->scoreboard, process->slot);
                usec_t since = slot ? slot->busy_since : 0;

                process->messages.busyness.given = 0;
                process->messages.busyness.load =
                        busyness_load(slot ? slot->in_flight : 0, process->usage.business,
                                      since > 0 && since < now ? now - since : 0);
        }
}

static struct process *find_least_busy(struct service *service) {
        usec_t now = now_monotonic();
        struct process *found = NULL;

        if (now - service->route.looked_at >= LOOK_PERIOD)
                look_at_workers(service, now);
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (process->role == PROCESS_WORKER && process->state == PROCESS_READY &&
                    process->told_ready && takes_part(process) &&
                    (!found || busyness_less(&process->messages.busyness, &found->messages.busyness)))
                        found = process;
        }
        if (found) {
                found->messages.busyness.given++;
                found->messages.busyness.turn = ++service->route.turn;
        }
        return found;
}

/* ---- To whom ---- */

static bool is_for_one(const struct message_envelope *head) {
        return head->target != ENVELOPE_BROADCAST && head->target != ENVELOPE_APP;
}

static void not_given(struct delivery *delivery, struct process *to, int error) {
        const struct message_envelope *head = &delivery->envelope->head;
        bool gone = error == -EPIPE;

        /* Of many, who is just ending is no loss. */
        if (gone && !is_for_one(head))
                return;
        if (!gone) {
                delivery->n_full++;
                to->messages.dropped++;
                delivery->service->route.dropped++;
        }
        undelivered_note(delivery->service, delivery->from, gone ? -ESRCH : -ENOBUFS, to->pid,
                         delivery->envelope);
}

static void give(struct delivery *delivery, struct process *to) {
        const struct message_envelope *head = &delivery->envelope->head;
        int r;

        r = channel_send_fds(to->channel, MESSAGE_APP, delivery->payload, delivery->size, delivery->fds,
                             delivery->n_fds);
        if (r < 0) {
                not_given(delivery, to, r);
                return;
        }
        delivery->n_given++;
        delivery->last = to->pid;
        to->messages.received++;
        delivery->service->route.relayed++;
        if (!delivery->from)
                return;
        if (head->flags & ENVELOPE_ASKS)
                question_open(to, delivery->from->pid, head->id);
        else if (head->flags & ENVELOPE_REPLY)
                question_close(delivery->from, to->pid, head->id);
}

static void give_to_many(struct delivery *delivery) {
        bool workers_only = delivery->envelope->head.target == ENVELOPE_APP;

        LIST_FOREACH(node, &delivery->service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (takes_part(process) && (process->role == PROCESS_WORKER || !workers_only))
                        give(delivery, process);
        }
}

static void give_to_one(struct delivery *delivery) {
        const struct message_envelope *head = &delivery->envelope->head;
        struct service *service = delivery->service;
        struct process *to;

        if (head->target == ENVELOPE_PID)
                to = route_find(service, head->target_pid);
        else if (head->target == ENVELOPE_AGENT)
                to = find_agent(service);
        else
                to = find_least_busy(service);
        if (to)
                give(delivery, to);
        else
                undelivered_note(service, delivery->from, -ESRCH, head->target_pid, delivery->envelope);
}

static void route(struct delivery *delivery) {
        delivery->service->route.messages++;
        if (is_for_one(&delivery->envelope->head))
                give_to_one(delivery);
        else
                give_to_many(delivery);
        if (delivery->service->n_monitors > 0)
                control_message_passed(delivery->service, delivery->from, delivery->envelope,
                                       delivery->n_given, delivery->last);
}

/* ---- From whom ---- */

/* The descriptors that came beside it. Returns how many. */
static unsigned int take_fds(struct channel *channel, int fds[static MESSAGE_FDS_MAX]) {
        unsigned int n = 0;

        while (n < MESSAGE_FDS_MAX) {
                fds[n] = channel_take_fd(channel);
                if (fds[n] < 0)
                        break;
                n++;
        }
        return n;
}

void route_message(struct service *service, struct process *from, const struct message *message) {
        int fds[MESSAGE_FDS_MAX];
        struct envelope envelope;
        struct delivery delivery = {
                .service = service,
                .from = from,
                .envelope = &envelope,
                .payload = message->payload,
                .size = message->size,
                .fds = fds,
        };
        unsigned int expected;

        delivery.n_fds = take_fds(from->channel, fds);
        if (envelope_read(message->payload, message->size, &envelope) < 0 ||
            delivery.n_fds > envelope_fds(&envelope.head)) {
                channel_reject(from->channel);
                goto finish;
        }
        from->messages.sent++;
        expected = envelope_fds(&envelope.head);
        if (delivery.n_fds < expected) {
                /* This process cannot have any more, or the sender lies. */
                undelivered_note(service, from, -ENOBUFS, envelope.head.target_pid, &envelope);
                goto finish;
        }
        envelope.head.sender_pid = from->pid;
        envelope.head.sender_role =
                (uint8_t) (from->role == PROCESS_WORKER ? MUSTER_ROLE_WORKER : MUSTER_ROLE_AGENT);
        /* In the buffer it was received in, which is ours. */
        memcpy((char *) message->payload, &envelope.head, sizeof(envelope.head));
        route(&delivery);
finish:
        for (unsigned int i = 0; i < delivery.n_fds; i++)
                fd_close(fds[i]);
}

int route_send(struct service *service, const struct message_envelope *head, const char *action,
               const void *data, const int *fds) {
        static _Alignas(MESSAGE_ALIGN) char payload[MESSAGE_SIZE_MAX];
        struct envelope envelope = { .head = *head, .action = action, .data = data };
        struct delivery delivery = {
                .service = service,
                .envelope = &envelope,
                .payload = payload,
                .size = envelope_size(head),
                .fds = fds,
                .n_fds = envelope_fds(head),
        };

        if (delivery.size > sizeof(payload))
                return -EINVAL;
        envelope.head.sender_pid = 0;
        envelope.head.sender_role = MUSTER_ROLE_MASTER;
        envelope_write(payload, &envelope.head, action, data);
        if (envelope_read(payload, delivery.size, &envelope) < 0)
                return -EINVAL;
        route(&delivery);
        if (delivery.n_given > 0)
                return (int) delivery.n_given;
        return delivery.n_full > 0 ? -ENOBUFS : -ESRCH;
}

/* ---- Who is gone ---- */

void route_unsent(struct service *service, struct process *to, const struct message *message, int error) {
        struct envelope envelope;

        if (envelope_read(message->payload, message->size, &envelope) < 0)
                return;
        if (error == -ESRCH && !is_for_one(&envelope.head))
                return;
        if (error != -ESRCH) {
                to->messages.dropped++;
                service->route.dropped++;
        }
        undelivered_note(service, route_find(service, envelope.head.sender_pid), error, to->pid, &envelope);
}

static void tell_asker(struct service *service, pid_t from, uint32_t id, pid_t gone) {
        const struct envelope question = { .head = { .flags = ENVELOPE_ASKS, .id = id }, .action = "" };

        undelivered_note(service, route_find(service, from), -ESRCH, gone, &question);
}

void route_gone(struct service *service, struct process *process) {
        struct process **place = &service->route.by_pid[(unsigned int) process->pid % ROUTE_PIDS];

        question_each(process, tell_asker, service);
        /* After that, which may have found it once more: it may have asked itself */
        if (*place == process)
                *place = NULL;
}

/* ---- Before an upgrade ---- */

/* Who has not been told muster-ready still must say that it is ready, or its messages wait for ever. */
bool route_settle(struct service *service) {
        bool settled = true;

        undelivered_tell_all(service);
        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);

                if (!process->channel)
                        continue;
                channel_pause(process->channel, process->told_ready);
                if (!channel_retry(process->channel) ||
                    (!process->told_ready && channel_unsent(process->channel) > 0))
                        settled = false;
        }
        return settled;
}

struct abandoning {
        struct service *service;
        struct process *process;
};

static void abandon(struct channel *channel, const struct message *message, void *userdata) {
        const struct abandoning *abandoning = userdata;

        if (message->type == MESSAGE_APP)
                route_unsent(abandoning->service, abandoning->process, message, -ENOBUFS);
}

void route_abandon(struct service *service) {
        uint64_t before = service->route.dropped;

        LIST_FOREACH(node, &service->processes) {
                struct process *process = container_of(node, struct process, node);
                struct abandoning abandoning = { service, process };

                if (process->channel)
                        channel_each_unsent(process->channel, abandon, &abandoning);
        }
        undelivered_tell_all(service);
        channel_flush_all();
        if (service->route.dropped > before)
                log_warning(0, "%" PRIu64 " messages to processes that do not take them are dropped",
                            service->route.dropped - before);
}

void route_resume(struct service *service) {
        LIST_FOREACH(node, &service->processes) {
                const struct process *process = container_of(node, struct process, node);

                if (process->channel)
                        channel_pause(process->channel, false);
        }
}

void route_forget(struct process *process) {
        free(process->messages.undelivered);
        free(process->messages.questions);
        process->messages = (struct process_messages){};
}
