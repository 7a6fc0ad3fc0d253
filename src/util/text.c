/* SPDX-License-Identifier: MIT */

/*
 * Texts that come from somewhere else.
 */

#include <stddef.h>

#include "util/text.h"

char *text_fold(char *text) {
        for (char *p = text; p && *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = ' ';
        return text;
}
