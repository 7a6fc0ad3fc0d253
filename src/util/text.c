/* SPDX-License-Identifier: MIT */

/*
 * Texts that come from somewhere else.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/text.h"

char *text_fold(char *text) {
        for (char *p = text; p && *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = ' ';
        return text;
}

/* How many bytes the character takes that begins here: 0 where none does. Neither a longer spelling than needed nor half
 * of a UTF-16 pair nor what is past the end of Unicode is one. */
static size_t utf8_length(const unsigned char *p) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
        uint32_t character;

        if (length == 1)
                return 1;
        if (p[0] < 0xc0 || p[0] >= 0xf8)
                return 0;
        character = p[0] & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80) /* the end of the text, too */
                        return 0;
                character = character << 6 | (p[i] & 0x3fU);
        }
        if (character < least[length] || character > 0x10ffff || (character >= 0xd800 && character < 0xe000))
                return 0;
        return length;
}

char *text_make_utf8(char *text) {
        for (unsigned char *p = (unsigned char *) text; p && *p;) {
                size_t length = utf8_length(p);

                if (length == 0)
                        *p = '?';
                p += length ?: 1;
        }
        return text;
}

char *text_hide_passwords(char *text) {
        for (char *scheme = text ? strstr(text, "://") : NULL; scheme; scheme = strstr(scheme + 3, "://")) {
                char *url = scheme + 3, *at;
                size_t length, hidden;

                length = strcspn(url, " \t\n");
                at = memrchr(url, '@', length);
                if (!at)
                        continue;
                hidden = (size_t) (at - url) < 3 ? (size_t) (at - url) : 3;
                memset(url, '*', hidden);
                memmove(url + hidden, at, strlen(at) + 1);
        }
        return text;
}

void text_write_escaped(FILE *file, const char *text) {
        for (; *text; text++)
                if (*text == '\\')
                        (void) fputs("\\\\", file);
                else if (*text == '\n')
                        (void) fputs("\\n", file);
                else
                        (void) fputc(*text, file);
}

int text_unescape(char *text) {
        char *to = text;

        for (const char *from = text; *from; from++) {
                if (*from != '\\') {
                        *to++ = *from;
                        continue;
                }
                from++;
                if (*from != '\\' && *from != 'n')
                        return -EBADMSG;
                *to++ = *from == 'n' ? '\n' : '\\';
        }
        *to = '\0';
        return 0;
}
