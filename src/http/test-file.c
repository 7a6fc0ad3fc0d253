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

static const struct muster_route routes[] = {
        { "GET", "/files/{path...}", file },
        { "GET", "/plain/{path...}", plain_file },
        {},
};

static void put(const char *name, const void *bytes, size_t size) {
        char path[256];
        _cleanup_fd_ int fd = -1;

        (void) snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), size);
}

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
        static const char *const names[] = { "digits.txt", "empty", "large.html", "out", "fifo" };
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
        client_ask(client, GET "Range: bytes=0-1,4-5\r\n\r\n", 200, &reply);
        assert_string_equal(reply.body, digits);
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
                TEST(test_what_the_client_has_is_not_sent_again),
                TEST(test_nothing_outside_the_directory_is_sent),
                TEST(test_what_is_no_file_is_an_error_that_answers_nothing),
        };

        return cmocka_run_group_tests(tests, make_files, remove_files);
}
