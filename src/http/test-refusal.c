/* SPDX-License-Identifier: MIT */

/* Requests that hide another one, on a real connection: none of them may be answered as if it were good, and nothing
 * behind them on the connection may be answered at all. */

#include <fcntl.h>
#include <unistd.h>

#include <microhttpd.h>

#include "http/fixture.h"
#include "util/fd.h"
#include "util/log.h"

#define HOST "Host: localhost\r\n"

static struct reply reply;
static unsigned int calls;

static void plain(struct muster_request *request) {
        calls++;
        muster_respond_text(request, 200, "plain");
}

static const struct muster_route routes[] = { { "*", "/", plain }, { "GET", "/hidden", plain }, {} };

#define HIDDEN "GET /hidden HTTP/1.1\r\n" HOST "\r\n"

/* Sends bytes and expects a 400 (or, from the library's parser, just the end), and then the end. */
static void refuse_bytes(const void *bytes, size_t size) {
        _cleanup_client_ struct client *client = client_new();

        calls = 0;
        reply.status = 0;
        client_send_bytes(client, bytes, size);
        if (client_receive(client, &reply, false)) {
                assert_int_equal(reply.status, 400);
                assert_true(reply_has(&reply, "Connection: close"));
        }
        assert_true(client_sees_end(client));
        /* A length it can't read makes 0.9.75 refuse by itself, and say the header of its 400 twice. */
        assert_true(client->n == 0 || reply.status == 400);
        assert_null(strstr(client->bytes, "200 OK"));
        assert_int_equal(calls, 0);
}

#define REFUSE(text) refuse_bytes(text, sizeof(text) - 1)

static void test_two_lengths_hide_nothing(void **state) {
        fixture_start(routes);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 0\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length: 0, 5\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n" HIDDEN);
}

static void test_two_framings_hide_nothing(void **state) {
        fixture_start(routes);
        REFUSE("POST / HTTP/1.1\r\n" HOST
               "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST
               "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
               "0\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
}

static void test_odd_names_hide_nothing(void **state) {
        fixture_start(routes);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X\x0b: y\r\n\r\n" HIDDEN);
}

static void test_control_bytes_hide_nothing(void **state) {
        fixture_start(routes);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n" HIDDEN);
}

/* What 0.9.75 lets through is found by the sizes not adding up: see header-check.c. */
static void test_what_the_parser_tolerates_hides_nothing(void **state) {
        fixture_start(routes);
        REFUSE("GET / HTTP/1.1\n" HOST "\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\nHost: localhost\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: y\nZ: z\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X\0Y: b\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: a\0\r\n\r\n" HIDDEN);
        REFUSE("GET /\0 HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("POST / HTTP/1.1\r\n" HOST "Transfer-Encodin: chunked\r\n g\r\n\r\n0\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tlonger than the value was\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n X: y\r\n" HOST "\r\n" HIDDEN);
}

/* The one thing that neither 0.9.75 nor the check of its sizes sees; header-check.c says why. */
static void test_a_nul_before_a_bare_lf_is_a_known_exception(void **state) {
        static const char text[] = "GET / HTTP/1.1\r\nHost: a\0\nX-B: yes\r\n\r\n";
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        if (!startswith(MHD_get_version(), "0.9.")) {
                refuse_bytes(text, sizeof(text) - 1);
                return;
        }
        client = client_new();
        client_send_bytes(client, text, sizeof(text) - 1);
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 200);
}

static void test_loosely_framed_chunks_hide_nothing(void **state) {
        static const char *const bodies[] = { "2;a\nhi\n0\n\n", "2\nhi\r\n0\r\n\r\n",
                                              "2;a=b\r\nhi\r\n0\r\n\r\n",
                                              "2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n" };

        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(bodies); i++) {
                _cleanup_client_ struct client *client = client_new();

                calls = 0;
                client_send(client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
                client_send(client, bodies[i]);
                client_send(client, HIDDEN);
                if (client_receive(client, &reply, false) && startswith(MHD_get_version(), "0.9."))
                        assert_true(reply_has(&reply, "Connection: close"));
                if (startswith(MHD_get_version(), "0.9.")) {
                        assert_true(client_sees_end(client));
                        assert_int_equal(client->n, 0);
                        assert_false(client->reset);
                        assert_in_range(calls, 0, 1);
                }
        }
}

/* What the server says to standard error meanwhile. */
static void listen_to_log(int *ret_fd, int *ret_saved) {
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        *ret_fd = fds[0];
        *ret_saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        assert_true(*ret_saved >= 0);
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        fd_close(fds[1]);
        log_set_level(LOG_INFO);
}

static unsigned int end_listening(int fd, int saved, char *text, size_t size) {
        unsigned int lines = 0;
        ssize_t n;

        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        fd_close(saved);
        n = read(fd, text, size - 1);
        fd_close(fd);
        text[MAX(n, (ssize_t) 0)] = '\0';
        for (const char *p = text; *p; p++)
                lines += *p == '\n';
        return lines;
}

static void test_many_bad_requests_are_few_lines_in_the_log(void **state) {
        char text[4096];
        int fd, saved;

        fixture_start(routes);
        listen_to_log(&fd, &saved);
        for (int i = 0; i < 5; i++)
                REFUSE("GET /%zz HTTP/1.1\r\n" HOST "\r\n");
        fixture_run(1100 * USEC_PER_MSEC);
        assert_int_equal(end_listening(fd, saved, text, sizeof(text)), 2);
        assert_non_null(strstr(text, ": a bad percent triplet"));
        assert_non_null(strstr(text, "4 more requests"));
}

static void test_what_is_answered_past_the_library_is_in_the_access_log(void **state) {
        char text[4096];
        int fd, saved;

        fixture.config->http.header_timeout = 20 * USEC_PER_MSEC;
        fixture.config->log.access = true;
        fixture_start(routes);
        listen_to_log(&fd, &saved);
        for (int i = 0; i < 2; i++) {
                _cleanup_client_ struct client *client = client_new();

                client_ask(client, i == 0 ? "GET / HT" : "GET / HTTP/1.1\r\nX", 408, &reply);
        }
        assert_int_equal(end_listening(fd, saved, text, sizeof(text)), 2);
        assert_non_null(strstr(text, "\"-\" 408"));
        assert_non_null(strstr(text, "127.0.0.1:"));
        assert_int_equal(fixture.muster->slot->requests, 2);
}

static void test_hosts_are_counted(void **state) {
        fixture_start(routes);
        REFUSE("GET / HTTP/1.1\r\n\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\n" HOST HOST "\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n" HIDDEN);
}

static void test_odd_request_lines_are_refused(void **state) {
        fixture_start(routes);
        REFUSE("GET  / HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET /  HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.1 \r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET / a HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET a HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET * HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET /%zz HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET /%00 HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("G(T / HTTP/1.1\r\n" HOST "\r\n" HIDDEN);
        REFUSE("GET / HTTP/1.2\r\n" HOST "\r\n" HIDDEN);
}

/* These never reach us: the library closes, or answers 400 or 505. */
static void test_what_is_no_http_is_not_served(void **state) {
        static const char *const texts[] = { "GET /\r\n\r\n" HIDDEN, "GET / HTTP/2.0\r\n" HOST "\r\n" HIDDEN,
                                             "hello\r\n\r\n" HIDDEN, "\x16\x03\x01\x02\r\n\r\n" HIDDEN,
                                             "GET / http/1.1\r\n" HOST "\r\n" HIDDEN };

        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_client_ struct client *client = client_new();

                calls = 0;
                client_send(client, texts[i]);
                if (client_receive(client, &reply, false))
                        assert_true(reply.status >= 400);
                assert_true(client_sees_end(client));
                assert_int_equal(calls, 0);
        }
}

static void test_a_refused_client_that_goes_on_sending_gets_its_400(void **state) {
        static char more[1024 * 1024];
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client,
                    "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\nContent-Length: 5\r\n\r\n");
        client_send_bytes(client, more, sizeof(more));
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 400);
        assert_true(client_sees_end(client));
        assert_false(client->reset);
}

