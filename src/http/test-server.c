/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "http/fixture.h"

#define HOST "Host: localhost\r\n"

static struct reply reply;
static int last_error;
static struct muster_request *held;
static unsigned int n_never;

static void plain(struct muster_request *request) {
        static const char text[] = "hello world";

        muster_respond_static(request, 200, "text/plain", text, sizeof(text) - 1);
}

static void show(struct muster_request *request) {
        const char *x = muster_request_query(request, "x"),
                   *header = muster_request_header(request, "x-test");

        muster_respond_text(request, 200, "%s|%s|%s|%s|%s|%s", muster_request_method(request),
                            muster_request_path(request), muster_request_target(request),
                            muster_request_param(request, "id"), x ? x : "-", header ? header : "-");
}

static void echo(struct muster_request *request) {
        size_t size;
        const void *body = muster_request_body(request, &size);

        muster_respond_bytes(request, 200, NULL, body, size);
}

static void large(struct muster_request *request) {
        muster_respond_text(request, 200, "%060000d", 0);
}

static void answer_later(struct muster_request *request) {
        muster_respond_text(request, 200, "later");
}

static void later(struct muster_request *request) {
        assert_int_equal(muster_request_after(request, MUSTER_MSEC(20), answer_later), 0);
}

static void hold(struct muster_request *request) {
        held = request;
        assert_int_equal(muster_request_suspend(request), 0);
}

static void never(struct muster_request *request) {
        n_never++;
        (void) raise(SIGTRAP);
}

static void answer_when_both_are_due(struct muster_request *request) {
        usec_t end = now_monotonic() + 10 * USEC_PER_MSEC;

        while (now_monotonic() < end)
                ;
        muster_respond_text(request, 200, "later");
}

static void two_timers(struct muster_request *request) {
        assert_int_equal(muster_request_after(request, MUSTER_MSEC(5), answer_when_both_are_due), 0);
        assert_int_equal(muster_request_after(request, MUSTER_MSEC(10), never), 0);
}

/* The answer is there before the request waits. */
static void timer_for_nothing(struct muster_request *request) {
        assert_int_equal(muster_request_after(request, MUSTER_MSEC(10), never), 0);
        muster_respond_text(request, 200, "at once");
}

static void nothing_new(struct muster_request *request) {
        muster_respond_status(request, 304);
}

static void empty_type(struct muster_request *request) {
        muster_respond_static(request, 200, "", "x", 1);
}

