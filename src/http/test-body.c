/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdio.h>

#include "app/response.h"
#include "http/body.h"
#include "http/fixture.h"

#define HOST     "Host: localhost\r\n"
#define MAX_BODY 4096U

static struct reply reply;
static unsigned int calls;
static char block[BODY_DISCARD_MAX * 16];

static void echo(struct muster_request *request) {
        size_t size;
        const char *body = muster_request_body(request, &size);

        calls++;
        assert_int_equal(body[size], '\0');
        muster_respond_bytes(request, 200, NULL, body, size);
}

/* Adds as many fields as there may be. */
static void wordy(struct muster_request *request) {
        char value[1001];

        memset(value, 'y', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        for (int i = 0; i < 4; i++)
                assert_int_equal(muster_response_header(request, "X-Wordy", value), 0);
        assert_int_equal(muster_response_header(request, "X-Wordy", value), -E2BIG);
        muster_respond_text(request, 200, "words");
}

static const struct muster_route routes[] = {
        { "POST", "/echo", echo },
        { "GET", "/echo", echo },
        { "GET", "/wordy", wordy },
        {},
};

static int set_up(void **state) {
        calls = 0;
        memset(block, 'x', sizeof(block));
        if (fixture_set_up(state) < 0)
                return -1;
        fixture.config->http.max_body = MAX_BODY;
        return 0;
}

static void send_with_body(struct client *client, const char *fields, size_t size) {
        char header[256];

        (void) snprintf(header, sizeof(header),
                        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n%s\r\n", size, fields);
        client_send(client, header);
        client_send_bytes(client, block, MIN(size, sizeof(block)));
}

static void test_bodies_of_every_size_up_to_the_limit_are_collected(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 4096 };
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                send_with_body(client, "", sizes[i]);
                assert_true(client_receive(client, &reply, false));
                assert_int_equal(reply.status, 200);
                assert_int_equal(reply.size, sizes[i]);
                assert_int_equal(strspn(reply.body, "x"), sizes[i]);
        }
}

static void test_a_chunked_body_is_put_together(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhel");
        fixture_turn(USEC_PER_MSEC);
        client_send(client, "lo\r\nA\r\n, chunked!\r\n0\r\nTrailer: x\r\n\r\n");
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "hello, chunked!");
}

static void test_a_client_that_asks_first_is_told_to_go_on(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client,
                   "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 100,
                   &reply);
        assert_int_equal(calls, 0);
        client_send(client, "abc");
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "abc");
}

static void test_a_client_that_asks_first_is_refused_before_it_sends(void **state) {
        static const char *const requests[] = {
                "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 4097\r\n\r\n",
                "POST /none HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
                "PUT /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        };
        static const unsigned int statuses[] = { 413, 404, 405 };

        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                _cleanup_client_ struct client *client = client_new();

                client_ask(client, requests[i], statuses[i], &reply);
                assert_true(reply_has(&reply, "Connection: close"));
                assert_int_equal(reply_has(&reply, "Allow: POST, GET, HEAD, OPTIONS"), statuses[i] == 405);
        }
        assert_int_equal(calls, 0);
}

static void test_a_body_a_little_too_large_leaves_the_connection_usable(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        send_with_body(client, "", MAX_BODY + 1);
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 413);
        send_with_body(client, "", MAX_BODY + BODY_DISCARD_MAX);
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 413);
        assert_null(strcasestr(reply.header, "Connection: close"));
        client_ask(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_int_equal(calls, 1);
}

static void test_a_client_that_sends_far_too_much_still_gets_its_413(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        send_with_body(client, "", sizeof(block));
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 413);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_sees_end(client));
        assert_false(client->reset);
        assert_int_equal(calls, 0);
}

static void send_chunk(struct client *client, size_t size) {
        char line[32];

        (void) snprintf(line, sizeof(line), "%zx\r\n", size);
        client_send(client, line);
        client_send_bytes(client, block, size);
        client_send(client, "\r\n");
}

static void test_chunks_past_the_limit_are_refused(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        send_chunk(client, MAX_BODY);
        send_chunk(client, 1);
        client_send(client, "0\r\n\r\n");
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 413);
        assert_int_equal(calls, 0);
}

