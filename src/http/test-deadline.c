/* SPDX-License-Identifier: MIT */

#include <stdio.h>
#include <unistd.h>

#include "http/fixture.h"

#define HOST      "Host: localhost\r\n"
#define MSEC      USEC_PER_MSEC
#define HUGE_SIZE (UINT64_C(64) << 20)

static struct reply reply;
static struct muster_request *held;
static char *huge;

static void plain(struct muster_request *request) {
        muster_respond_text(request, 200, "plain");
}

static void hold(struct muster_request *request) {
        held = request;
        assert_int_equal(muster_request_suspend(request), 0);
}

/* Computes for a while. */
static void busy(struct muster_request *request) {
        usec_t end = now_monotonic() + 150 * MSEC;

        while (now_monotonic() < end)
                ;
        muster_respond_text(request, 200, "busy");
}

static void send_huge(struct muster_request *request) {
        muster_respond_static(request, 200, NULL, huge, HUGE_SIZE);
}

static const struct muster_route routes[] = {
        { "GET", "/", plain },    { "POST", "/", plain },        { "GET", "/hold", hold },
        { "GET", "/busy", busy }, { "GET", "/huge", send_huge }, {},
};

static int set_up(void **state) {
        held = NULL;
        return fixture_set_up(state);
}

static void test_a_header_that_does_not_end_is_408(void **state) {
        static const char *const begun[] = { "GET", "GET / HTTP/1.1\r\nHost: lo" };

        fixture.config->http.header_timeout = 50 * MSEC;
        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(begun); i++) {
                _cleanup_client_ struct client *client = client_new();

                client_ask(client, begun[i], 408, &reply);
                assert_true(reply_has(&reply, "Connection: close"));
                assert_true(reply_has(&reply, "Server: muster"));
                assert_true(client_sees_end(client));
                assert_false(client->reset);
        }
}

static void test_bytes_now_and_then_do_not_help(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t begin = now_monotonic();

        fixture.config->http.header_timeout = 60 * MSEC;
        fixture_start(routes);
        client = client_new();
        for (int i = 0; i < 200 && now_monotonic() < begin + 300 * MSEC; i++) {
                client_send(client, i == 0 ? "GET / HTTP/1.1\r\nX: " : "x");
                fixture_run(10 * MSEC);
        }
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 408);
        assert_true(client_sees_end(client));
}

static void test_a_client_that_says_nothing_is_just_closed(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.header_timeout = 30 * MSEC;
        fixture_start(routes);
        client = client_new();
        assert_false(client_receive(client, &reply, false));
        assert_true(client->ended);
        assert_int_equal(client->n, 0);
        while (http_server_connections(fixture.server) > 0)
                fixture_turn(USEC_PER_SEC);
}

static void test_an_idle_connection_is_closed_in_silence(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t begin;

        fixture.config->http.idle_timeout = 100 * MSEC;
        fixture.config->http.header_timeout = 20 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        begin = now_monotonic();
        assert_true(client_sees_end(client));
        assert_int_equal(client->n, 0);
        assert_false(client->reset);
        assert_true(now_monotonic() - begin >= 90 * MSEC);
}

