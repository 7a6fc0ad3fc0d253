/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ipc/quarantine-page.h"
#include "util/macro.h"

#define NOW (1000 * USEC_PER_SEC)

static struct quarantine_page page;

static int set_up(void **state) {
        page = (struct quarantine_page){ .key = { 1, 2 } };
        return 0;
}

/* With its size, since segments begin with a NUL. */
#define REQUEST(m, s, route) make_request(m, s, sizeof(s) - 1, route)

static struct quarantine_request make_request(const char *method, const char *segments, size_t size,
                                              const char *route) {
        return (struct quarantine_request){
                .method = method,
                .segments = segments,
                .size = size,
                .route_method = method,
                .route_path = route,
        };
}

static usec_t left(struct quarantine_request request, usec_t now) {
        return quarantine_left(&page, &request, now);
}

static uint64_t id_of(struct quarantine_request request) {
        return quarantine_request_id(&page, &request);
}

static void test_nothing_is_refused_on_an_empty_page(void **state) {
        assert_false(quarantine_in_use(&page));
        assert_false(quarantine_in_use(NULL));
        assert_int_equal(left(REQUEST("GET", "\0a", "/a"), NOW), 0);
}

static void test_a_request_is_refused_until_its_time_and_no_other_is(void **state) {
        quarantine_mark(&page, 5, id_of(REQUEST("GET", "\0a", "/{x}")), NOW + 10);
        assert_true(quarantine_in_use(&page));
        assert_int_equal(left(REQUEST("GET", "\0a", "/{x}"), NOW), 10);
        assert_int_equal(left(REQUEST("GET", "\0a", "/{x}"), NOW + 9), 1);
        assert_int_equal(left(REQUEST("GET", "\0a", "/{x}"), NOW + 10), 0);
        assert_int_equal(left(REQUEST("GET", "\0b", "/{x}"), NOW), 0);
        assert_int_equal(left(REQUEST("POST", "\0a", "/{x}"), NOW), 0);
        assert_int_equal(left(REQUEST("GET", "\0a\0", "/{x}"), NOW), 0);
}

static void test_a_route_is_refused_with_all_its_paths(void **state) {
        quarantine_mark(&page, 0, quarantine_route_id(&page, "GET", "/{x}"), NOW + 10);
        assert_int_equal(left(REQUEST("GET", "\0a", "/{x}"), NOW), 10);
        assert_int_equal(left(REQUEST("GET", "\0b", "/{x}"), NOW), 10);
        assert_int_equal(left(REQUEST("GET", "\0a", "/a"), NOW), 0);
        assert_int_equal(left(REQUEST("PUT", "\0a", "/{x}"), NOW), 0);
}

static void test_a_mark_that_is_taken_away_leaves_the_others(void **state) {
        uint64_t a = id_of(REQUEST("GET", "\0a", "/a")), b = id_of(REQUEST("GET", "\0b", "/b"));

        quarantine_mark(&page, 0, a, NOW + 10);
        quarantine_mark(&page, 1, b, NOW + 20);
        quarantine_mark(&page, 0, 0, 0);
        assert_int_equal(left(REQUEST("GET", "\0a", "/a"), NOW), 0);
        assert_int_equal(left(REQUEST("GET", "\0b", "/b"), NOW), 20);
        quarantine_mark(&page, 1, 0, 0);
        assert_false(quarantine_in_use(&page));
}

static void test_the_longer_of_two_times_is_said(void **state) {
        quarantine_mark(&page, 0, quarantine_route_id(&page, "GET", "/{x}"), NOW + 30);
        quarantine_mark(&page, 1, id_of(REQUEST("GET", "\0a", "/{x}")), NOW + 20);
        assert_int_equal(left(REQUEST("GET", "\0a", "/{x}"), NOW), 30);
}

static void test_a_damaged_page_is_not_read_past_its_end(void **state) {
        atomic_store(&page.n, UINT32_MAX);
        assert_int_equal(left(REQUEST("GET", "\0a", "/a"), NOW), 0);
}

static void test_requests_that_are_not_the_same_have_other_ids(void **state) {
        const struct quarantine_request requests[] = {
                REQUEST("GET", "\0a\0b", "/{x}/{y}"), REQUEST("GET", "\0a/b", "/{x}"),
                REQUEST("GET", "\0a", "/{x}"),        REQUEST("GE", "T\0a", "/{x}"),
                REQUEST("GET", "\0A", "/{x}"),        REQUEST("G", "ET\0a", "/{x}"),
        };
        struct quarantine_page other = { .key = { 1, 3 } };

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                assert_true(id_of(requests[i]) != 0);
                assert_true(id_of(requests[i]) != quarantine_request_id(&other, &requests[i]));
                for (size_t k = 0; k < i; k++)
                        assert_true(id_of(requests[i]) != id_of(requests[k]));
        }
        /* A route is no request, be it called the same. */
        assert_true(quarantine_route_id(&page, "GET", "/a") != id_of(REQUEST("GET", "/a", "/a")));
}

