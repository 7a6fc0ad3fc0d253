/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/router.h"
#include "util/macro.h"

static struct arena arena;
static struct router *router;

static void handler(struct muster_request *request) {
}

static const struct muster_route routes[] = {
        { "GET", "/", handler },
        { "GET", "/items", handler },
        { "POST", "/items", handler },
        { "GET", "/items/new", handler },
        { "GET", "/items/{id}", handler },
        { "PUT", "/items/{item}", handler },
        { "GET", "/items/{id}/parts/{part}", handler },
        { "GET", "/items/new/parts/first", handler },
        { "GET", "/files/{path...}", handler },
        { "*", "/any/{x}", handler },
        { "DELETE", "/any/{x}", handler },
        { "GET", "/any/one", handler },
        { "HEAD", "/head", handler },
        { "GET", "/head", handler },
        { "OPTIONS", "/options", handler },
        { "GET", "/options", handler },
        { "GET", "/slash/", handler },
        { "GET", "/a b/\xc3\xa4", handler },
        {},
};

static int set_up(void **state) {
        char *reason;

        arena_reset(&arena);
        return router_new(&router, routes, &reason);
}

static int tear_down(void **state) {
        router = router_free(router);
        arena_reset(&arena);
        return 0;
}

static struct router_match match(const char *method, const char *text) {
        struct router_match found;
        struct target target;

        assert_int_equal(target_parse(&target, &arena, text), 0);
        assert_int_equal(router_match(router, method, &target, &arena, &found), 0);
        return found;
}

static void assert_route(const char *method, const char *text, const char *label) {
        struct router_match found = match(method, text);

        assert_non_null(found.route);
        assert_string_equal(found.route->label, label);
}

static void assert_status(const char *method, const char *text, unsigned int status, const char *allow) {
        struct router_match found = match(method, text);

        assert_null(found.route);
        assert_int_equal(found.status, status);
        if (allow)
                assert_string_equal(found.allow, allow);
        else
                assert_null(found.allow);
}

static void test_literal_paths_are_found(void **state) {
        assert_route("GET", "/", "GET /");
        assert_route("GET", "/items", "GET /items");
        assert_route("POST", "/items", "POST /items");
        assert_route("GET", "/slash/", "GET /slash/");
        assert_route("GET", "/a%20b/%C3%A4", "GET /a b/\xc3\xa4");
        assert_route("GET", "/items?a=/x", "GET /items");
}

static void test_what_fits_nothing_is_404(void **state) {
        assert_status("GET", "/nothing", 404, NULL);
        assert_status("GET", "/items/", 404, NULL);
        assert_status("GET", "/items/1/parts", 404, NULL);
        assert_status("GET", "/slash", 404, NULL);
        assert_status("GET", "//", 404, NULL);
        assert_status("GET", "/files", 404, NULL);
        assert_status("OPTIONS", "/nothing", 404, NULL);
        assert_status("GET", "/ITEMS", 404, NULL);
}

static void test_a_name_stands_for_one_segment_that_is_not_empty(void **state) {
        struct router_match found = match("GET", "/items/a%2Fb/parts/%20");

        assert_string_equal(found.route->label, "GET /items/{id}/parts/{part}");
        assert_int_equal(found.route->n_params, 2);
        assert_string_equal(found.route->params[0], "id");
        assert_string_equal(found.params[0], "a/b");
        assert_string_equal(found.route->params[1], "part");
        assert_string_equal(found.params[1], " ");
        assert_status("GET", "/items/1/parts/", 404, NULL);
}

static void test_the_rest_may_be_empty_or_long(void **state) {
        assert_string_equal(match("GET", "/files/").params[0], "");
        assert_string_equal(match("GET", "/files/a").params[0], "a");
        assert_string_equal(match("GET", "/files/a/b%20c/").params[0], "a/b c/");
        assert_string_equal(match("GET", "/files/../files/x").params[0], "x");
}

static void test_literals_win_over_names_and_names_over_the_rest(void **state) {
        assert_route("GET", "/items/new", "GET /items/new");
        assert_route("GET", "/items/newer", "GET /items/{id}");
        assert_route("GET", "/any/one", "GET /any/one");
        assert_route("GET", "/any/two", "* /any/{x}");
}

static void test_a_literal_that_leads_nowhere_is_left_for_a_name(void **state) {
        struct router_match found = match("GET", "/items/new/parts/second");

        assert_string_equal(found.route->label, "GET /items/{id}/parts/{part}");
        assert_string_equal(found.params[0], "new");
        assert_route("GET", "/items/new/parts/first", "GET /items/new/parts/first");
}

