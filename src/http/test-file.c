/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/fixture.h"
#include "util/fd.h"

#define HOST "Host: localhost\r\n"
#define GET  "GET /files/digits.txt HTTP/1.1\r\n" HOST

static struct reply reply;
static char directory[] = "/tmp/muster-test-file-XXXXXX";
static const char digits[] = "0123456789";

static void put(const char *name, const void *bytes, size_t size) {
        char path[256];
        _cleanup_fd_ int fd = -1;

        (void) snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), size);
}

static void file(struct muster_request *request) {
        int r = muster_respond_file_below(request, directory, muster_request_param(request, "path"), NULL);

        if (r < 0)
                muster_respond_text(request, 404, "%s", strerrorname_np(-r));
}

static void plain_file(struct muster_request *request) {
        char path[256];
        int r;

        (void) snprintf(path, sizeof(path), "%s/%s", directory, muster_request_param(request, "path"));
        muster_response_header(request, "X-Own", "yes");
        r = muster_respond_file(request, path, "text/x-own");
        if (r < 0)
                muster_respond_text(request, 404, "%s", strerrorname_np(-r));
}

static void typed_file(struct muster_request *request) {
        muster_response_header(request, "content-type", "text/x-added");
        plain_file(request);
}

/* What it answers is shorter when it is sent than when it was opened. */
static void shrunk_file(struct muster_request *request) {
        char path[256];

        put("shrinking", digits, 10);
        plain_file(request);
        (void) snprintf(path, sizeof(path), "%s/shrinking", directory);
        assert_int_equal(truncate(path, 3), 0);
}

static const struct muster_route routes[] = {
        { "GET", "/files/{path...}", file },
        { "GET", "/plain/{path...}", plain_file },
        { "GET", "/shrunk/{path...}", shrunk_file },
        { "GET", "/typed/{path...}", typed_file },
        {},
};

static int make_files(void **state) {
        static char large[60000];
        char path[256];

        if (!mkdtemp(directory))
                return -1;
        memset(large, 'l', sizeof(large));
        put("digits.txt", digits, 10);
        put("empty", "", 0);
        put("large.html", large, sizeof(large));
        (void) snprintf(path, sizeof(path), "%s/out", directory);
        if (symlink("/etc/passwd", path) < 0)
                return -1;
        (void) snprintf(path, sizeof(path), "%s/fifo", directory);
        return mkfifo(path, 0600);
}

static int remove_files(void **state) {
        static const char *const names[] = {
                "digits.txt", "empty", "large.html", "out", "fifo", "shrinking"
        };
        char path[256];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                (void) unlink(path);
        }
        return rmdir(directory);
}

