/* SPDX-License-Identifier: MIT */

/* What is in quarantine is answered without the application, in the ordinary way; all else is served. */

#include <signal.h>
#include <stdio.h>

#include "http/fixture.h"

#define HOST      "Host: localhost\r\n"
#define END       HOST "\r\n"
#define BODY_SIZE 1000

static struct reply reply;
static unsigned int calls;

static void plain(struct muster_request *request) {
        calls++;
        muster_respond_text(request, 200, "plain");
}

static void fault(struct muster_request *request) {
        (void) raise(SIGSEGV);
}

static const struct muster_route routes[] = {
        { "GET", "/items/{id}", plain },
        { "POST", "/items/{id}", plain },
        { "*", "/any/{id}", plain },
        { "HEAD", "/own", plain },
        { "GET", "/own", plain },
        { "GET", "/fault/{id}", fault },
        {},
};

static void close_request(const char *method, const char *segments, size_t size, usec_t until) {
        const struct quarantine_request request = { .method = method, .segments = segments, .size = size };

        quarantine_mark(&fixture.quarantine, 0, quarantine_request_id(&fixture.quarantine, &request), until);
}

#define CLOSE(method, segments, until) close_request(method, segments, sizeof(segments) - 1, until)

static struct client *begin(void) {
        fixture_start(routes);
        calls = 0;
        return client_new();
}

static usec_t in_90_s(void) {
        return now_monotonic() + 90 * USEC_PER_SEC - USEC_PER_SEC / 2;
}

static void test_a_request_is_refused_and_the_connection_stays(void **state) {
        _cleanup_client_ struct client *client = begin();

        CLOSE("GET", "\0items\0a b", in_90_s());
        client_ask(client, "GET /items/a%20b HTTP/1.1\r\n" END, 503, &reply);
        assert_true(reply_has(&reply, "Retry-After: 90"));
        assert_false(reply_has(&reply, "Connection: close"));
        assert_true(reply.size > 0);
        assert_int_equal(calls, 0);
        client_ask(client, "GET /items/c HTTP/1.1\r\n" END, 200, &reply);
        assert_false(strstr(reply.header, "Retry-After"));
        assert_int_equal(fixture.muster->slot->quarantined, 1);
        assert_int_equal(fixture.muster->slot->requests, 2);
}

