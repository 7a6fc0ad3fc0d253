/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "validator.h"

#define MODIFIED "Mon, 23 Nov 2026 18:00:00 GMT"
#define LATER    "Mon, 23 Nov 2026 18:00:01 GMT"

static const struct {
        const char *promise;
        const char *etag, *last_modified, *date;
        const char *field; /* NULL for none */
} cases[] = {
        { "an answer without either cannot be asked by", NULL, NULL, LATER, NULL },
        { "an ETag is sent back as it was", "\"a b\"", NULL, NULL, "If-None-Match: \"a b\"" },
        { "a weak one too", "W/\"7\"", NULL, NULL, "If-None-Match: W/\"7\"" },
        { "an ETag is better than a time", "\"x\"", MODIFIED, LATER, "If-None-Match: \"x\"" },
        { "a time that is over is good", NULL, MODIFIED, LATER, "If-Modified-Since: " MODIFIED },
        { "a time that is not is blind", NULL, MODIFIED, MODIFIED, NULL },
        { "a time in the future is nonsense", NULL, LATER, MODIFIED, NULL },
        { "without a Date nobody knows", NULL, MODIFIED, NULL, NULL },
        { "what is no time is none", NULL, "yesterday", LATER, NULL },
        { "an empty ETag is none", "", NULL, NULL, NULL },
};

static void test_what_can_be_asked_by(void **state) {
        struct validator validator;
        char buffer[400];

        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                const char *field;

                validator_read(&validator, cases[i].etag, cases[i].last_modified, cases[i].date);
                field = validator_field(&validator, buffer, sizeof(buffer));
                if ((field == NULL) != (cases[i].field == NULL) ||
                    (field && strcmp(field, cases[i].field) != 0))
                        fail_msg("%s: %s", cases[i].promise, field ? field : "nothing");
        }
}

static void test_an_etag_too_long_to_keep_is_none(void **state) {
        struct validator validator;
        char etag[400], buffer[400];

        memset(etag, 'x', sizeof(etag) - 1);
        etag[sizeof(etag) - 1] = '\0';
        validator_read(&validator, etag, MODIFIED, LATER);
        assert_string_equal(validator_field(&validator, buffer, sizeof(buffer)),
                            "If-Modified-Since: " MODIFIED);
        validator_read(&validator, etag + sizeof(etag) - sizeof(validator.etag), NULL, NULL);
        assert_non_null(validator_field(&validator, buffer, sizeof(buffer)));
        assert_null(validator_field(&validator, buffer, 100));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_can_be_asked_by),
                cmocka_unit_test(test_an_etag_too_long_to_keep_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
