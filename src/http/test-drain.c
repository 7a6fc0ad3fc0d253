/* SPDX-License-Identifier: MIT */

#include <sys/epoll.h>
#include <sys/socket.h>

#include "http/fixture.h"
#include "util/fd.h"

#define HOST "Host: localhost\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST "\r\n"
#define MSEC USEC_PER_MSEC

static struct reply reply;
static struct muster_request *held;

static void plain(struct muster_request *request) {
        static const char text[] = "plain";

        muster_respond_static(request, 200, "text/plain", text, sizeof(text) - 1);
}

static void hold(struct muster_request *request) {
        held = request;
        assert_int_equal(muster_request_suspend(request), 0);
}

/* As a fault does it: from within a handler. */
static void drain(struct muster_request *request) {
        http_server_drain(fixture.server, now_monotonic() + 10 * USEC_PER_SEC);
        muster_respond_text(request, 200, "draining");
}

static const struct muster_route routes[] = {
        { "GET", "/", plain },
        { "POST", "/", plain },
        { "GET", "/hold", hold },
        { "GET", "/drain", drain },
        {},
};

static int set_up(void **state) {
        held = NULL;
        return fixture_set_up(state);
}

static void begin_drain(usec_t span) {
        http_server_drain(fixture.server, now_monotonic() + span);
}

static void wait_until_drained(void) {
        usec_t end = now_monotonic() + 5 * USEC_PER_SEC;

        while (http_server_connections(fixture.server) > 0 && now_monotonic() < end)
                fixture_turn(USEC_PER_SEC);
        assert_int_equal(http_server_connections(fixture.server), 0);
}

static void hold_one(struct client *client) {
        held = NULL;
        client_send(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        while (!held)
                fixture_turn(USEC_PER_SEC);
}

static void test_a_draining_server_takes_no_connection(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        begin_drain(10 * USEC_PER_SEC);
        client = client_new(); /* the other workers' queue: the socket itself is still open */
        client_send(client, GET);
        fixture_run(20 * MSEC);
        assert_int_equal(http_server_connections(fixture.server), 0);
        assert_int_equal(fixture.muster->slot->accepted, 0);
}

static void test_an_idle_connection_gets_one_more_answer_that_says_close(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET, 200, &reply);
        assert_null(strcasestr(reply.header, "Connection: close"));
        begin_drain(10 * USEC_PER_SEC);
        fixture_run(20 * MSEC);
        assert_int_equal(http_server_connections(fixture.server), 1);
        client_ask(client, GET, 200, &reply);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_sees_end(client));
        assert_false(client->reset);
        wait_until_drained();
}

static void test_what_is_in_flight_is_answered_with_close(void **state) {
        _cleanup_client_ struct client *waiting = NULL, *sending = NULL;

        fixture_start(routes);
        waiting = client_new();
        sending = client_new();
        hold_one(waiting);
        client_send(sending, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na");
        fixture_turn(USEC_PER_MSEC);
        begin_drain(10 * USEC_PER_SEC);
        fixture_turn(0);
        client_ask(sending, "bc", 200, &reply);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_int_equal(muster_respond_text(held, 200, "held"), 0);
        assert_true(client_receive(waiting, &reply, false));
        assert_string_equal(reply.body, "held");
        assert_true(reply_has(&reply, "Connection: close"));
        wait_until_drained();
}

static void test_at_the_deadline_the_silent_are_closed_and_the_waiting_told_503(void **state) {
        _cleanup_client_ struct client *idle = NULL, *fresh = NULL, *waiting = NULL, *sending = NULL;

        fixture_start(routes);
        idle = client_new();
        client_ask(idle, GET, 200, &reply);
        waiting = client_new();
        hold_one(waiting);
        sending = client_new();
        client_send(sending, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na");
        fresh = client_new();
        while (http_server_connections(fixture.server) < 4)
                fixture_turn(USEC_PER_SEC);
        begin_drain(50 * MSEC);
        assert_true(client_receive(waiting, &reply, false));
        assert_int_equal(reply.status, 503);
        assert_true(reply_has(&reply, "Connection: close"));
        assert_true(client_receive(sending, &reply, false));
        assert_int_equal(reply.status, 503);
        assert_true(client_sees_end(idle));
        assert_int_equal(idle->n, 0);
        assert_true(client_sees_end(fresh));
        wait_until_drained();
        assert_int_equal(muster_respond_text(held, 200, "too late"), 0);
        fixture_turn(0);
}

static void test_all_that_wait_are_told_503_at_the_deadline(void **state) {
        struct client *clients[3];

        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                clients[i] = client_new();
                hold_one(clients[i]);
        }
        begin_drain(20 * MSEC);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                assert_true(client_receive(clients[i], &reply, false));
                assert_int_equal(reply.status, 503);
                client_free(clients[i]);
        }
        wait_until_drained();
}

