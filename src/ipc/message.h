/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What travels on a channel between the master and a child: datagrams of frames, each with a fixed header. See
 * message.c. */

#define MESSAGE_VERSION  2U
#define MESSAGE_ALIGN    ((size_t) 8)              /* frames are padded to it: each begins aligned */
#define MESSAGE_DATA_MAX ((size_t) 64 * 1024)      /* of data in a frame */
#define MESSAGE_SIZE_MAX (MESSAGE_DATA_MAX + 4096) /* a whole datagram */
#define MESSAGE_FDS_MAX  2U                        /* descriptors beside a frame */

enum message_type {
        MESSAGE_READY, /* child: start is done, the application's start function included; the payload, one byte,
                               * is whether there is anything to offload */
        MESSAGE_FAILED,       /* child: the start failed; the payload is the reason */
        MESSAGE_SUICIDE,      /* child: a fatal signal was caught; the crash record is in the slot */
        MESSAGE_LEAVING,      /* child: drains of its own accord (SIGTERM from outside) */
        MESSAGE_MUSTER_READY, /* master: every process has started */
        MESSAGE_DRAIN,        /* master: finish what was accepted, then exit */
        MESSAGE_STOP,         /* master: the service stops: drain, application's stop function, exit */
        MESSAGE_LISTENER,     /* child: with a descriptor that hears of what its sandbox refuses */
        MESSAGE_REFUSED, /* child: its sandbox has refused a call; the payload is a struct message_refused */
        MESSAGE_APP,     /* both: a message of the application; see ipc/envelope.h */
        MESSAGE_UNDELIVERED, /* master: what became of some of those; the payload is a struct message_undelivered */
        MESSAGE_SCHEDULE, /* agent: these of schedules carry the structs of ipc/schedule.h */
        MESSAGE_SINCE,    /* master */
        MESSAGE_TICK,     /* agent */
        MESSAGE_NEXT,     /* agent */
        MESSAGE_RUN,      /* master */
        MESSAGE_DONE,     /* worker */
        MESSAGE_DATA,     /* parent or forked: a message between the two, with a NUL behind it */
        MESSAGE_MEMORY,   /* likewise, in a memfd that comes with it; the payload is its size */
        MESSAGE_JOB, /* worker or agent: a call to be made elsewhere; master: to be made. struct job_call, input */
        MESSAGE_RESULT, /* compute: of the call; master: handed on. struct job_answer, output */
        MESSAGE_CANCEL, /* worker or agent: nobody waits for it any more. struct job_cancel */
        _MESSAGE_TYPE_MAX,
};

/* The value of the SIGABRT (of SI_QUEUE) that the master sends to a child that hangs: "MSTR". */
#define MESSAGE_SIGNAL_HANG 0x4d535452

/* Who may send a type. */
enum message_sender {
        SENDER_MASTER = 1 << 0,
        SENDER_WORKER = 1 << 1,
        SENDER_AGENT = 1 << 2,
        SENDER_PARENT = 1 << 8, /* of a function that muster_fork() has started, */
        SENDER_FORKED = 1 << 9, /* and that function */
        SENDER_COMPUTE = 1 << 3,
        SENDER_CHILD = SENDER_WORKER | SENDER_AGENT | SENDER_COMPUTE,
};

struct message_header {
        uint16_t version;
        uint16_t type;
        uint32_t size; /* of the payload that follows, without the padding after it */
};

struct message_refused {
        int32_t call;   /* the number of the system call */
        char route[64]; /* what was being done; not ended where it is as long */
};

#define MESSAGE_ACTION_MAX 255U /* bytes of the name of an action, without the NUL */

/* What a message of the application begins with: where it goes, where it comes from. See ipc/envelope.c. */
struct message_envelope {
        uint8_t target; /* enum envelope_target */
        uint8_t flags;  /* ENVELOPE_… */
        uint8_t sender_role;
        uint8_t action_size; /* without its NUL */
        int32_t target_pid;
        int32_t sender_pid;
        uint32_t id;        /* of a question, and of the reply to it */
        uint32_t data_size; /* without its NUL */
        int32_t error;      /* of a reply */
};

/* Messages that did not arrive. */
struct message_undelivered {
        int32_t error;
        int32_t pid;    /* to which they went, 0 where it was none */
        uint32_t count; /* how many */
        uint32_t id;    /* of a question that none will reply to, 0: these are not questions */
        char action[MESSAGE_ACTION_MAX + 1];
};

struct message {
        enum message_type type;
        const char *payload; /* inside the buffer it was parsed from; not ended by NUL */
        size_t size;
};

/* The size of a frame with its padding. */
static inline size_t message_frame_size(size_t payload_size) {
        return (sizeof(struct message_header) + payload_size + MESSAGE_ALIGN - 1) & ~(MESSAGE_ALIGN - 1);
}

/* Writes all of a frame but its payload, for which `ret` is the place. Returns as message_encode(). */
int message_begin(void *buffer, size_t room, enum message_type type, size_t size, void **ret);

/* Writes a frame into a buffer. Returns its whole size, -EMSGSIZE where the payload is not of a size its type may
 * have or the buffer too small. Async-signal-safe. */
int message_encode(void *buffer, size_t room, enum message_type type, const void *payload, size_t size);

/* Reads the frame that is at *offset of a datagram that `sender` has sent, and moves the offset behind it. Returns 1
 * for a frame, 0 at the end, or -EBADMSG for anything that is not a frame of a type this sender may send, of a
 * size this type may have. */
int message_next(const void *datagram, size_t size, size_t *offset, enum message_sender sender,
                 struct message *ret);

/* Whether a frame of this type may have a payload of this size, 0 or -EMSGSIZE. */
int message_check_size(enum message_type type, size_t size);

/* How many descriptors a frame of this type may bring. */
unsigned int message_fds_max(enum message_type type);

/* Whether frames of this type wait in the long queue, behind one another, and until everything has started. All others
 * go ahead of them. */
bool message_is_bulk(enum message_type type);

const char *message_name(enum message_type type);
