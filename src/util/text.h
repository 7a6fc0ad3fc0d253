/* SPDX-License-Identifier: MIT */
#pragma once

/* Makes one line of a text that others have written: control bytes become spaces, and so can neither end a
 * line of the log nor begin an assignment for systemd. Takes NULL. Returns text. */
char *text_fold(char *text);

/* Replaces every byte that is no part of valid UTF-8 with '?', since systemd and D-Bus take nothing else. Takes NULL.
 * Returns text. */
char *text_make_utf8(char *text);
