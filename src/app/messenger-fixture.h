/* SPDX-License-Identifier: MIT */
#pragma once

#include "app/messenger.h"

/* What the tests of the messenger share: a process, and a channel of which the test is the master's end. */

#define OTHER 4711 /* another process */

extern struct muster *muster;
extern struct channel *master;
extern char heard[4096]; /* see note() */

/* What the process has sent last. */
struct sent {
        unsigned int n;
        struct message_envelope head;
        char action[MESSAGE_ACTION_MAX + 1];
        char data[256];
        unsigned int n_fds;
};

extern struct sent sent;

int set_up(void **state);
int tear_down(void **state);

/* Until there is nothing more to do. */
void run(void);

/* Adds to what was heard. */
void note(const char *text);

/* The master passes on what another process has sent. */
void receive_full(struct message_envelope head, const char *action, const char *data, const int *fds,
                  unsigned int n_fds);
void receive(const char *action, const char *data);