/* As much as may be added, a long type included. */
static void wordy(struct muster_request *request) {
        char value[4097];

        memset(value, 'w', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        assert_int_equal(muster_response_header(request, "X", value), -E2BIG);
        assert_int_equal(muster_response_header(request, "X", value + 2100), 0);
        assert_int_equal(muster_respond_bytes(request, 200, value, "x", 1), -E2BIG);
        assert_int_equal(muster_respond_static(request, 200, value + 2000, "x", 1), -E2BIG);
        assert_int_equal(muster_respond_bytes(request, 200, value + 2104, "x", 1), 0);
}

static void fault(struct muster_request *request) {
        muster_respond_text(request, 200, "never sent");
        (void) raise(SIGTRAP);
}

static void fault_later(struct muster_request *request) {
        assert_int_equal(muster_request_after(request, MUSTER_MSEC(1), fault), 0);
}

static void nothing(struct muster_request *request) {
}

static void twice(struct muster_request *request) {
        muster_respond_text(request, 201, "first");
        last_error = muster_respond_text(request, 200, "second");
}

static void fields(struct muster_request *request) {
        assert_int_equal(muster_response_header(request, "X-A", "1"), 0);
        assert_int_equal(muster_response_header(request, "X-B", "two\twords"), 0);
        assert_int_equal(muster_response_header(request, "Content-Type", "text/x-own"), 0);
        assert_int_equal(muster_response_header(request, "X-A\r\n", "1"), -EINVAL);
        assert_int_equal(muster_response_header(request, "X-A", "1\r\nX-Evil: 1"), -EINVAL);
        assert_int_equal(muster_response_header(request, "", "1"), -EINVAL);
        assert_int_equal(muster_response_header(request, "X-A", ""), -EINVAL);
        assert_int_equal(muster_response_header(request, "X-A", " \t"), -EINVAL);
        assert_int_equal(muster_response_header(request, "content-length", "1"), -EINVAL);
        assert_int_equal(muster_response_header(request, "Transfer-Encoding", "chunked"), -EINVAL);
        assert_int_equal(muster_respond_text(request, 99, "x"), -EINVAL);
        assert_int_equal(muster_respond_text(request, 600, "x"), -EINVAL);
        muster_respond_text(request, 200, "x");
}

static void peer(struct muster_request *request) {
        muster_respond_text(request, 200, "%s", muster_request_peer(request));
}

static const struct muster_route routes[] = {
        { "GET", "/", plain },
        { "GET", "/show/{id}", show },
        { "POST", "/echo", echo },
        { "GET", "/large", large },
        { "GET", "/later", later },
        { "GET", "/hold", hold },
        { "GET", "/fault", fault },
        { "GET", "/fault-later", fault_later },
        { "GET", "/nothing", nothing },
        { "GET", "/twice", twice },
        { "GET", "/fields", fields },
        { "GET", "/peer", peer },
        { "GET", "/two-timers", two_timers },
        { "GET", "/timer-for-nothing", timer_for_nothing },
        { "GET", "/nothing-new", nothing_new },
        { "GET", "/empty-type", empty_type },
        { "GET", "/wordy", wordy },
        {},
};

static int set_up(void **state) {
        held = NULL;
        n_never = 0;
        return fixture_set_up(state);
}

static void test_a_connection_is_kept_and_used_again(void **state) {
        struct client *client;

        fixture_start(routes);
        client = client_new();
        for (unsigned int i = 0; i < 3; i++) {
                client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
                assert_string_equal(reply.body, "hello world");
                assert_true(reply_has(&reply, "Content-Type: text/plain"));
                assert_true(reply_has(&reply, "Server: muster"));
                assert_non_null(strstr(reply.header, "\r\nDate: "));
                assert_null(strcasestr(reply.header, "Connection: close"));
        }
        assert_int_equal(fixture.muster->slot->accepted, 1);
        assert_int_equal(fixture.muster->slot->requests, 3);
        assert_int_equal(fixture.muster->slot->in_flight, 0);
        assert_int_equal(http_server_connections(fixture.server), 1);
        client_free(client);
        while (http_server_connections(fixture.server) > 0)
                fixture_turn(USEC_PER_SEC);
}

static void test_pipelined_requests_are_answered_in_order(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "GET /show/1 HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n"
                            "POST /echo HTTP/1.1\r\n" HOST
                            "Content-Length: 3\r\n\r\nabcGET /show/2 HTTP/1.1\r\n" HOST "\r\n");
        assert_true(client_receive(client, &reply, false));
        assert_string_equal(reply.body, "GET|/show/1|/show/1|1|-|-");
        assert_true(client_receive(client, &reply, false));
        assert_string_equal(reply.body, "later");
        assert_true(client_receive(client, &reply, false));
        assert_string_equal(reply.body, "abc");
        assert_true(client_receive(client, &reply, false));
        assert_string_equal(reply.body, "GET|/show/2|/show/2|2|-|-");
}

static void test_a_handler_sees_what_was_sent(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /x/../show/a%2Fb?y&x=1+2%26 HTTP/1.1\r\n" HOST "X-TEST: v \t\r\n\r\n", 200,
                   &reply);
        assert_string_equal(reply.body, "GET|/show/a/b|/x/../show/a%2Fb?y&x=1+2%26|a/b|1 2&|v");
        client_ask(client, "GET http://localhost/show/1 HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_string_equal(reply.body, "GET|/show/1|http://localhost/show/1|1|-|-");
}

