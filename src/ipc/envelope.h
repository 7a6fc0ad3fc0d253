/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "ipc/message.h"

/* A message of the application in the payload of MESSAGE_APP: written, and checked. No I/O. See envelope.c. */

#define ENVELOPE_DATA_MAX  ((size_t) 16 * 1024 * 1024)
#define ENVELOPE_ERROR_MAX 4095 /* of an errno */

/* The action by which a process hears that all have started. It tells itself so when it has the frame for that: as a message
 * nobody may send it. */
#define ENVELOPE_READY "muster-ready"

enum envelope_target {
        ENVELOPE_BROADCAST, /* everybody */
        ENVELOPE_APP,       /* all workers */
        ENVELOPE_AGENT,
        ENVELOPE_RANDOM, /* one worker */
        ENVELOPE_PID,    /* target_pid */
        _ENVELOPE_TARGET_MAX,
};

enum {
        ENVELOPE_ASKS = 1 << 0,   /* a question: a reply with the same id is wanted */
        ENVELOPE_REPLY = 1 << 1,  /* to the question with this id */
        ENVELOPE_SHARED = 1 << 2, /* the data is in a sealed memfd, the first descriptor beside the frame */
        ENVELOPE_HANDLE = 1 << 3, /* the application's own descriptor is beside it, the last one */
        ENVELOPE_FLAGS = (1 << 4) - 1,
};

/* A message that was checked, in the buffer it was read from. */
struct envelope {
        struct message_envelope head;
        const char *action; /* ended by NUL */
        const char *data;   /* aligned to 8 and ended by NUL; NULL where it is shared */
};

/* How large the payload is. */
size_t envelope_size(const struct message_envelope *head);

/* Writes it: envelope_size() bytes. `data` is not looked at where it is shared. */
void envelope_write(void *payload, const struct message_envelope *head, const char *action,
                    const void *data);

/* Reads it. 0, or -EBADMSG for anything that envelope_write() would not have written of a head that makes sense. */
int envelope_read(const void *payload, size_t size, struct envelope *ret);

/* How many descriptors belong beside it. */
unsigned int envelope_fds(const struct message_envelope *head);