static void test_long_paths_differ_also_where_the_text_is_cut(void **state) {
        char a[4096], b[4096], text_a[64], text_b[64];

        memset(a, 'x', sizeof(a));
        a[0] = '\0';
        memcpy(b, a, sizeof(a));
        b[sizeof(b) - 1] = 'y';
        (void) quarantine_format(text_a, sizeof(text_a), "GET", a, sizeof(a));
        (void) quarantine_format(text_b, sizeof(text_b), "GET", b, sizeof(b));
        assert_string_equal(text_a, text_b);
        assert_true(id_of(make_request("GET", a, sizeof(a), "/{x}")) !=
                    id_of(make_request("GET", b, sizeof(b), "/{x}")));
}

static void test_a_path_is_written_as_it_would_be_sent(void **state) {
        static const struct {
                const char *segments;
                size_t size;
                const char *text;
        } paths[] = {
                { "\0", 1, "GET /" },
                { "\0a\0", 3, "GET /a/" },
                { "\0a b\0c/d", 8, "GET /a%20b/c%2Fd" },
                { "\0caf\xc3\xa9", 6, "GET /caf%C3%A9" },
                { "\0\n%\x7f", 4, "GET /%0A%25%7F" },
                { "\0?#", 3, "GET /%3F%23" },
        };
        char text[64], segments[64];

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                assert_string_equal(
                        quarantine_format(text, sizeof(text), "GET", paths[i].segments, paths[i].size),
                        paths[i].text);
                assert_int_equal(quarantine_parse_path(text + strlen("GET "), segments), paths[i].size);
                assert_memory_equal(segments, paths[i].segments, paths[i].size);
        }
}

static void test_a_text_that_does_not_fit_ends_in_dots(void **state) {
        char text[16];

        for (size_t size = sizeof("..."); size <= sizeof(text); size++) {
                memset(text, 'z', sizeof(text));
                (void) quarantine_format(text, size, "GET", "\0abc def ghi jkl", 16);
                assert_int_equal(strlen(text), size - 1);
                assert_string_equal(text + size - sizeof("..."), "...");
        }
        assert_string_equal(quarantine_format(text, sizeof(text), "GET", "\0abcdefghij", 11),
                            "GET /abcdefghij");
        assert_string_equal(quarantine_format(text, sizeof(text), "GET", "\0abcdefghijk", 12),
                            "GET /abcdefg...");
        assert_string_equal(quarantine_format(text, sizeof(text), "PROPFINDPROPFINDPROPFIND", "\0", 1),
                            "PROPFINDPROP...");
}

static void test_what_is_no_path_is_not_parsed(void **state) {
        static const char *const bad[] = { "",     "a",    "*",    "/a b", "/%", "/%4",
                                           "/%zz", "/%00", "/a?b", "/a#b", "/\n" };
        char segments[64];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(quarantine_parse_path(bad[i], segments), -EINVAL);
        assert_int_equal(quarantine_parse_path("/caf\xc3\xa9/%2f", segments), 8);
        assert_memory_equal(segments, "\0caf\xc3\xa9\0/", 8);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_nothing_is_refused_on_an_empty_page, set_up),
                cmocka_unit_test_setup(test_a_request_is_refused_until_its_time_and_no_other_is, set_up),
                cmocka_unit_test_setup(test_a_route_is_refused_with_all_its_paths, set_up),
                cmocka_unit_test_setup(test_a_mark_that_is_taken_away_leaves_the_others, set_up),
                cmocka_unit_test_setup(test_the_longer_of_two_times_is_said, set_up),
                cmocka_unit_test_setup(test_a_damaged_page_is_not_read_past_its_end, set_up),
                cmocka_unit_test_setup(test_requests_that_are_not_the_same_have_other_ids, set_up),
                cmocka_unit_test_setup(test_long_paths_differ_also_where_the_text_is_cut, set_up),
                cmocka_unit_test_setup(test_a_path_is_written_as_it_would_be_sent, set_up),
                cmocka_unit_test_setup(test_a_text_that_does_not_fit_ends_in_dots, set_up),
                cmocka_unit_test_setup(test_what_is_no_path_is_not_parsed, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
