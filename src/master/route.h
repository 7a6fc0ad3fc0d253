/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "ipc/envelope.h"
#include "ipc/message.h"
#include "master/least-busy.h"
#include "util/time.h"

/* Messages of the application: who gets them, and what becomes of those that nobody got. See route.c and undelivered.c. */

struct process;
struct service;

#define ROUTE_PIDS 256U

/* Messages that did not arrive and of which the sender is to be told. */
struct undelivered;

/* A question that a process has got and not replied to. */
struct open_question;

/* Of one process. */
struct process_messages {
        uint64_t sent;
        uint64_t received; /* given to its channel */
        uint64_t dropped;  /* that it should have got, but its queue was full */
        struct busyness busyness;
        struct undelivered *undelivered; /* NULL: never had any */
        usec_t told_at;                  /* of those */
        struct open_question *questions; /* NULL: never had one */
};

/* Of the service. */
struct route {
        uint64_t messages; /* that were sent */
        uint64_t relayed;  /* and given to a process: a broadcast counts as often */
        uint64_t dropped;  /* and not, since its queue was full */
        uint64_t turn;     /* of choices */
        usec_t looked_at;  /* at how busy the workers are */
        struct process *by_pid[ROUTE_PIDS];
        sd_event_source *tell; /* senders about messages that did not arrive */
};

/* A process has sent a message. */
void route_message(struct service *service, struct process *from, const struct message *message);

/* Sends one that no process has sent: pid and role of the sender are 0 and MUSTER_ROLE_MASTER. `fds` are those that belong
 * beside it (envelope_fds()) and stay the caller's. Returns how many processes it was given to, -ESRCH where there is
 * nobody to get it, -ENOBUFS where the queues of all are full, -EINVAL for a head that makes no sense. */
int route_send(struct service *service, const struct message_envelope *head, const char *action,
               const void *data, const int *fds);

/* A frame that waited for a process and will not get there: -ESRCH, its channel has ended; -ENOBUFS, the kernel has no room for
 * what is beside it. */
void route_unsent(struct service *service, struct process *to, const struct message *message, int error);

/* A process has ended: nobody waits for its replies, and nothing of it is kept. */
void route_gone(struct service *service, struct process *process);

/* Before this program is replaced: nothing more is read, and what is on its way leaves. Returns whether all of it has;
 * else try again, or give it up, or go on as before. */
bool route_settle(struct service *service);
void route_abandon(struct service *service);
void route_resume(struct service *service);

/* In process_free(). */
void route_forget(struct process *process);

/* ---- undelivered.c ---- */

/* A message of `from`, which may be NULL for nobody, to a pid (0: to nobody in particular) did not arrive. */
void undelivered_note(struct service *service, struct process *from, int error, pid_t pid,
                      const struct envelope *envelope);

/* Tells all what is noted, now. */
void undelivered_tell_all(struct service *service);

/* A question was given to a process; it was replied to. */
void question_open(struct process *to, pid_t from, uint32_t id);
void question_close(struct process *by, pid_t from, uint32_t id);

/* Calls back for each that is open. */
void question_each(const struct process *process,
                   void (*callback)(struct service *service, pid_t from, uint32_t id, pid_t gone),
                   struct service *service);

/* The process with that pid which takes part in messages, or NULL. */
struct process *route_find(struct service *service, pid_t pid);
