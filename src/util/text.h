/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

/* Makes one line of a text that others have written: control bytes become spaces, and so can neither end a
 * line of the log nor begin an assignment for systemd. Takes NULL. Returns text. */
char *text_fold(char *text);

/* Replaces every byte that is no part of valid UTF-8 with '?', since systemd and D-Bus take nothing else. Takes NULL.
 * Returns text. */
char *text_make_utf8(char *text);

/* Replaces user and password of every URL in a text ("nats://me:secret@host") with asterisks, for what is shown. Takes
 * NULL. Returns text. */
char *text_hide_passwords(char *text);

/* Writes a text as a part of one line: newline and backslash are escaped. An error stays in the stream. */
void text_write_escaped(FILE *file, const char *text);

/* The other way, in place. Returns 0, or -EBADMSG for an escape that text_write_escaped() does not make. */
int text_unescape(char *text);
