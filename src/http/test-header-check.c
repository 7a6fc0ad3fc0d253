/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "http/header-check.h"

static struct header_check check;

/* Checks a request whose fields are given as "Name: value" strings, ended by NULL. */
static const char *check_request(const char *method, const char *target, const char *version,
                                 const char *const *fields) {
        header_check_begin(&check, method, target, version);
        for (; *fields; fields++) {
                const char *colon = strchr(*fields, ':'), *value = colon + 1 + strspn(colon + 1, " \t");

                header_check_field(&check, *fields, (size_t) (colon - *fields), value, strlen(value));
        }
        return header_check_end(&check, method, 0);
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define GET(...)    check_request("GET", "/", "HTTP/1.1", FIELDS("Host: h", __VA_ARGS__))

static void test_ordinary_requests_pass(void **state) {
        assert_null(GET("Accept: */*"));
        assert_null(GET("X: a\tb", "Y:"));
        assert_null(GET("X: \xc3\xa4"));
        assert_null(check_request("GET", "/", "HTTP/1.0", FIELDS("X: y")));
        assert_null(check_request("GET", "/", "HTTP/1.0", FIELDS("Host: h")));
        assert_null(check_request("M-SEARCH", "/a?b=%20|{}", "HTTP/1.1", FIELDS("host: h")));
}

static void test_the_length_of_the_body_is_read(void **state) {
        assert_null(GET("Content-Length: 0"));
        assert_true(check.has_length);
        assert_int_equal(check.length, 0);
        assert_null(GET("content-LENGTH: 9223372036854775807"));
        assert_int_equal(check.length, INT64_MAX);
        assert_null(GET("Transfer-Encoding: Chunked"));
        assert_true(check.chunked);
        assert_false(check.has_length);
}

static void test_a_length_that_is_none_is_refused(void **state) {
        assert_non_null(GET("Content-Length: "));
        assert_non_null(GET("Content-Length: 5,5"));
        assert_non_null(GET("Content-Length: 5, 5"));
        assert_non_null(GET("Content-Length: +5"));
        assert_non_null(GET("Content-Length: -5"));
        assert_non_null(GET("Content-Length: 0x5"));
        assert_non_null(GET("Content-Length: 5 "));
        assert_non_null(GET("Content-Length: 5a"));
        assert_non_null(GET("Content-Length: 9223372036854775808"));
        assert_non_null(GET("Content-Length: 99999999999999999999999999"));
}

static void test_a_length_said_twice_is_refused(void **state) {
        assert_string_equal(GET("Content-Length: 5", "Content-Length: 5"), "Content-Length more than once");
        assert_non_null(GET("Content-Length: 5", "CONTENT-length: 6"));
}

static void test_only_chunked_said_once_is_an_encoding(void **state) {
        assert_non_null(GET("Transfer-Encoding: gzip"));
        assert_non_null(GET("Transfer-Encoding: gzip, chunked"));
        assert_non_null(GET("Transfer-Encoding: chunked, chunked"));
        assert_non_null(GET("Transfer-Encoding: identity"));
        assert_non_null(GET("Transfer-Encoding: xchunked"));
        assert_non_null(GET("Transfer-Encoding: chunked "));
        assert_non_null(GET("Transfer-Encoding:"));
        assert_non_null(GET("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"));
        assert_non_null(check_request("GET", "/", "HTTP/1.0", FIELDS("Transfer-Encoding: chunked")));
}

static void test_length_and_encoding_together_are_refused(void **state) {
        assert_non_null(GET("Content-Length: 5", "Transfer-Encoding: chunked"));
        assert_non_null(GET("Transfer-Encoding: chunked", "Content-Length: 0"));
}

static void test_a_name_that_is_no_token_is_refused(void **state) {
        assert_non_null(GET("Content-Length : 5"));
        assert_non_null(GET(": x"));
        assert_non_null(GET(" X: y"));
        assert_non_null(GET("X\t: y"));
        assert_non_null(GET("X(: y"));
        assert_non_null(GET("\xc3\xa4: y"));
        assert_non_null(GET("X\x01: y"));
        assert_null(GET("!#$%&'*+-.^_`|~09azAZ: y"));
}

static void test_control_bytes_in_a_value_are_refused(void **state) {
        assert_non_null(GET("X: a\rb"));
        assert_non_null(GET("X: a\x01"));
        assert_non_null(GET("X: \x7f"));
        assert_non_null(GET("X: a\nb"));
        header_check_begin(&check, "GET", "/", "HTTP/1.0");
        header_check_field(&check, "X", 1, "a\0b", 3);
        assert_non_null(header_check_end(&check, "GET", 0));
}

static void test_there_is_one_host_in_1_1(void **state) {
        assert_string_equal(check_request("GET", "/", "HTTP/1.1", FIELDS("X: y")), "no Host");
        assert_non_null(check_request("GET", "/", "HTTP/1.1", FIELDS("Host: a", "Host: a")));
        assert_non_null(check_request("GET", "/", "HTTP/1.0", FIELDS("Host: a", "host: b")));
}

static void test_a_host_is_a_name_or_an_address(void **state) {
        static const char *const good[] = { "Host: a.example:80", "Host: [::1]:80", "Host: [::1]",
                                            "Host: 127.0.0.1",    "Host:",          "Host: a_b",
                                            "Host: a:",           "Host: h " };
        static const char *const bad[] = { "Host: a b",  "Host: a/b",   "Host: a@b",  "Host: a:b",
                                           "Host: [::1", "Host: []",    "Host: [g]",  "Host: [::1]x",
                                           "Host: a\"b", "Host: a:1:2", "Host: \xc3", "Host: a\\b" };

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_null(check_request("GET", "/", "HTTP/1.1", FIELDS(good[i])));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_non_null(check_request("GET", "/", "HTTP/1.1", FIELDS(bad[i])));
}

static void test_other_versions_are_refused(void **state) {
        static const char *const bad[] = { "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1 ",
                                           "http/1.1", "",         "HTTP/1." };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_non_null(check_request("GET", "/", bad[i], FIELDS("Host: h")));
}

static void test_a_target_is_a_path_or_a_uri(void **state) {
        static const char *const good[] = { "/",           "/a%20b", "http://h/a",
                                            "HTTPS://h",   "//a",    "http://[::1]:80?x",
                                            "/http://a@b/" };
        static const char *const bad[] = { "",
                                           "a",
                                           "h:80",
                                           "*",
                                           "/a b",
                                           "/a\tb",
                                           "/\xc3\xa4",
                                           "/a%0",
                                           "/a%zz",
                                           "/%00",
                                           "/?%00",
                                           "/a\x7f",
                                           "ftp://h/",
                                           "http://",
                                           "http:///a",
                                           "http://:80/",
                                           "http://u@h/",
                                           "http://h:p/",
                                           "http://[::1/",
                                           "http://?x",
                                           "http://h\\a/" };

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_null(check_request("GET", good[i], "HTTP/1.1", FIELDS("Host: h")));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_non_null(check_request("GET", bad[i], "HTTP/1.1", FIELDS("Host: h")));
        assert_null(check_request("OPTIONS", "*", "HTTP/1.1", FIELDS("Host: h")));
}

static void test_a_method_is_a_token(void **state) {
        assert_non_null(check_request("GE(T", "/", "HTTP/1.1", FIELDS("Host: h")));
        assert_non_null(check_request("", "/", "HTTP/1.1", FIELDS("Host: h")));
}

static void test_only_100_continue_in_1_1_is_an_expectation(void **state) {
        assert_null(GET("Expect: 100-Continue"));
        assert_true(check.expects_continue);
        assert_null(GET("Expect: 200-ok"));
        assert_false(check.expects_continue);
        assert_null(check_request("GET", "/", "HTTP/1.0", FIELDS("Expect: 100-continue")));
        assert_false(check.expects_continue);
}

/* A header as libmicrohttpd 0.9.75 leaves it: the ends of strings overwritten where they stood. */
#define METHOD_AT  0U
#define TARGET_AT  4U
#define VERSION_AT 6U
#define NAME_AT    16U
#define VALUE_AT   22U

static const char *check_layout(const char *bytes, size_t size, size_t name_at, size_t value_at) {
        header_check_begin(&check, bytes, bytes + TARGET_AT, bytes + VERSION_AT);
        header_check_layout(&check, bytes, bytes + TARGET_AT, 1, bytes + VERSION_AT);
        header_check_field(&check, bytes + name_at, strlen(bytes + name_at), bytes + value_at,
                           strlen(bytes + value_at));
        return header_check_end(&check, bytes, size);
}

static void test_a_header_without_gaps_passes(void **state) {
        static const char bytes[] = "GET\0/\0HTTP/1.1\0\0Host\0 h\0\0\0\0";

        assert_null(check_layout(bytes, sizeof(bytes) - 1, NAME_AT, VALUE_AT));
}

static void test_a_bare_lf_leaves_a_byte_too_few(void **state) {
        static const char after_line[] = "GET\0/\0HTTP/1.1\0Host\0 h\0\0\0\0";
        static const char after_field[] = "GET\0/\0HTTP/1.1\0\0Host\0 h\0\0\0";

        assert_non_null(check_layout(after_line, sizeof(after_line) - 1, NAME_AT - 1, VALUE_AT - 1));
        assert_non_null(check_layout(after_field, sizeof(after_field) - 1, NAME_AT, VALUE_AT));
}

static void test_a_nul_or_a_folded_line_leaves_bytes_too_many(void **state) {
        static const char nul[] = "GET\0/\0HTTP/1.1\0\0Host\0 h\0x\0\0\0\0";
        static const char second_space[] = "GET\0 /\0HTTP/1.1\0\0";

        assert_non_null(check_layout(nul, sizeof(nul) - 1, NAME_AT, VALUE_AT));
        header_check_begin(&check, second_space, "/", "HTTP/1.0");
        header_check_layout(&check, second_space, second_space + 5, 1, second_space + 7);
        assert_non_null(header_check_end(&check, second_space, sizeof(second_space) - 1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ordinary_requests_pass),
                cmocka_unit_test(test_the_length_of_the_body_is_read),
                cmocka_unit_test(test_a_length_that_is_none_is_refused),
                cmocka_unit_test(test_a_length_said_twice_is_refused),
                cmocka_unit_test(test_only_chunked_said_once_is_an_encoding),
                cmocka_unit_test(test_length_and_encoding_together_are_refused),
                cmocka_unit_test(test_a_name_that_is_no_token_is_refused),
                cmocka_unit_test(test_control_bytes_in_a_value_are_refused),
                cmocka_unit_test(test_there_is_one_host_in_1_1),
                cmocka_unit_test(test_a_host_is_a_name_or_an_address),
                cmocka_unit_test(test_other_versions_are_refused),
                cmocka_unit_test(test_a_target_is_a_path_or_a_uri),
                cmocka_unit_test(test_a_method_is_a_token),
                cmocka_unit_test(test_only_100_continue_in_1_1_is_an_expectation),
                cmocka_unit_test(test_a_header_without_gaps_passes),
                cmocka_unit_test(test_a_bare_lf_leaves_a_byte_too_few),
                cmocka_unit_test(test_a_nul_or_a_folded_line_leaves_bytes_too_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