/* Here it is the library that refuses, in the middle of the body. */
static void test_a_client_whose_chunks_are_refused_gets_its_400(void **state) {
        static char more[1024 * 1024];
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nz\r\n");
        client_send_bytes(client, more, sizeof(more));
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 400);
        assert_true(client_sees_end(client));
        assert_false(client->reset);
        assert_int_equal(http_server_connections(fixture.server), 1); /* it lingers, once */
}

/* 1.0 has no memory for a refusal then, and does not tell that the request has ended. */
static void test_a_line_of_a_chunk_without_an_end_leaves_nothing_in_flight(void **state) {
        static char line[200 * 1024];
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.header_timeout = 50 * USEC_PER_MSEC;
        fixture_start(routes);
        client = client_new();
        memset(line, 'a', sizeof(line));
        client_send(client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2;");
        while (http_server_in_flight(fixture.server) == 0)
                fixture_turn(USEC_PER_MSEC);
        client_send_bytes(client, line, sizeof(line));
        assert_true(client_sees_end(client));
        client_free(TAKE_PTR(client));
        for (usec_t end = now_monotonic() + 5 * USEC_PER_SEC;
             http_server_connections(fixture.server) > 0 && now_monotonic() < end;)
                fixture_turn(10 * USEC_PER_MSEC);
        assert_int_equal(http_server_connections(fixture.server), 0);
        assert_int_equal(http_server_in_flight(fixture.server), 0);
}

static void test_unusual_but_correct_requests_are_served(void **state) {
        static const char *const texts[] = {
                "GET / HTTP/1.1\r\nHost:localhost\r\nX:\r\nY: \t \r\nZ: a b\t\r\n\r\n",
                "\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
                "PROPFIND / HTTP/1.1\r\n" HOST "\r\n",
                "GET /?a=b&c&&=d&%41=%20;e|f HTTP/1.1\r\n" HOST "Cookie: a=b; c=\"d\"; e\r\n\r\n",
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        };
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                client_ask(client, texts[i], 200, &reply);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_two_lengths_hide_nothing),
                TEST(test_two_framings_hide_nothing),
                TEST(test_odd_names_hide_nothing),
                TEST(test_control_bytes_hide_nothing),
                TEST(test_what_the_parser_tolerates_hides_nothing),
                TEST(test_a_nul_before_a_bare_lf_is_a_known_exception),
                TEST(test_loosely_framed_chunks_hide_nothing),
                TEST(test_many_bad_requests_are_few_lines_in_the_log),
                TEST(test_what_is_answered_past_the_library_is_in_the_access_log),
                TEST(test_hosts_are_counted),
                TEST(test_odd_request_lines_are_refused),
                TEST(test_what_is_no_http_is_not_served),
                TEST(test_a_refused_client_that_goes_on_sending_gets_its_400),
                TEST(test_a_client_whose_chunks_are_refused_gets_its_400),
                TEST(test_a_line_of_a_chunk_without_an_end_leaves_nothing_in_flight),
                TEST(test_unusual_but_correct_requests_are_served),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