static void test_a_file_is_sent_with_what_identifies_it(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET "\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
        assert_true(reply_has(&reply, "Content-Type: text/plain; charset=utf-8"));
        assert_true(reply_has(&reply, "Accept-Ranges: bytes"));
        assert_non_null(strstr(reply.header, "\r\nETag: \""));
        assert_non_null(strstr(reply.header, "\r\nLast-Modified: "));
        client_ask(client, "GET /files/large.html HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_int_equal(reply.size, 60000);
        assert_int_equal(strspn(reply.body, "l"), 60000);
        client_ask(client, "GET /files/empty HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_int_equal(reply.size, 0);
        assert_true(reply_has(&reply, "Content-Type: application/octet-stream"));
        client_ask(client, "GET /plain/digits.txt HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_true(reply_has(&reply, "Content-Type: text/x-own"));
        assert_true(reply_has(&reply, "X-Own: yes"));
}

static void test_head_tells_the_size_and_sends_nothing(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "HEAD /files/digits.txt HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_true(reply_has(&reply, "Content-Length: 10"));
        client_ask(client, GET "\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
}

static void test_a_part_is_sent_on_demand(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET "Range: bytes=2-4\r\n\r\n", 206, &reply);
        assert_string_equal(reply.body, "234");
        assert_true(reply_has(&reply, "Content-Range: bytes 2-4/10"));
        client_ask(client, GET "Range: bytes=-2\r\n\r\n", 206, &reply);
        assert_string_equal(reply.body, "89");
        client_ask(client, GET "Range: bytes=10-\r\n\r\n", 416, &reply);
        assert_true(reply_has(&reply, "Content-Range: bytes */10"));
}

/* What the body must be, with the boundary that the header names. */
static void assert_parts(const char *format) {
        const char *type = strstr(reply.header, "Content-Type: multipart/byteranges; boundary=");
        char boundary[64], expected[1024];

        assert_non_null(type);
        assert_int_equal(sscanf(strchr(type, '=') + 1, "%63[^\r]", boundary), 1);
        assert_int_equal(strlen(boundary), 32);
        (void) snprintf(expected, sizeof(expected), format, boundary, boundary, boundary);
        assert_string_equal(reply.body, expected);
        assert_null(strstr(reply.header, "Content-Range"));
}

static void test_several_parts_are_sent_as_one_answer(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET "Range: bytes=7-,0-1\r\n\r\n", 206, &reply);
        assert_parts(
                "--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 7-9/10\r\n\r\n789"
                "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01"
                "\r\n--%s--\r\n");
        assert_true(reply_has(&reply, "Accept-Ranges: bytes"));
        assert_non_null(strstr(reply.header, "\r\nETag: \""));
        client_ask(client, GET "\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
}

static void test_the_type_an_application_adds_is_that_of_the_parts(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /typed/digits.txt HTTP/1.1\r\n" HOST "Range: bytes=0-0,2-2\r\n\r\n", 206,
                   &reply);
        assert_parts("--%s\r\nContent-Type: text/x-added\r\nContent-Range: bytes 0-0/10\r\n\r\n0"
                     "\r\n--%s\r\nContent-Type: text/x-added\r\nContent-Range: bytes 2-2/10\r\n\r\n2"
                     "\r\n--%s--\r\n");
        assert_true(reply_has(&reply, "X-Own: yes"));
        assert_null(strstr(reply.header, "text/x-added"));
}

static void test_large_parts_are_sent_whole(void **state) {
        _cleanup_client_ struct client *client = NULL;
        size_t letters = 0;

        fixture_start(routes);
        client = client_new();
        client_ask(client,
                   "GET /files/large.html HTTP/1.1\r\n" HOST "Range: bytes=0-29999,30001-59999\r\n\r\n", 206,
                   &reply);
        for (size_t i = 0; i + 3 < reply.size; i++)
                letters += memcmp(reply.body + i, "llll", 4) == 0;
        assert_int_equal(letters, 59999 - 2 * 3);
        assert_string_equal(reply.body + reply.size - 4, "--\r\n");
}

static void test_one_part_that_is_left_of_several_is_sent_as_one(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET "Range: bytes=2-3,10-\r\n\r\n", 206, &reply);
        assert_string_equal(reply.body, "23");
        assert_true(reply_has(&reply, "Content-Range: bytes 2-3/10"));
        client_ask(client, GET "Range: bytes=10-,20-\r\n\r\n", 416, &reply);
        assert_true(reply_has(&reply, "Content-Range: bytes */10"));
}

static void test_parts_that_are_more_than_the_whole_are_not_sent(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET "Range: bytes=0-,0-\r\n\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
        client_ask(client, GET "Range: bytes=0-1,1-2,2-3\r\n\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
        client_ask(client, GET "If-Range: \"x\"\r\nRange: bytes=0-1,4-5\r\n\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
}

static void test_head_has_no_ranges(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "HEAD /files/digits.txt HTTP/1.1\r\n" HOST "Range: bytes=0-1,4-5\r\n\r\n", 200,
                   &reply);
        assert_true(reply_has(&reply, "Content-Length: 10"));
        assert_null(strstr(reply.header, "multipart"));
}

/* The client has been told a length that can't be kept: it must not take what comes for all. */
static void test_a_file_cut_short_meanwhile_ends_the_connection(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "GET /shrunk/shrinking HTTP/1.1\r\n" HOST "Range: bytes=0-0,5-9\r\n\r\n");
        assert_false(client_receive(client, &reply, false));
        assert_true(client_sees_end(client));
}

static void test_what_the_client_has_is_not_sent_again(void **state) {
        _cleanup_client_ struct client *client = NULL;
        char tag[64], date[64], request[512];

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET "\r\n", 200, &reply);
        assert_int_equal(sscanf(strstr(reply.header, "ETag: ") + 6, "%63[^\r]", tag), 1);
        assert_int_equal(sscanf(strstr(reply.header, "Last-Modified: ") + 15, "%63[^\r]", date), 1);

        (void) snprintf(request, sizeof(request), GET "If-None-Match: \"x\", %s\r\n\r\n", tag);
        client_send(client, request);
        assert_true(client_receive(client, &reply, true));
        assert_int_equal(reply.status, 304);
        assert_non_null(strstr(reply.header, tag));
        assert_true(reply_has(&reply, "Content-Length: 10")); /* 200's, or none */
        assert_null(strstr(reply.header, "Content-Type"));
        (void) snprintf(request, sizeof(request), GET "If-Modified-Since: %s\r\n\r\n", date);
        client_send(client, request);
        assert_true(client_receive(client, &reply, true));
        assert_int_equal(reply.status, 304);
        client_ask(client, GET "If-Match: \"x\"\r\n\r\n", 412, &reply);
        (void) snprintf(request, sizeof(request), GET "If-Range: %s\r\nRange: bytes=0-0\r\n\r\n", tag);
        client_ask(client, request, 206, &reply);
        assert_string_equal(reply.body, "0");
}

