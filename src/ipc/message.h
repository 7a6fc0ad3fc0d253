/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What travels on a channel between the master and a child: frames with a fixed header. See message.c. */

#define MESSAGE_VERSION  1U
#define MESSAGE_SIZE_MAX 4096U /* a whole datagram */

enum message_type {
        MESSAGE_READY,        /* child: start is done, the application's start function included */
        MESSAGE_FAILED,       /* child: the start failed; the payload is the reason */
        MESSAGE_SUICIDE,      /* child: a fatal signal was caught; the crash record is in the slot */
        MESSAGE_LEAVING,      /* child: drains of its own accord (SIGTERM from outside) */
        MESSAGE_MUSTER_READY, /* master: every process has started */
        MESSAGE_DRAIN,        /* master: finish what was accepted, then exit */
        MESSAGE_STOP,         /* master: the service stops: drain, application's stop function, exit */
        MESSAGE_LISTENER,     /* child: with a descriptor that hears of what its sandbox refuses */
        MESSAGE_REFUSED, /* child: its sandbox has refused a call; the payload is a struct message_refused */
        _MESSAGE_TYPE_MAX,
};

/* The value of the SIGABRT (of SI_QUEUE) that the master sends to a child that hangs: "MSTR". */
#define MESSAGE_SIGNAL_HANG 0x4d535452

/* Who may send a type. */
enum message_sender {
        SENDER_MASTER = 1 << 0,
        SENDER_WORKER = 1 << 1,
        SENDER_AGENT = 1 << 2,
        SENDER_CHILD = SENDER_WORKER | SENDER_AGENT,
};

struct message_header {
        uint16_t version;
        uint16_t type;
        uint32_t size; /* of the payload that follows */
};

struct message_refused {
        int32_t call;   /* the number of the system call */
        char route[64]; /* what was being done; not ended where it is as long */
};

struct message {
        enum message_type type;
        const char *payload; /* inside the buffer it was parsed from; not ended by NUL */
        size_t size;
};

/* Writes a frame into a buffer. Returns its whole size, -EMSGSIZE where the payload is too large for its
 * type or the buffer too small. Async-signal-safe. */
int message_encode(void *buffer, size_t room, enum message_type type, const void *payload, size_t size);

/* Reads a datagram that `sender` has sent. Returns 0, or -EBADMSG for anything that is not exactly one frame
 * of a type this sender may send, of a size this type may have. */
int message_decode(const void *datagram, size_t size, enum message_sender sender, struct message *ret);

/* Whether a frame of this type may bring a descriptor. */
bool message_brings_fd(enum message_type type);

const char *message_name(enum message_type type);
