/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "util/macro.h"
#include "util/text.h"

static void control_bytes_become_blanks(void **state) {
        char text[] = "one\ntwo\r\033[31m\177 three";

        assert_string_equal(text_fold(text), "one two  [31m  three");
        assert_null(text_fold(NULL));
}

static void valid_utf8_stays(void **state) {
        static const char *const texts[] = {
                "",
                "plain",
                "ä",
                "€",
                "\U0001F600",
                "a\u00e4\u20ac\U0001F600z",
                "\xf4\x8f\xbf\xbf",
                "\xed\x9f\xbf",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char copy[64];

                (void) snprintf(copy, sizeof(copy), "%s", texts[i]);
                assert_string_equal(text_make_utf8(copy), texts[i]);
        }
        assert_null(text_make_utf8(NULL));
}

static void what_is_no_utf8_is_replaced_byte_by_byte(void **state) {
        static const struct {
                const char *text, *made;
        } cases[] = {
                { "a\xff"
                  "b",
                  "a?b" },
                { "\x80", "?" },                      /* begins with a continuation */
                { "\xc3", "?" },                      /* ends too soon */
                { "\xe2\x82", "??" },                 /* likewise */
                { "\xc0\xaf", "??" },                 /* longer than needed */
                { "\xe0\x80\xaf", "???" },            /* likewise */
                { "\xf0\x80\x80\xaf", "????" },       /* likewise */
                { "\xed\xa0\x80", "???" },            /* half of a pair */
                { "\xf4\x90\x80\x80", "????" },       /* past the end */
                { "\xf8\x88\x80\x80\x80", "?????" },  /* five bytes */
                { "\xe2\x82\xc3\xa4", "??\xc3\xa4" }, /* one cut short by the next */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char copy[64];

                (void) snprintf(copy, sizeof(copy), "%s", cases[i].text);
                assert_string_equal(text_make_utf8(copy), cases[i].made);
        }
}

static void an_escaped_text_is_one_line_and_comes_back(void **state) {
        static const char *const texts[] = { "", "plain", "two\nlines", "back\\slash", "\\n", "\n\\\n" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char line[64] = "";
                FILE *file = fmemopen(line, sizeof(line), "w");

                assert_non_null(file);
                text_write_escaped(file, texts[i]);
                assert_int_equal(fclose(file), 0);
                assert_null(strchr(line, '\n'));
                assert_int_equal(text_unescape(line), 0);
                assert_string_equal(line, texts[i]);
        }
}

static void another_escape_is_refused(void **state) {
        static const char *const texts[] = { "\\", "a\\t", "\\\\\\" };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char copy[16];

                (void) snprintf(copy, sizeof(copy), "%s", texts[i]);
                assert_int_equal(text_unescape(copy), -EBADMSG);
        }
}

static void users_and_passwords_of_urls_are_hidden(void **state) {
        static const char *const cases[][2] = {
                { "", "" },
                { "nats://host:4222", "nats://host:4222" },
                { "nats://me:secret@host", "nats://***@host" },
                { "nats://u@host", "nats://*@host" },
                { "nats://a:p@ss@one tls://b:q/@two", "nats://***@one tls://***@two" },
                { "me@example.org, http://host/?q=a", "me@example.org, http://host/?q=a" },
                { "nats://me:secr", "nats://me:secr" },
                { "nats://@host", "nats://@host" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char copy[80];

                (void) snprintf(copy, sizeof(copy), "%s", cases[i][0]);
                assert_string_equal(text_hide_passwords(copy), cases[i][1]);
        }
        assert_null(text_hide_passwords(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(control_bytes_become_blanks),
                cmocka_unit_test(users_and_passwords_of_urls_are_hidden),
                cmocka_unit_test(valid_utf8_stays),
                cmocka_unit_test(what_is_no_utf8_is_replaced_byte_by_byte),
                cmocka_unit_test(an_escaped_text_is_one_line_and_comes_back),
                cmocka_unit_test(another_escape_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
