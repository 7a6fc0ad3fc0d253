/* SPDX-License-Identifier: MIT */
#pragma once

/* Makes one line of a text that others have written: control bytes become spaces, and so can neither end a
 * line of the log nor begin an assignment for systemd. Takes NULL. Returns text. */
char *text_fold(char *text);