static void test_a_request_begun_on_a_kept_connection_has_the_time_of_a_header(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t begin;

        fixture.config->http.idle_timeout = 150 * MSEC;
        fixture.config->http.header_timeout = 600 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        fixture_run(60 * MSEC);
        client_send(client, "GE");
        fixture_run(150 * MSEC); /* past the idle time, but not past that of the header */
        client_ask(client, "T / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);

        fixture_run(60 * MSEC);
        begin = now_monotonic();
        client_ask(client, "GE", 408, &reply);
        assert_true(now_monotonic() - begin >= 500 * MSEC);
        assert_true(client_sees_end(client));
}

static void test_a_slow_body_is_408(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.header_timeout = 100 * MSEC;
        fixture.config->http.min_body_rate = 1000;
        fixture_start(routes);
        client = client_new();
        client_send(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
        for (int i = 0; i < 30; i++) {
                client_send(client, "x");
                fixture_run(10 * MSEC);
        }
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 408);
        assert_true(client_sees_end(client));
        assert_false(client->reset);
}

static void test_a_client_may_go_on_sending_and_read_its_408_later(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.header_timeout = 50 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_send(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
        fixture.config->http.min_body_rate = 1000000;
        for (unsigned int i = 0; i < 20; i++) {
                assert_int_equal(send(client->fd, "x", 1, MSG_NOSIGNAL), 1); /* a reset would end this */
                fixture_run(10 * MSEC);
        }
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 408);
}

static void test_a_request_that_ends_after_its_408_is_not_served(void **state) {
        static const char *const begun[] = { "GET", "GET / HTTP/1.1\r\nHost: lo",
                                             "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na" };
        static const char *const rest[] = { " / HTTP/1.1\r\n" HOST "\r\n", "calhost\r\n\r\n", "bc" };

        fixture.config->http.header_timeout = 50 * MSEC;
        fixture.config->http.request_timeout = 50 * MSEC;
        fixture_start(routes);
        for (size_t i = 0; i < ELEMENTSOF(begun); i++) {
                _cleanup_client_ struct client *client = client_new();

                client_ask(client, begun[i], 408, &reply);
                client_send(client, rest[i]);
                client_send(client, "GET / HTTP/1.1\r\n" HOST "\r\n");
                assert_true(client_sees_end(client));
                assert_int_equal(client->n, 0);
        }
        assert_int_equal(fixture.muster->slot->requests, 3);
}

static void test_a_body_that_keeps_up_is_waited_for(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.header_timeout = 50 * MSEC;
        fixture.config->http.min_body_rate = 100;
        fixture_start(routes);
        client = client_new();
        client_send(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 300\r\n\r\n");
        for (int i = 0; i < 30; i++) {
                client_send(client, "xxxxxxxxxx");
                fixture_run(10 * MSEC);
        }
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 200);
}

static void test_no_body_outlives_the_request_timeout(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.request_timeout = 100 * MSEC;
        fixture.config->http.min_body_rate = 0;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 300\r\n\r\nx", 408, &reply);
        assert_true(client_sees_end(client));
}

static void test_an_application_that_is_late_is_503_and_its_answer_is_dropped(void **state) {
        _cleanup_client_ struct client *client = NULL;
        struct muster_request *late;

        fixture.config->http.request_timeout = 50 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /hold HTTP/1.1\r\n" HOST "X: y\r\n\r\n", 503, &reply);
        assert_true(client_sees_end(client));
        while (http_server_connections(fixture.server) > 0)
                fixture_turn(USEC_PER_SEC);
        assert_int_equal(http_server_in_flight(fixture.server), 0);

        late = held;
        assert_null(muster_request_connection(late));
        assert_string_equal(muster_request_method(late), "GET");
        assert_string_equal(muster_request_header(late, "x"), "y");
        assert_memory_equal(muster_request_peer(late), "127.0.0.1:", 10);
        assert_int_equal(muster_respond_text(late, 200, "late"), 0);
        fixture_turn(0);
        client_free(client);
        client = client_new();
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_string_equal(reply.body, "plain");
}

/* The library forgets that it was told to resume when it is asked how long to sleep. */
static void test_the_503_does_not_wait_for_something_else_to_happen(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t begin = now_monotonic();

        fixture.config->http.request_timeout = 50 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_send(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        while (fixture.muster->slot->requests == 0 && now_monotonic() < begin + 5 * USEC_PER_SEC)
                fixture_turn(5 * USEC_PER_SEC);
        assert_in_range(now_monotonic() - begin, 50 * MSEC, 700 * MSEC);
}

static void test_the_idle_time_begins_behind_the_handler(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t answered;

        fixture.config->http.idle_timeout = 200 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /busy HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        answered = now_monotonic();
        assert_true(client_sees_end(client));
        assert_true(now_monotonic() - answered >= 190 * MSEC);
}

static void test_a_request_that_is_never_answered_is_given_back_at_the_end(void **state) {
        _cleanup_client_ struct client *client = NULL, *other = NULL;

        fixture.config->http.request_timeout = 30 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n", 503, &reply);
        /* This one still waits when the server is freed, with the library's panic behind it if it were forgotten. */
        fixture.config->http.request_timeout = USEC_NEVER;
        other = client_new();
        client_send(other, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        held = NULL;
        while (!held)
                fixture_turn(USEC_PER_SEC);
}

static void test_a_client_that_does_not_read_its_answer_is_cut(void **state) {
        _cleanup_client_ struct client *client = NULL;
        usec_t begin = now_monotonic();

        huge = calloc(1, HUGE_SIZE);
        assert_non_null(huge);
        fixture.config->http.header_timeout = 50 * MSEC;
        fixture.config->http.min_body_rate = 1000;
        fixture_start(routes);
        client = client_new();
        client_send(client, "GET /huge HTTP/1.1\r\n" HOST "\r\n");
        fixture_turn(USEC_PER_SEC);
        do
                fixture_turn(USEC_PER_SEC);
        while (http_server_connections(fixture.server) > 0 && now_monotonic() < begin + 5 * USEC_PER_SEC);
        assert_int_equal(http_server_connections(fixture.server), 0);
        free(huge);
}

static bool has_answer(const struct client *client) {
        char c;

        return recv(client->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void test_a_trickled_request_line_does_not_hold_a_kept_connection(void **state) {
        _cleanup_client_ struct client *client = NULL;
        static const char line[] = "GET /a-very-long-path-that-takes-its-time-to-come-byte-by-byte-for-ever";
        usec_t took;

        fixture.config->http.idle_timeout = 100 * MSEC;
        fixture.config->http.header_timeout = 50 * MSEC;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        took = now_monotonic();
        for (const char *p = line; *p && !has_answer(client); p++) {
                client_send_bytes(client, p, 1);
                fixture_run(10 * MSEC);
        }
        took = now_monotonic() - took;
        assert_true(client_receive(client, &reply, false));
        assert_int_equal(reply.status, 408);
        assert_in_range(took, 100 * MSEC, 600 * MSEC);
}

/* Whether the end is seen with the request or behind it is chance, hence several. */
static void test_a_client_that_closes_behind_its_last_request_is_let_go(void **state) {
        usec_t began;

        fixture_start(routes);
        for (unsigned int asked = 0; asked < 3; asked++) {
                _cleanup_client_ struct client *client = client_new();

                for (unsigned int i = 0; i < asked; i++)
                        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
                client_send(client, "GET / HTTP/1.1\r\n" HOST "\r\n");
                assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
                assert_true(client_receive(client, &reply, false));
                assert_int_equal(reply.status, 200);
                began = now_monotonic();
                assert_true(client_sees_end(client));
                assert_false(client->reset);
                assert_true(now_monotonic() - began < USEC_PER_SEC);
        }
}

static void test_a_newcomer_takes_the_place_of_the_longest_idle(void **state) {
        _cleanup_client_ struct client *old = NULL, *recent = NULL, *newcomer = NULL;
        usec_t begin = now_monotonic();

        fixture.config->http.max_connections = 2;
        fixture_start(routes);
        old = client_new();
        client_ask(old, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        fixture_run(100 * USEC_PER_MSEC);
        recent = client_new();
        client_ask(recent, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        newcomer = client_new();
        client_ask(newcomer, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_in_range(now_monotonic() - begin, USEC_PER_SEC, 3 * USEC_PER_SEC);
        assert_true(client_sees_end(old));
        client_ask(recent, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_nobody_is_given_up_while_nobody_waits(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture.config->http.max_connections = 1;
        fixture_start(routes);
        client = client_new();
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        fixture_run(1300 * USEC_PER_MSEC);
        client_ask(client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_a_client_that_has_gone_holds_no_place_at_the_limit(void **state) {
        struct client *gone;
        _cleanup_client_ struct client *newcomer = NULL;

        fixture.config->http.max_connections = 1;
        fixture_start(routes);
        gone = client_new();
        client_send(gone, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        while (!held)
                fixture_turn(USEC_PER_SEC);
        client_free(gone);
        newcomer = client_new();
        client_ask(newcomer, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
        assert_null(muster_request_connection(held));
        assert_string_equal(muster_request_header(held, "host"), "localhost");
        assert_int_equal(http_server_in_flight(fixture.server), 0);
        assert_int_equal(muster_respond_text(held, 200, "too late"), 0);
        fixture_turn(0);
        client_ask(newcomer, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &reply);
}

static void test_a_client_that_has_only_stopped_sending_is_answered(void **state) {
        _cleanup_client_ struct client *client = NULL;

        fixture_start(routes);
        client = client_new();
        client_send(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
        while (!held)
                fixture_turn(USEC_PER_SEC);
        fixture_run(20 * USEC_PER_MSEC);
        assert_int_equal(muster_respond_text(held, 200, "still there"), 0);
        assert_true(client_receive(client, &reply, false));
        assert_string_equal(reply.body, "still there");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_header_that_does_not_end_is_408),
                TEST(test_bytes_now_and_then_do_not_help),
                TEST(test_a_client_that_says_nothing_is_just_closed),
                TEST(test_an_idle_connection_is_closed_in_silence),
                TEST(test_a_request_begun_on_a_kept_connection_has_the_time_of_a_header),
                TEST(test_a_slow_body_is_408),
                TEST(test_a_body_that_keeps_up_is_waited_for),
                TEST(test_no_body_outlives_the_request_timeout),
                TEST(test_an_application_that_is_late_is_503_and_its_answer_is_dropped),
                TEST(test_a_client_may_go_on_sending_and_read_its_408_later),
                TEST(test_a_request_that_ends_after_its_408_is_not_served),
                TEST(test_the_503_does_not_wait_for_something_else_to_happen),
                TEST(test_the_idle_time_begins_behind_the_handler),
                TEST(test_a_request_that_is_never_answered_is_given_back_at_the_end),
                TEST(test_a_client_that_does_not_read_its_answer_is_cut),
                TEST(test_a_trickled_request_line_does_not_hold_a_kept_connection),
                TEST(test_a_client_that_closes_behind_its_last_request_is_let_go),
                TEST(test_a_newcomer_takes_the_place_of_the_longest_idle),
                TEST(test_nobody_is_given_up_while_nobody_waits),
                TEST(test_a_client_that_has_gone_holds_no_place_at_the_limit),
                TEST(test_a_client_that_has_only_stopped_sending_is_answered),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
