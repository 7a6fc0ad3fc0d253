/* SPDX-License-Identifier: MIT */

/*
 * Subjects of NATS: tokens with dots between them, "orders.eu.new". A pattern to subscribe to may have `*` for one token and
 * `>` at the end for all that follow. In the protocol they stand between blanks on a line, so neither a blank
 * nor a control byte can be in one; and a server closes the connection over a line that is too long.
 */

#include <errno.h>

#include "broker/nats.h"
#include "util/macro.h"

#define SUBJECT_MAX 1024U

static bool token_is_good(const char *token, size_t length, bool last, bool pattern) {
        if (length == 0)
                return false;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) token[i] <= ' ' || token[i] == 0x7f)
                        return false;
        if (length > 1 || (*token != '*' && *token != '>'))
                return true;
        return pattern && (*token == '*' || last);
}

int nats_check_subject(const char *subject, bool pattern) {
        if (strnlen(subject, SUBJECT_MAX + 1) > SUBJECT_MAX)
                return -EINVAL;
        for (const char *token = subject;;) {
                size_t length = strcspn(token, ".");
                bool last = token[length] == '\0';

                if (!token_is_good(token, length, last, pattern))
                        return -EINVAL;
                if (last)
                        return 0;
                token += length + 1;
        }
}