static void test_endless_chunks_are_cut_off_with_a_413(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        for (int i = 0; i < 16; i++)
                send_chunk(client, BODY_DISCARD_MAX / 4);
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 413);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_sees_end(client));
        assert_false(client->reset);
        assert_int_equal(calls, 0);
}

static void test_a_body_for_no_route_is_read_away(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "POST /none HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
        client_send_bytes(client, block, 100000);
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 404);
        client_ask(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_a_client_that_leaves_in_the_middle_calls_nobody(void **state) {
        struct client *client;
        usec_t began;

        fixture_start(routes);
        client = client_new();
        client_send(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
        fixture_turn(USEC_PER_MSEC);
        client_free(client);
        fixture_turn(USEC_PER_MSEC);
        began = now_monotonic();
        while (http_server_connections(fixture.server) > 0)
                fixture_turn(USEC_PER_SEC);
        assert_true(now_monotonic() - began <
                    fixture.config->http.header_timeout / 2); /* no deadline has ended it */
        assert_int_equal(calls, 0);
        assert_int_equal(http_server_in_flight(fixture.server), 0);
}

static void test_a_header_past_the_limit_is_431(void **state) {
        static const size_t sizes[] = { 1000, 2000, 8000, 100000 };
        size_t limit;

        limit = fixture.config->http.max_header = 1024;
        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_client_ struct client *client = client_new();
                static const char head[] = "GET /echo HTTP/1.1\r\n" HOST "X: ", tail[] = "\r\n\r\n";

                client_send(client, head);
                client_send_bytes(client, block, sizes[i] - sizeof(head) - sizeof(tail) + 2);
                client_send(client, tail);
                assert_true(client_receive(client, &reply, false));
                assert_int_equal(reply.status, sizes[i] <= limit ? 200 : 431);
                if (reply.status == 431)
                        assert_true(client_sees_end(client));
        }
}

static void test_a_long_header_leaves_room_for_the_largest_answer(void **state) {
        _cleanup_client_ struct client *client = NULL;
        size_t size = fixture.config->http.max_header - 1200;
        char text[16384];
        int used;

        fixture_start(routes);
        client = client_new();
        used = snprintf(text, sizeof(text), "GET /wordy HTTP/1.1\r\n" HOST "X: ");
        (void) snprintf(text + used, sizeof(text) - (size_t) used, "%.*s\r\n\r\n", (int) size - used - 4,
                        block);
        assert_int_equal(strlen(text), size);
        client_ask(client, text, 200, &reply);
        assert_true(strlen(reply.header) > RESPONSE_HEADERS_MAX_SIZE);
        client_ask(client, text, 200, &reply);
}

static void test_the_longest_cookie_of_a_browser_is_served(void **state) {
        _cleanup_client_ struct client *client = NULL;
        char text[16384];
        size_t used;

        fixture_start(routes);
        client = client_new();
        used = (size_t) snprintf(text, sizeof(text),
                                 "GET /echo HTTP/1.1\r\n" HOST "Cookie: session=%.4088s\r\n", block);
        for (int i = 0; i < 20; i++)
                used += (size_t) snprintf(text + used, sizeof(text) - used, "X-Field-%02d: %.40s\r\n", i,
                                          block);
        (void) snprintf(text + used, sizeof(text) - used, "\r\n");
        client_ask(client, text, 200, &reply);
}

/* A request whose header has exactly this size, so many fields, and so many arguments. */
static char *make_request(size_t size, unsigned int n_fields, unsigned int n_arguments) {
        static const char host[] = HOST;
        char *text = calloc(1, size + 1), *p = text, *end = text + size;

        assert_non_null(text);
        p += snprintf(p, (size_t) (end - p), "GET /echo?");
        for (unsigned int i = 0; i < n_arguments; i++)
                p += snprintf(p, (size_t) (end - p), "%sa=%u", i > 0 ? "&" : "", i);
        p += snprintf(p, (size_t) (end - p), " HTTP/1.1\r\n%s", host);
        for (unsigned int i = 2; i < n_fields; i++)
                p += snprintf(p, (size_t) (end - p), "X: %u\r\n", i);
        p += snprintf(p, (size_t) (end - p), "Y: ");
        memset(p, 'y', (size_t) (end - p));
        (void) snprintf(end - 4, 5, "\r\n\r\n");
        return text;
}

static void assert_answered(size_t size, unsigned int n_fields, unsigned int n_arguments,
                            unsigned int status) {
        _cleanup_client_ struct client *client = client_new();
        char *text = make_request(size, n_fields, n_arguments);

        client_ask(client, text, status, &reply);
        if (status == 431)
                assert_true(client_sees_end(client));
        else
                client_ask(client, text, status, &reply); /* and again: the memory is used again, too */
        assert_false(client->reset);
        free(text);
}

/* What muster.conf(5) says of max_header, and not much more. */
static void test_as_many_fields_and_arguments_fit_beside_a_header_as_promised(void **state) {
        size_t limit = fixture.config->http.max_header;

        fixture_start(routes);
        assert_answered(limit, 30, 18, 200);
        assert_answered(limit, 48, 0, 200);
        assert_answered(4500, 100, 0, 200);
        assert_answered(4500, 50, 50, 200);
        assert_answered(2000, 30, 90, 200);
        assert_answered(limit, 60, 0, 431);
        assert_answered(4500, 80, 40, 431);
        assert_answered(limit, 20, 600, 431);
        assert_answered(limit, 600, 0, 431);
        assert_answered(limit + 1, 30, 10, 431);
}

/* 0.9.75 loses itself when it has no memory for the arguments. */
static void test_too_many_arguments_are_431_however_they_come(void **state) {
        size_t size = fixture.config->http.max_header;
        char *text = make_request(size, 3, 900), *behind = strchr(text, '\n') + 1;

        fixture_start(routes);
        for (unsigned int i = 0; i < 3; i++) {
                _cleanup_client_ struct client *client = client_new();

                client_send_bytes(client, text, (size_t) (behind - text) - (i == 2 ? 3 : 0));
                fixture_run(5 * USEC_PER_MSEC);
                client_send(client, i == 1 ? HOST "\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n"
                                           : behind - (i == 2 ? 3 : 0));
                assert_true(client_receive(client, &reply, false));
                assert_int_equal(reply.status, 431);
                assert_true(client_sees_end(client));
                assert_int_equal(client->n, 0);
                assert_false(client->reset);
        }
        free(text);
        assert_int_equal(calls, 0);
}

static void test_an_answer_that_does_not_fit_is_500_and_not_silence(void **state) {
        _cleanup_client_ struct client *client = NULL;
        char text[9000];
        int n;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /wordy HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        n = snprintf(text, sizeof(text), "GET /wordy HTTP/1.1\r\n" HOST "Cookie: a=%03000d\r\nX: ", 0);
        (void) snprintf(text + n, sizeof(text) - (size_t) n, "%02000d\r\n\r\n", 0);
        client_ask(client, text, 500, &reply);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_sees_end(client));
        assert_int_equal(fixture.muster->slot->errors, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_bodies_of_every_size_up_to_the_limit_are_collected),
                TEST(test_a_chunked_body_is_put_together),
                TEST(test_a_client_that_asks_first_is_told_to_go_on),
                TEST(test_a_client_that_asks_first_is_refused_before_it_sends),
                TEST(test_a_body_a_little_too_large_leaves_the_connection_usable),
                TEST(test_a_client_that_sends_far_too_much_still_gets_its_413),
                TEST(test_chunks_past_the_limit_are_refused),
                TEST(test_endless_chunks_are_cut_off_with_a_413),
                TEST(test_a_body_for_no_route_is_read_away),
                TEST(test_a_client_that_leaves_in_the_middle_calls_nobody),
                TEST(test_a_header_past_the_limit_is_431),
                TEST(test_a_long_header_leaves_room_for_the_largest_answer),
                TEST(test_as_many_fields_and_arguments_fit_beside_a_header_as_promised),
                TEST(test_too_many_arguments_are_431_however_they_come),
                TEST(test_an_answer_that_does_not_fit_is_500_and_not_silence),
                TEST(test_the_longest_cookie_of_a_browser_is_served),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