static void test_the_method_decides_where_several_paths_fit(void **state) {
        assert_route("PUT", "/items/new", "PUT /items/{item}");
        assert_string_equal(match("PUT", "/items/new").route->params[0], "item");
        assert_route("POST", "/any/one", "* /any/{x}");
        assert_route("DELETE", "/any/one", "DELETE /any/{x}");
}

static void test_a_get_row_answers_head_unless_a_row_takes_it(void **state) {
        assert_route("HEAD", "/items", "GET /items");
        assert_route("HEAD", "/head", "HEAD /head");
}

static void test_another_method_is_405_with_what_is_allowed(void **state) {
        assert_status("DELETE", "/items", 405, "GET, HEAD, POST, OPTIONS");
        assert_status("DELETE", "/items/new", 405, "GET, HEAD, PUT, OPTIONS");
        assert_status("POST", "/head", 405, "HEAD, GET, OPTIONS");
        assert_status("get", "/items", 405, "GET, HEAD, POST, OPTIONS");
}

static void test_options_is_answered_unless_a_row_takes_it(void **state) {
        assert_status("OPTIONS", "/items", 204, "GET, HEAD, POST, OPTIONS");
        assert_status("OPTIONS", "*", 204, NULL);
        assert_route("OPTIONS", "/options", "OPTIONS /options");
        assert_route("OPTIONS", "/any/x", "* /any/{x}");
}

static void test_a_label_is_cut_and_padded(void **state) {
        static const struct muster_route longer[] = {
                { "GET", "/0123456789012345678901234567890123456789012345678901234567890123456789",
                  handler },
                {},
        };
        char *reason;
        struct router_match found;
        size_t size;

        router = router_free(router);
        assert_int_equal(router_new(&router, longer, &reason), 0);
        found = match("GET", longer[0].path);
        size = strlen(found.route->label);
        assert_int_equal(size, SCOREBOARD_ROUTE_SIZE - 1);
}

static void test_a_table_of_nothing_matches_nothing(void **state) {
        char *reason;

        router = router_free(router);
        assert_int_equal(router_new(&router, NULL, &reason), 0);
        assert_status("GET", "/", 404, NULL);
}

static void assert_row_refused(const char *method, const char *path, int error, const char *reason) {
        const struct muster_route table[] = { { "GET", "/items/{id}", handler },
                                              { method, path, handler },
                                              {} };
        _cleanup_free_ char *got = NULL;
        struct router *made = NULL;

        assert_int_equal(router_new(&made, table, &got), error);
        assert_null(made);
        assert_non_null(got);
        assert_non_null(strstr(got, "Route 2"));
        assert_non_null(strstr(got, reason));
}

static void test_bad_rows_are_refused_with_a_reason(void **state) {
        assert_row_refused("GET", "/items/{other}", -EEXIST, "another row");
        assert_row_refused("GET", "items", -EINVAL, "slash");
        assert_row_refused("GET", "", -EINVAL, "slash");
        assert_row_refused("GET", NULL, -EINVAL, "(no path)");
        assert_row_refused("", "/a", -EINVAL, "method");
        assert_row_refused("GE T", "/a", -EINVAL, "method");
        assert_row_refused("GET", "/a{b}", -EINVAL, "segment");
        assert_row_refused("GET", "/{}", -EINVAL, "segment");
        assert_row_refused("GET", "/{...}", -EINVAL, "segment");
        assert_row_refused("GET", "/{a}}", -EINVAL, "segment");
        assert_row_refused("GET", "/{a...}/b", -EINVAL, "last");
        assert_row_refused("GET", "/{a}/{a}", -EINVAL, "twice");
        assert_row_refused("GET", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
                           -EINVAL, "too many");
}

static void test_a_row_without_a_handler_is_refused(void **state) {
        static const struct muster_route table[] = { { "GET", "/", NULL }, {} };
        _cleanup_free_ char *reason = NULL;
        struct router *made = NULL;

        assert_int_equal(router_new(&made, table, &reason), -EINVAL);
        assert_non_null(strstr(reason, "handler"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_literal_paths_are_found),
                TEST(test_what_fits_nothing_is_404),
                TEST(test_a_name_stands_for_one_segment_that_is_not_empty),
                TEST(test_the_rest_may_be_empty_or_long),
                TEST(test_literals_win_over_names_and_names_over_the_rest),
                TEST(test_a_literal_that_leads_nowhere_is_left_for_a_name),
                TEST(test_the_method_decides_where_several_paths_fit),
                TEST(test_a_get_row_answers_head_unless_a_row_takes_it),
                TEST(test_another_method_is_405_with_what_is_allowed),
                TEST(test_options_is_answered_unless_a_row_takes_it),
                TEST(test_a_label_is_cut_and_padded),
                TEST(test_a_table_of_nothing_matches_nothing),
                TEST(test_bad_rows_are_refused_with_a_reason),
                TEST(test_a_row_without_a_handler_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