static void ask_for_error(struct client *client, const char *path, const char *error) {
        char request[256];

        (void) snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
        client_ask(client, request, 404, &reply);
        assert_string_equal(reply.body, error);
}

static void test_nothing_outside_the_directory_is_sent(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /files/..%2F..%2Fetc%2Fpasswd HTTP/1.1\r\n" HOST "\r\n", 400, &reply);
        client_free(client);
        client = client_new();
        ask_for_error(client, "/files//etc/passwd", "EXDEV");
        ask_for_error(client, "/files/%2Fetc%2Fpasswd", "EXDEV");
        ask_for_error(client, "/files/out", "EXDEV");
}

static void test_what_is_no_file_is_an_error_that_answers_nothing(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        ask_for_error(client, "/files/none", "ENOENT");
        ask_for_error(client, "/files/", "EISDIR");
        ask_for_error(client, "/files/fifo", "EINVAL");
        ask_for_error(client, "/plain/none", "ENOENT");
        ask_for_error(client, "/plain/", "EISDIR");
        ask_for_error(client, "/plain/digits.txt/x", "ENOTDIR");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_file_is_sent_with_what_identifies_it),
                TEST(test_head_tells_the_size_and_sends_nothing),
                TEST(test_a_part_is_sent_on_demand),
                TEST(test_several_parts_are_sent_as_one_answer),
                TEST(test_the_type_an_application_adds_is_that_of_the_parts),
                TEST(test_large_parts_are_sent_whole),
                TEST(test_one_part_that_is_left_of_several_is_sent_as_one),
                TEST(test_parts_that_are_more_than_the_whole_are_not_sent),
                TEST(test_head_has_no_ranges),
                TEST(test_a_file_cut_short_meanwhile_ends_the_connection),
                TEST(test_what_the_client_has_is_not_sent_again),
                TEST(test_nothing_outside_the_directory_is_sent),
                TEST(test_what_is_no_file_is_an_error_that_answers_nothing),
        };

        return cmocka_run_group_tests(tests, make_files, remove_files);
}
