/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/time.h"

/* The terminal on standard output. See screen.c. */

/* Columns and rows; zeros where the output goes elsewhere, and nothing shall be cut. */
void screen_size(size_t *ret_width, size_t *ret_height);
size_t screen_width(void);

/* Takes the screen for a display that is drawn again and again; keys come without Enter. screen_leave() gives back what was
 * there; harmless where nothing was taken. */
int screen_enter(void);
void screen_leave(void);

/* Waits for as long, or until the user has had enough: `q`, Ctrl-C, the end of the input. Returns whether he has. */
bool screen_wait(usec_t span);

/* The next drawing begins in the upper left corner of an empty screen. */
void screen_clear(void);