static void test_who_lingers_ends_with_the_drain(void **state) {
        static char much[1024 * 1024];
        _cleanup_client_ struct client *client = NULL;
        usec_t begin;

        fixture.config->http.max_body = 10;
        fixture_start(routes);
        client = client_new();
        client_send(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10000000\r\n\r\n");
        client_send_bytes(client, much, sizeof(much));
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 413);
        assert_int_equal(http_server_connections(fixture.server), 1);
        begin = now_monotonic();
        begin_drain(0);
        wait_until_drained();
        assert_in_range(now_monotonic() - begin, 0, 1500 * MSEC);
}

static void test_a_request_that_has_just_come_is_served_at_the_deadline(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET, 200, &reply);
        begin_drain(0);
        client_ask(client, GET, 200, &reply);
        assert_true(reply_has(&reply, "Connection: close"));
        wait_until_drained();
}

static void test_draining_again_only_moves_the_deadline_forward(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t begin;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET, 200, &reply);
        begin = now_monotonic();
        begin_drain(50 * MSEC);
        begin_drain(10 * USEC_PER_SEC);
        wait_until_drained();
        assert_in_range(now_monotonic() - begin, 50 * MSEC, 900 * MSEC);
}

static void test_a_drain_may_begin_within_a_handler(void **state) {
        _cleanup_client_ struct client *client = NULL, *idle = NULL;

        fixture_start(routes);
        idle = client_new();
        client_ask(idle, GET, 200, &reply);
        client = client_new();
        client_ask(client, "GET /drain HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_string_equal(reply.body, "draining");
        assert_true(reply_has(&reply, "Connection: close"));
        client_ask(idle, GET, 200, &reply);
        assert_true(reply_has(&reply, "Connection: close"));
        wait_until_drained();
}

static void test_a_late_event_for_a_closed_listener_is_harmless(void **state) {
        _cleanup_client_ struct client *client = NULL;
        struct http_listener *listener = NULL;
        struct epoll_event event;

        fixture_start(routes);
        client = client_new();
        assert_true(client->fd >= 0);
        assert_int_equal(epoll_wait(fixture.epoll_fd, &event, 1, 5000), 1);
        listener = event.data.ptr;
        begin_drain(USEC_PER_SEC);
        http_server_accept(fixture.server, listener);
        assert_int_equal(http_server_connections(fixture.server), 0);
}

/* The master and the other workers rely on it: closing a worker's server must leave the shared socket alone. */
static void test_the_socket_goes_on_listening_for_the_others(void **state) {
        _cleanup_client_ struct client *client = NULL, *next = NULL;
        _cleanup_fd_ int accepted = -1;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET, 200, &reply);
        http_server_free(TAKE_PTR(fixture.server));
        next = client_new();
        assert_true(next->fd >= 0);
        accepted = accept4(fixture.listener_fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(accepted >= 0);
}

static void test_no_handler_is_called_once_the_server_is_freed(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_ask(client, GET, 200, &reply);
        client_send(client,
                    "GET /hold HTTP/1.1\r\n" HOST "\r\n"); /* it would suspend, and nobody would resume */
        http_server_free(TAKE_PTR(fixture.server));
        assert_null(held);
}

static void test_a_request_told_503_may_still_be_answered(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        hold_one(client);
        begin_drain(0);
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 503);
        assert_null(muster_request_connection(held));
        assert_int_equal(muster_response_header(held, "X", "y"), 0);
        assert_int_equal(muster_respond_status(held, 200), 0);
        fixture_turn(0);
        wait_until_drained();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_draining_server_takes_no_connection),
                TEST(test_an_idle_connection_gets_one_more_answer_that_says_close),
                TEST(test_what_is_in_flight_is_answered_with_close),
                TEST(test_at_the_deadline_the_silent_are_closed_and_the_waiting_told_503),
                TEST(test_all_that_wait_are_told_503_at_the_deadline),
                TEST(test_who_lingers_ends_with_the_drain),
                TEST(test_a_request_that_has_just_come_is_served_at_the_deadline),
                TEST(test_draining_again_only_moves_the_deadline_forward),
                TEST(test_a_drain_may_begin_within_a_handler),
                TEST(test_a_late_event_for_a_closed_listener_is_harmless),
                TEST(test_the_socket_goes_on_listening_for_the_others),
                TEST(test_no_handler_is_called_once_the_server_is_freed),
                TEST(test_a_request_told_503_may_still_be_answered),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