static void test_it_is_the_path_that_counts_however_it_is_written(void **state) {
        static const char *const same[] = {
                "GET /items/7 HTTP/1.1\r\n" END,
                "GET /items/7?x=1 HTTP/1.1\r\n" END,
                "GET /items/%37 HTTP/1.1\r\n" END,
                "GET /x/../items/./7 HTTP/1.1\r\n" END,
                "GET http://localhost/items/7 HTTP/1.1\r\n" END,
        };
        static const char *const others[] = {
                "GET /items/8 HTTP/1.1\r\n" END,
                "GET /items/7%2F HTTP/1.1\r\n" END,
                "POST /items/7 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        };
        _cleanup_client_ struct client *client = begin();

        CLOSE("GET",
              "\0items\0"
              "7",
              in_90_s());
        for (size_t i = 0; i < ELEMENTSOF(same); i++)
                client_ask(client, same[i], 503, NULL);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                client_ask(client, others[i], 200, NULL);
        assert_int_equal(calls, ELEMENTSOF(others));
}

static void test_head_is_refused_with_get_unless_it_has_a_route_of_its_own(void **state) {
        _cleanup_client_ struct client *client = begin();

        CLOSE("GET",
              "\0items\0"
              "7",
              in_90_s());
        client_ask(client, "HEAD /items/7 HTTP/1.1\r\n" END, 503, &reply);
        assert_true(reply_has(&reply, "Retry-After: 90"));
        CLOSE("GET",
              "\0any\0"
              "7",
              in_90_s());
        client_ask(client, "HEAD /any/7 HTTP/1.1\r\n" END, 503, NULL);
        client_ask(client, "PUT /any/7 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, NULL);
        CLOSE("GET", "\0own", in_90_s());
        client_ask(client, "GET /own HTTP/1.1\r\n" END, 503, NULL);
        client_ask(client, "HEAD /own HTTP/1.1\r\n" END, 200, NULL);
        assert_int_equal(calls, 2);
}

static void test_a_route_is_refused_for_all_paths(void **state) {
        _cleanup_client_ struct client *client = begin();

        quarantine_mark(&fixture.quarantine, 3,
                        quarantine_route_id(&fixture.quarantine, "GET", "/items/{id}"), in_90_s());
        client_ask(client, "GET /items/1 HTTP/1.1\r\n" END, 503, NULL);
        client_ask(client, "HEAD /items/2 HTTP/1.1\r\n" END, 503, NULL);
        client_ask(client, "POST /items/1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, NULL);
        client_ask(client, "GET /any/1 HTTP/1.1\r\n" END, 200, NULL);
}

static void test_a_body_is_dropped_and_the_connection_stays(void **state) {
        _cleanup_client_ struct client *client = begin();
        char request[2 * BODY_SIZE];

        CLOSE("POST",
              "\0items\0"
              "7",
              in_90_s());
        (void) snprintf(request, sizeof(request),
                        "POST /items/7 HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%0*d", BODY_SIZE,
                        BODY_SIZE, 0);
        client_ask(client, request, 503, NULL);
        client_ask(client, "GET /items/7 HTTP/1.1\r\n" END, 200, NULL);
}

static void test_who_waits_for_leave_to_send_is_told_before(void **state) {
        _cleanup_client_ struct client *client = begin();

        CLOSE("POST",
              "\0items\0"
              "7",
              in_90_s());
        client_ask(client,
                   "POST /items/7 HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
                   503, &reply);
        assert_true(reply_has(&reply, "Retry-After: 90"));
        assert_true(client_sees_end(client));
        assert_int_equal(calls, 0);
}

static void test_it_ends_by_its_time(void **state) {
        _cleanup_client_ struct client *client = begin();

        CLOSE("GET",
              "\0items\0"
              "7",
              now_monotonic() + USEC_PER_SEC / 4);
        client_ask(client, "GET /items/7 HTTP/1.1\r\n" END, 503, &reply);
        assert_true(reply_has(&reply, "Retry-After: 1"));
        fixture_run(USEC_PER_SEC / 4);
        client_ask(client, "GET /items/7 HTTP/1.1\r\n" END, 200, NULL);
}

static void test_what_has_no_route_is_not_found_as_before(void **state) {
        _cleanup_client_ struct client *client = begin();

        CLOSE("GET", "\0nothing", in_90_s());
        client_ask(client, "GET /nothing HTTP/1.1\r\n" END, 404, NULL);
        client_ask(client, "DELETE /items/7 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 405, NULL);
        assert_int_equal(fixture.muster->slot->quarantined, 0);
}

static void test_a_crash_leaves_the_ids_that_would_refuse_it(void **state) {
        _cleanup_client_ struct client *client = begin();
        const struct crash_record *crash = &fixture.muster->slot->crash;

        client_ask(client, "GET /fault/a%2fb?x HTTP/1.1\r\n" END, 500, NULL);
        assert_string_equal(crash->request, "GET /fault/a%2Fb");
        quarantine_mark(&fixture.quarantine, 0, crash->request_id, in_90_s());
        client_free(client);
        client = client_new();
        client_ask(client, "GET /fault/a%2Fb HTTP/1.1\r\n" END, 503, NULL);
        quarantine_mark(&fixture.quarantine, 0, crash->route_id, in_90_s());
        client_ask(client, "GET /fault/other HTTP/1.1\r\n" END, 503, NULL);
}

static void fault_later(struct muster *muster, void *data) {
        (void) raise(SIGSEGV);
}

static void test_a_crash_without_a_request_leaves_no_ids(void **state) {
        _cleanup_client_ struct client *client = begin();
        struct crash_record *crash = &fixture.muster->slot->crash;

        client_ask(client, "GET /fault/1 HTTP/1.1\r\n" END, 500, NULL);
        assert_true(crash->request_id != 0 && crash->route_id != 0);
        assert_non_null(muster_timer_after(fixture.muster, 1, fault_later, NULL));
        while (crash->count < 2 || crash->stage < CRASH_DRAINING)
                fixture_turn(USEC_PER_MSEC);
        assert_true(crash->request_id == 0 && crash->route_id == 0);
        assert_string_equal(crash->request, "");
        assert_string_equal(crash->route, "timer");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_request_is_refused_and_the_connection_stays,
                                                fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_it_is_the_path_that_counts_however_it_is_written,
                                                fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(
                        test_head_is_refused_with_get_unless_it_has_a_route_of_its_own, fixture_set_up,
                        fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_a_route_is_refused_for_all_paths, fixture_set_up,
                                                fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_a_body_is_dropped_and_the_connection_stays,
                                                fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_who_waits_for_leave_to_send_is_told_before,
                                                fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_it_ends_by_its_time, fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_what_has_no_route_is_not_found_as_before,
                                                fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_a_crash_leaves_the_ids_that_would_refuse_it,
                                                fixture_set_up, fixture_tear_down),
                cmocka_unit_test_setup_teardown(test_a_crash_without_a_request_leaves_no_ids, fixture_set_up,
                                                fixture_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
