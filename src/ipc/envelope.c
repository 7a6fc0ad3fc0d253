/* SPDX-License-Identifier: MIT */

/*
 * The envelope of a message of the application.
 *
 * The head comes first, at its fixed size: it is all that the master needs to route. Then the name of the action, ended
 * by NUL and padded to 8, so that the data behind it lies as aligned as malloc() would have it and can be used where it
 * is; and the data, ended by a NUL that is not counted. Data that is more than a frame may carry is not in it, but
 * in a memfd that travels beside it.
 *
 * As with frames there is one way to write each message, and everything else is refused; so a receiver can use
 * what the sender wrote without another look.
 */

#include <errno.h>

#include "ipc/envelope.h"
#include "util/macro.h"

static size_t padded(size_t size) {
        return (size + MESSAGE_ALIGN - 1) & ~(MESSAGE_ALIGN - 1);
}

static size_t action_room(const struct message_envelope *head) {
        return padded((size_t) head->action_size + 1);
}

static bool is_shared(const struct message_envelope *head) {
        return (head->flags & ENVELOPE_SHARED) != 0;
}

size_t envelope_size(const struct message_envelope *head) {
        size_t size = sizeof(*head) + action_room(head);

        return is_shared(head) ? size : size + head->data_size + 1;
}

unsigned int envelope_fds(const struct message_envelope *head) {
        return (unsigned int) is_shared(head) + ((head->flags & ENVELOPE_HANDLE) != 0);
}

void envelope_write(void *payload, const struct message_envelope *head, const char *action,
                    const void *data) {
        size_t room = action_room(head);
        char *p = payload;

        memcpy(p, head, sizeof(*head));
        p += sizeof(*head);
        memset(p + room - MESSAGE_ALIGN, 0, MESSAGE_ALIGN);
        memcpy(p, action, head->action_size);
        p += room;
        if (is_shared(head))
                return;
        if (head->data_size > 0)
                memcpy(p, data, head->data_size);
        p[head->data_size] = '\0';
}

static bool makes_sense(const struct message_envelope *head) {
        bool reply = (head->flags & ENVELOPE_REPLY) != 0, asks = (head->flags & ENVELOPE_ASKS) != 0;

        if (head->target >= _ENVELOPE_TARGET_MAX || (head->flags & ~ENVELOPE_FLAGS) != 0)
                return false;
        if (head->action_size == 0)
                return false;
        if (is_shared(head) ? head->data_size <= MESSAGE_DATA_MAX || head->data_size > ENVELOPE_DATA_MAX
                            : head->data_size > MESSAGE_DATA_MAX)
                return false;
        if ((head->target == ENVELOPE_PID) != (head->target_pid > 0) || head->target_pid < 0)
                return false;
        if ((asks || reply) != (head->id != 0) || (asks && reply))
                return false;
        if (asks && (head->target == ENVELOPE_BROADCAST || head->target == ENVELOPE_APP))
                return false;
        if (reply && head->target != ENVELOPE_PID)
                return false;
        return head->error == 0 || (reply && head->error < 0 && head->error >= -ENVELOPE_ERROR_MAX);
}

static bool is_zero(const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bytes[i] != 0)
                        return false;
        return true;
}

int envelope_read(const void *payload, size_t size, struct envelope *ret) {
        const struct message_envelope *head = &ret->head;
        size_t room;

        if (size < sizeof(*head))
                return -EBADMSG;
        memcpy(&ret->head, payload, sizeof(*head));
        if (!makes_sense(head) || size != envelope_size(head))
                return -EBADMSG;
        ret->action = (const char *) payload + sizeof(*head);
        room = action_room(head);
        if (memchr(ret->action, '\0', head->action_size) ||
            !is_zero(ret->action + head->action_size, room - head->action_size) ||
            streq(ret->action, ENVELOPE_READY))
                return -EBADMSG;
        ret->data = is_shared(head) ? NULL : ret->action + room;
        return ret->data && ret->data[head->data_size] != '\0' ? -EBADMSG : 0;
}
