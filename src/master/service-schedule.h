/* SPDX-License-Identifier: MIT */
#pragma once

#include "ipc/message.h"
#include "master/process.h"
#include "master/schedule.h"

/* Schedules of the running service. See service-schedule.c. */

struct handover;
struct service;

/* A process has sent a frame of a schedule. */
void service_schedule_receive(struct service *service, struct process *process,
                              const struct message *message);

/* A process is about to hear that everything has started. */
void service_schedule_ready(struct service *service, struct process *process);

/* A process has gone. */
void service_schedule_gone(struct service *service, const struct process *process);

/* Gives away what waits for a worker. To be called when one may have come, and now and then. */
void service_schedule_dispatch(struct service *service);

/* Goes on with what another master has left. -EBADMSG for what does not fit together. */
int service_schedule_restore(struct service *service, const struct handover *handover);

/* By hand. 0 with the tick it has become, -EBUSY where what goes on does not allow it, -EAGAIN where there is no worker. */
int service_schedule_run(struct service *service, unsigned int index, uint64_t *ret_serial);
void service_schedule_pause(struct service *service, unsigned int index, bool pause);