static void test_a_request_may_come_byte_by_byte(void **state) {
        _cleanup_client_ struct client *client = NULL;
        static const char text[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello";

        fixture_start(routes);
        client = client_new();
        for (const char *p = text; *p; p++) {
                client_send_bytes(client, p, 1);
                fixture_turn(0);
        }
        assert_true(client_receive(client, &reply, false));
        assert_string_equal(reply.body, "hello");
}

static void test_http_1_0_ends_the_connection_unless_asked(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, &reply);
        assert_true(reply_has(&reply, "Connection: Keep-Alive"));
        client_ask(client, "GET / HTTP/1.0\r\n\r\n", 200, &reply);
        assert_true(client_sees_end(client));
        assert_false(client->reset);
}

static void test_no_route_and_no_method_are_answered(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /none HTTP/1.1\r\n" HOST "\r\n", 404, &reply);
        assert_string_equal(reply.body, "404 Not Found\n");
        client_ask(client, "DELETE /echo HTTP/1.1\r\n" HOST "\r\n", 405, &reply);
        assert_true(reply_has(&reply, "Allow: POST, OPTIONS"));
        client_ask(client, "OPTIONS / HTTP/1.1\r\n" HOST "\r\n", 204, &reply);
        assert_true(reply_has(&reply, "Allow: GET, HEAD, OPTIONS"));
        client_ask(client, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, &reply);
        client_ask(client, "POST /none HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 404, &reply);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_head_is_answered_like_get_without_the_body(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_true(reply_has(&reply, "Content-Length: 11"));
        client_ask(client, "HEAD /none HTTP/1.1\r\n" HOST "\r\n", 404, &reply);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_string_equal(reply.body, "hello world");
}

static void test_a_large_answer_is_sent_whole(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /large HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_int_equal(reply.size, 60000);
        assert_int_equal(strspn(reply.body, "0"), 60000);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_a_suspended_request_holds_nobody_up(void **state) {
        _cleanup_client_ struct client *slow = NULL, *fast = NULL;

        fixture_start(routes);
        slow = client_new();
        fast = client_new();
        client_send(slow, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        while (!held)
                fixture_turn(USEC_PER_SEC);
        assert_int_equal(http_server_in_flight(fixture.server), 1);
        assert_non_null(muster_request_connection(held));
        client_ask(fast, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_int_equal(muster_respond_text(held, 202, "%s", muster_request_header(held, "HOST")), 0);
        assert_int_equal(http_server_next(fixture.server), 0);
        assert_true(client_receive(slow, &reply, false));
        assert_int_equal(reply.status, 202);
        assert_string_equal(reply.body, "localhost");
        client_ask(slow, "GET /later HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        client_ask(slow, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_int_equal(http_server_in_flight(fixture.server), 0);
}

static void test_a_client_that_leaves_does_not_take_the_request_away(void **state) {
        struct client *client;

        fixture_start(routes);
        client = client_new();
        client_send(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        while (!held)
                fixture_turn(USEC_PER_SEC);
        client_free(client);
        fixture_run(USEC_PER_MSEC);
        assert_string_equal(muster_request_header(held, "host"), "localhost");
        assert_int_equal(muster_respond_text(held, 200, "too late"), 0);
        while (http_server_connections(fixture.server) > 0)
                fixture_turn(USEC_PER_SEC);
}

static void test_a_fault_is_that_requests_500_and_nobody_elses(void **state) {
        static const char *const faults[] = { "GET /fault HTTP/1.1\r\n" HOST "\r\n",
                                              "GET /fault-later HTTP/1.1\r\n" HOST "\r\n" };

        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
                _cleanup_client_ struct client *client = client_new(), *other = client_new();

                client_ask(other, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
                client_ask(client, faults[i], 500, &reply);
                assert_true(reply_has(&reply, "Connection: close"));
                assert_true(client_sees_end(client));
                client_ask(other, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
                assert_string_equal(fixture.muster->slot->route, "");
        }
        assert_int_equal(fixture.muster->slot->errors, 2);
        assert_string_equal(fixture.muster->slot->crash.route, "GET /fault-later");
        assert_string_equal(fixture.muster->slot->crash.target, "/fault-later");
}

static void test_a_handler_without_an_answer_is_500(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 500, &reply);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_the_first_answer_counts(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /twice HTTP/1.1\r\n" HOST "\r\n", 201, &reply);
        assert_string_equal(reply.body, "first");
        assert_int_equal(last_error, -EALREADY);
}

static void test_fields_of_the_answer_are_checked(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /fields HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_true(reply_has(&reply, "X-A: 1"));
        assert_true(reply_has(&reply, "X-B: two\twords"));
        assert_true(reply_has(&reply, "Content-Type: text/x-own"));
        assert_null(strstr(reply.header, "text/plain"));
}

static void test_an_empty_type_is_the_usual_one_and_a_long_one_counts(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /empty-type HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_true(reply_has(&reply, "Content-Type: application/octet-stream"));
        client_ask(client, "GET /wordy HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_an_answer_without_content_describes_none(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        for (unsigned int i = 0; i < 2; i++) {
                client_ask(client, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, &reply);
                assert_null(strstr(reply.header, "Content-"));
        }
        client_ask(client, "GET /nothing-new HTTP/1.1\r\n" HOST "\r\n", 304, &reply);
        assert_null(strstr(reply.header, "Content-"));
        assert_null(strstr(reply.header, "Transfer-Encoding"));
        assert_true(client_sees_end(client));
        assert_int_equal(client->n, 0);
}

static void test_an_answer_ends_the_timers_of_its_request(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /two-timers HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_string_equal(reply.body, "later");
        client_ask(client, "GET /timer-for-nothing HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        fixture_run(40 * USEC_PER_MSEC);
        assert_int_equal(n_never, 0);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_the_peer_is_told(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /peer HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_memory_equal(reply.body, "127.0.0.1:", 10);
}

static void test_unix_sockets_are_served_too(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start_unix(routes);
        client = client_new();
        client_ask(client, "GET /peer HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_string_equal(reply.body, "unix");
        client_ask(client, "GET /large HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_connections_past_the_limit_wait(void **state) {
        _cleanup_client_ struct client *third = NULL;
        struct client *first, *second;

        fixture.config->http.max_connections = 2;
        fixture_start(routes);
        first = client_new();
        second = client_new();
        third = client_new();
        client_ask(first, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        client_ask(second, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        client_send(third, "GET / HTTP/1.1\r\n" HOST "\r\n");
        fixture_run(20 * USEC_PER_MSEC);
        assert_int_equal(http_server_connections(fixture.server), 2);
        client_ask(first, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        client_free(first);
        assert_true(client_receive(third, &reply, false));
        assert_int_equal(reply.status, 200);
        client_free(second);
}

static void test_a_listener_that_is_of_no_use_does_not_spin(void **state) {
        unsigned int turns = 0;
        usec_t end;

        fixture_start(routes);
        assert_int_equal(shutdown(fixture.listener_fd, SHUT_RDWR), 0);
        for (end = now_monotonic() + 300 * USEC_PER_MSEC; now_monotonic() < end; turns++)
                fixture_turn(300 * USEC_PER_MSEC);
        assert_in_range(turns, 1, 30);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_connection_is_kept_and_used_again),
                TEST(test_pipelined_requests_are_answered_in_order),
                TEST(test_a_handler_sees_what_was_sent),
                TEST(test_a_request_may_come_byte_by_byte),
                TEST(test_http_1_0_ends_the_connection_unless_asked),
                TEST(test_no_route_and_no_method_are_answered),
                TEST(test_head_is_answered_like_get_without_the_body),
                TEST(test_a_large_answer_is_sent_whole),
                TEST(test_a_suspended_request_holds_nobody_up),
                TEST(test_a_client_that_leaves_does_not_take_the_request_away),
                TEST(test_a_fault_is_that_requests_500_and_nobody_elses),
                TEST(test_a_handler_without_an_answer_is_500),
                TEST(test_the_first_answer_counts),
                TEST(test_fields_of_the_answer_are_checked),
                TEST(test_an_empty_type_is_the_usual_one_and_a_long_one_counts),
                TEST(test_an_answer_without_content_describes_none),
                TEST(test_an_answer_ends_the_timers_of_its_request),
                TEST(test_the_peer_is_told),
                TEST(test_unix_sockets_are_served_too),
                TEST(test_connections_past_the_limit_wait),
                TEST(test_a_listener_that_is_of_no_use_does_not_spin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
