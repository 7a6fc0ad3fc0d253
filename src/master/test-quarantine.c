/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "master/quarantine.h"
#include "util/macro.h"

#define SEC    USEC_PER_SEC
#define BEGIN  (1000 * SEC)
#define AFTER  3U
#define WINDOW (600 * SEC)
#define SPAN   (300 * SEC)

static struct quarantine quarantine;

static int set_up(void **state) {
        static const uint64_t key[2] = { 1, 2 };

        quarantine_init(&quarantine, key);
        quarantine_configure(&quarantine, AFTER, WINDOW, SPAN);
        return 0;
}

/* Each story is a list of crashes, with what begins at each: '-' nothing, 'p' the path, 'r' the route. Paths and routes are
 * letters; a path belongs to one route. */
struct crash {
        usec_t at;
        const char *place;
        char path;
        char route;
        char begins;
};

static const struct quarantine_entry *crash_at(usec_t now, char path, char route, const char *place) {
        char request[16], label[16];
        struct quarantine_crash crash = {
                .request_id = path == '-' ? 0 : (uint64_t) path,
                .route_id = path == '-' ? 0 : 1000 + (uint64_t) route,
                .request = request,
                .route = label,
                .place = place,
        };

        (void) snprintf(request, sizeof(request), "GET /%c/%c", route, path);
        (void) snprintf(label, sizeof(label), "GET /%c/{id}", route);
        return quarantine_crashed(&quarantine, &crash, now);
}

static void tell(const struct crash *crashes, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct crash *c = &crashes[i];
                usec_t now = BEGIN + c->at;
                const struct quarantine_entry *entry;

                while (quarantine_expire(&quarantine, now, NULL))
                        ;
                entry = crash_at(now, c->path, c->route, c->place);
                if (c->begins == '-') {
                        assert_null(entry);
                        continue;
                }
                assert_non_null(entry);
                assert_int_equal(entry->kind, c->begins == 'r' ? QUARANTINE_ROUTE : QUARANTINE_REQUEST);
                assert_true(entry->since == now && entry->until == now + SPAN);
                assert_string_equal(entry->place, c->place);
                assert_true(entry->text[strlen("GET /")] == c->route);
                assert_int_equal(entry->crashes, AFTER);
        }
}

#define TELL(...)                                                                                           \
        do {                                                                                                \
                static const struct crash story[] = { __VA_ARGS__ };                                        \
                tell(story, ELEMENTSOF(story));                                                             \
        } while (0)

static void test_the_third_crash_of_a_path_closes_it(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' });
        assert_int_equal(quarantine_count(&quarantine), 1);
        assert_string_equal(quarantine_next(&quarantine, NULL)->text, "GET /x/a");
}

static void test_the_place_does_not_matter_for_a_path(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+2", 'a', 'x', '-' }, { 2, "", 'a', 'x', 'p' });
}

static void test_two_crashes_close_nothing(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' });
        assert_null(quarantine_next(&quarantine, NULL));
}

static void test_different_paths_at_one_place_close_their_route(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'b', 'x', '-' }, { 2, "m+1", 'c', 'x', 'r' });
        assert_string_equal(quarantine_next(&quarantine, NULL)->text, "GET /x/{id}");
}

static void test_different_paths_at_different_places_close_nothing(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+2", 'b', 'x', '-' }, { 2, "m+3", 'c', 'x', '-' },
             { 3, "m+1", 'd', 'x', '-' }, { 4, "m+2", 'e', 'x', '-' });
}

static void test_unknown_places_are_not_one_place(void **state) {
        TELL({ 0, "", 'a', 'x', '-' }, { 1, "", 'b', 'x', '-' }, { 2, "", 'c', 'x', '-' },
             { 3, "", 'd', 'x', '-' });
}

static void test_paths_of_different_routes_close_neither(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'b', 'y', '-' }, { 2, "m+1", 'c', 'z', '-' });
}

static void test_a_path_that_crashes_often_counts_once_for_its_route(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'b', 'x', '-' },
             { 3, "m+1", 'a', 'x', 'p' }, { 4, "m+1", 'c', 'x', 'r' });
        assert_int_equal(quarantine_count(&quarantine), 2);
}

static void test_crashes_count_within_the_window_only(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 300 * SEC, "m+1", 'a', 'x', '-' },
             { 600 * SEC, "m+1", 'a', 'x', '-' }, { 899 * SEC, "m+1", 'a', 'x', 'p' });
}

static void test_the_window_holds_for_routes_too(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 300 * SEC, "m+1", 'b', 'x', '-' },
             { 600 * SEC, "m+1", 'c', 'x', '-' }, { 899 * SEC, "m+1", 'd', 'x', 'r' });
}

static void test_a_crash_without_a_request_does_not_count(void **state) {
        TELL({ 0, "m+1", '-', 'x', '-' }, { 1, "m+1", '-', 'x', '-' }, { 2, "m+1", '-', 'x', '-' });
}

static void test_crashes_that_were_on_their_way_begin_nothing_more(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' },
             { 3, "m+1", 'a', 'x', '-' }, { 4, "m+1", 'a', 'x', '-' });
        assert_true(quarantine_next(&quarantine, NULL)->until == BEGIN + 2 + SPAN);
        assert_int_equal(quarantine_count(&quarantine), 1);
}

static void test_it_ends_by_itself_and_one_more_crash_closes_it_again(void **state) {
        struct quarantine_entry ended;

        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' });
        assert_true(quarantine_next_end(&quarantine) == BEGIN + 2 + SPAN);
        assert_false(quarantine_expire(&quarantine, BEGIN + 1 + SPAN, &ended));
        assert_true(quarantine_expire(&quarantine, BEGIN + 2 + SPAN, &ended));
        assert_string_equal(ended.text, "GET /x/a");
        assert_false(quarantine_expire(&quarantine, BEGIN + 2 + SPAN, &ended));
        assert_true(quarantine_next_end(&quarantine) == USEC_NEVER);
        assert_non_null(crash_at(BEGIN + 3 + SPAN, 'a', 'x', "m+1"));
}

static void test_past_the_window_it_takes_as_many_crashes_anew(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' },
             { 700 * SEC, "m+1", 'a', 'x', '-' }, { 701 * SEC, "m+1", 'a', 'x', '-' },
             { 702 * SEC, "m+1", 'a', 'x', 'p' });
}

static void test_what_is_lifted_takes_as_many_crashes_anew(void **state) {
        struct quarantine_entry lifted;

        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' });
        assert_false(quarantine_lift(&quarantine, 0, &lifted));
        assert_false(quarantine_lift(&quarantine, 2, &lifted));
        assert_true(quarantine_lift(&quarantine, 1, &lifted));
        assert_string_equal(lifted.text, "GET /x/a");
        assert_false(quarantine_lift(&quarantine, 1, NULL));
        TELL({ 3, "m+1", 'a', 'x', '-' }, { 4, "m+1", 'a', 'x', '-' }, { 5, "m+1", 'a', 'x', 'p' });
}

static void test_a_lifted_route_forgets_the_crashes_of_its_paths_and_no_others(void **state) {
        TELL({ 0, "m+1", 'e', 'y', '-' }, { 0, "m+1", 'e', 'y', '-' }, { 0, "m+1", 'a', 'x', '-' },
             { 1, "m+1", 'b', 'x', '-' }, { 2, "m+1", 'c', 'x', 'r' });
        assert_true(quarantine_lift(&quarantine, 1, NULL));
        TELL({ 3, "m+1", 'd', 'x', '-' }, { 4, "m+1", 'a', 'x', '-' }, { 5, "m+1", 'e', 'y', 'p' });
}

static void test_all_can_be_lifted(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' },
             { 3, "m+1", 'b', 'y', '-' }, { 4, "m+1", 'b', 'y', '-' }, { 5, "m+1", 'b', 'y', 'p' });
        assert_int_equal(quarantine_lift_all(&quarantine), 2);
        assert_int_equal(quarantine_count(&quarantine), 0);
        TELL({ 6, "m+1", 'a', 'x', '-' }, { 7, "m+1", 'b', 'y', '-' });
}

static void test_one_is_enough_where_it_is_said_so_but_not_for_a_route(void **state) {
        quarantine_configure(&quarantine, 1, WINDOW, SPAN);
        assert_int_equal(crash_at(BEGIN, 'a', 'x', "m+1")->kind, QUARANTINE_REQUEST);
        assert_int_equal(crash_at(BEGIN, 'b', 'x', "m+1")->kind, QUARANTINE_ROUTE);
}

static void test_off_refuses_nothing_but_what_was_put_in_by_hand(void **state) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' });
        assert_non_null(quarantine_add(&quarantine, QUARANTINE_ROUTE, 77, "GET /z", 5 * SEC, BEGIN));
        quarantine_configure(&quarantine, 0, WINDOW, SPAN);
        assert_int_equal(quarantine_count(&quarantine), 1);
        assert_string_equal(quarantine_next(&quarantine, NULL)->text, "GET /z");
        for (usec_t i = 0; i < 10; i++)
                assert_null(crash_at(BEGIN + i, 'a', 'x', "m+1"));
        quarantine_configure(&quarantine, AFTER, WINDOW, SPAN);
        TELL({ 20, "m+1", 'a', 'x', '-' }, { 21, "m+1", 'a', 'x', '-' }, { 22, "m+1", 'a', 'x', 'p' });
}

static void test_by_hand_it_lasts_as_long_as_was_said(void **state) {
        const struct quarantine_entry *entry;

        entry = quarantine_add(&quarantine, QUARANTINE_REQUEST, 'a', "GET /x/a", 5 * SEC, BEGIN);
        assert_true(entry->by_hand && entry->until == BEGIN + 5 * SEC);
        entry = quarantine_add(&quarantine, QUARANTINE_REQUEST, 'a', "GET /x/a", USEC_NEVER, BEGIN + SEC);
        assert_true(entry->until == BEGIN + SEC + QUARANTINE_TIME_MAX);
        assert_int_equal(quarantine_count(&quarantine), 1);
}

static void test_entries_are_listed_as_they_began(void **state) {
        const struct quarantine_entry *entry = NULL;

        for (uint64_t i = 1; i <= 5; i++)
                (void) quarantine_add(&quarantine, QUARANTINE_REQUEST, i, "GET /", SEC, BEGIN);
        assert_true(quarantine_lift(&quarantine, 2, NULL));
        (void) quarantine_add(&quarantine, QUARANTINE_REQUEST, 6, "GET /", SEC, BEGIN);
        for (uint32_t number = 1; number <= 6; number++)
                if (number != 2) {
                        entry = quarantine_next(&quarantine, entry);
                        assert_int_equal(entry->number, number);
                }
        assert_null(quarantine_next(&quarantine, entry));
}

static void test_a_full_table_gives_up_what_ends_first(void **state) {
        for (uint64_t i = 1; i <= QUARANTINE_ENTRIES_MAX; i++)
                (void) quarantine_add(&quarantine, QUARANTINE_REQUEST, i, "GET /", (1000 - i) * SEC, BEGIN);
        assert_int_equal(quarantine_count(&quarantine), QUARANTINE_ENTRIES_MAX);
        (void) quarantine_add(&quarantine, QUARANTINE_REQUEST, 5000, "GET /new", SEC, BEGIN);
        assert_int_equal(quarantine_count(&quarantine), QUARANTINE_ENTRIES_MAX);
        for (const struct quarantine_entry *e = NULL; (e = quarantine_next(&quarantine, e));)
                assert_true(e->id != QUARANTINE_ENTRIES_MAX);
}

static void test_a_flood_of_crashes_keeps_its_bounds(void **state) {
        for (uint64_t i = 0; i < 100000; i++) {
                char place[16];
                struct quarantine_crash crash = {
                        .request_id = 1 + i % 1000,
                        .route_id = UINT64_MAX - i % 7,
                        .request = "GET /a",
                        .route = "GET /{x}",
                        .place = place,
                };

                (void) snprintf(place, sizeof(place), "m+%u", (unsigned int) (i % 50));
                (void) quarantine_crashed(&quarantine, &crash, BEGIN + i);
                assert_true(quarantine_count(&quarantine) <= QUARANTINE_ENTRIES_MAX);
        }
}

static void test_long_and_odd_texts_are_cut(void **state) {
        static char text[10000];
        const struct quarantine_crash crash = {
                .request_id = 1, .route_id = 2, .request = text, .route = text, .place = text
        };
        const struct quarantine_entry *entry;

        memset(text, '%', sizeof(text) - 1);
        quarantine_configure(&quarantine, 1, WINDOW, SPAN);
        entry = quarantine_crashed(&quarantine, &crash, BEGIN);
        assert_int_equal(strlen(entry->text), QUARANTINE_TEXT_SIZE - 1);
        assert_int_equal(strlen(entry->place), QUARANTINE_PLACE_SIZE - 1);
}

static void test_numbers_that_run_out_begin_at_one(void **state) {
        quarantine.last_number = UINT32_MAX;
        assert_int_equal(quarantine_add(&quarantine, QUARANTINE_REQUEST, 1, "GET /", SEC, BEGIN)->number, 1);
}

static void test_the_page_shows_what_is_in_the_table(void **state) {
        static struct quarantine_page page;
        const struct quarantine_request request = {
                .method = "GET", .segments = "\0a", .size = 2, .route_method = "GET", .route_path = "/{x}"
        };
        uint64_t id;

        memcpy(page.key, quarantine.key, sizeof(page.key));
        id = quarantine_request_id(&page, &request);
        quarantine_publish(&quarantine, &page);
        assert_false(quarantine_in_use(&page));
        (void) quarantine_add(&quarantine, QUARANTINE_REQUEST, 99, "GET /other", SEC, BEGIN);
        (void) quarantine_add(&quarantine, QUARANTINE_REQUEST, id, "GET /a", 9 * SEC, BEGIN);
        quarantine_publish(&quarantine, &page);
        assert_true(quarantine_left(&page, &request, BEGIN + SEC) == 8 * SEC);
        assert_true(quarantine_lift(&quarantine, 1, NULL));
        quarantine_publish(&quarantine, &page);
        assert_true(quarantine_left(&page, &request, BEGIN + SEC) == 8 * SEC);
        (void) quarantine_lift_all(&quarantine);
        quarantine_publish(&quarantine, &page);
        assert_false(quarantine_in_use(&page));
}

/* ---- Saved and restored ---- */

static void fill(void) {
        TELL({ 0, "m+1", 'a', 'x', '-' }, { 1, "m+1", 'a', 'x', '-' }, { 2, "m+1", 'a', 'x', 'p' },
             { 3, "m+1", 'b', 'y', '-' }, { 4, "m+1", 'b', 'y', '-' });
        (void) quarantine_add(&quarantine, QUARANTINE_ROUTE, 77, "GET /z", 5 * SEC, BEGIN);
}

static void test_what_is_saved_goes_on_in_another_master(void **state) {
        static const uint64_t other_key[2] = { 8, 9 };
        struct quarantine_state saved;

        fill();
        quarantine_save(&quarantine, &saved);
        quarantine_init(&quarantine, other_key);
        quarantine_configure(&quarantine, AFTER, WINDOW, SPAN);
        assert_int_equal(quarantine_restore(&quarantine, &saved, sizeof(saved), BEGIN + SEC), 0);
        assert_true(quarantine.key[0] == 1 && quarantine.key[1] == 2);
        assert_int_equal(quarantine_count(&quarantine), 2);
        assert_string_equal(quarantine_next(&quarantine, NULL)->text, "GET /x/a");
        TELL({ SEC, "m+1", 'b', 'y', 'p' });
        assert_int_equal(quarantine_count(&quarantine), 3);
}

static void test_an_empty_one_is_saved_too(void **state) {
        struct quarantine_state saved;

        quarantine_save(&quarantine, &saved);
        assert_int_equal(quarantine_restore(&quarantine, &saved, sizeof(saved), BEGIN), 0);
        assert_int_equal(quarantine_count(&quarantine), 0);
}

static struct quarantine_state damaged;

static void refuse(size_t size, usec_t now) {
        static struct quarantine before;

        before = quarantine;
        assert_int_equal(quarantine_restore(&quarantine, &damaged, size, now), -EBADMSG);
        assert_memory_equal(&quarantine, &before, sizeof(before));
}

#define REFUSE(...)                                                                                         \
        do {                                                                                                \
                quarantine_save(&quarantine, &damaged);                                                     \
                __VA_ARGS__;                                                                                \
                refuse(sizeof(damaged), BEGIN + SEC);                                                       \
        } while (0)

static void test_what_could_not_have_been_saved_is_refused_whole(void **state) {
        fill();
        REFUSE(damaged.version++);
        REFUSE(damaged.size--);
        REFUSE(damaged.next_record = QUARANTINE_CRASHES_MAX);
        REFUSE(damaged.records[0].when = BEGIN + 2 * SEC);
        REFUSE(damaged.last_number = 1);
        REFUSE(damaged.entries[0].number = 0);
        REFUSE(damaged.entries[0].number = damaged.entries[1].number);
        REFUSE(damaged.entries[0].id = 0);
        REFUSE(damaged.entries[0].id = damaged.entries[1].id);
        REFUSE(damaged.entries[0].kind = _QUARANTINE_KIND_MAX);
        REFUSE(damaged.entries[0].by_hand = 2);
        REFUSE(damaged.entries[0].since = BEGIN + 2 * SEC);
        REFUSE(damaged.entries[0].until = BEGIN - 1);
        REFUSE(damaged.entries[0].until = USEC_NEVER);
        REFUSE(damaged.entries[0].until = damaged.entries[0].since + QUARANTINE_TIME_MAX + 1);
        REFUSE(damaged.entries[0].text[2] = '\n');
        REFUSE(memset(damaged.entries[0].text, 'x', sizeof(damaged.entries[0].text)));
        REFUSE(damaged.entries[0].place[0] = '\x80');
        REFUSE(memset(damaged.entries[0].place, 'x', sizeof(damaged.entries[0].place)));
        REFUSE(damaged.entries[QUARANTINE_ENTRIES_MAX - 1].crashes = 1);
}

static void test_the_wrong_size_is_refused(void **state) {
        fill();
        quarantine_save(&quarantine, &damaged);
        refuse(0, BEGIN + SEC);
        refuse(sizeof(damaged) - 1, BEGIN + SEC);
        refuse(sizeof(damaged) + 1, BEGIN + SEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_the_third_crash_of_a_path_closes_it, set_up),
                cmocka_unit_test_setup(test_the_place_does_not_matter_for_a_path, set_up),
                cmocka_unit_test_setup(test_two_crashes_close_nothing, set_up),
                cmocka_unit_test_setup(test_different_paths_at_one_place_close_their_route, set_up),
                cmocka_unit_test_setup(test_different_paths_at_different_places_close_nothing, set_up),
                cmocka_unit_test_setup(test_unknown_places_are_not_one_place, set_up),
                cmocka_unit_test_setup(test_paths_of_different_routes_close_neither, set_up),
                cmocka_unit_test_setup(test_a_path_that_crashes_often_counts_once_for_its_route, set_up),
                cmocka_unit_test_setup(test_crashes_count_within_the_window_only, set_up),
                cmocka_unit_test_setup(test_the_window_holds_for_routes_too, set_up),
                cmocka_unit_test_setup(test_a_crash_without_a_request_does_not_count, set_up),
                cmocka_unit_test_setup(test_crashes_that_were_on_their_way_begin_nothing_more, set_up),
                cmocka_unit_test_setup(test_it_ends_by_itself_and_one_more_crash_closes_it_again, set_up),
                cmocka_unit_test_setup(test_past_the_window_it_takes_as_many_crashes_anew, set_up),
                cmocka_unit_test_setup(test_what_is_lifted_takes_as_many_crashes_anew, set_up),
                cmocka_unit_test_setup(test_a_lifted_route_forgets_the_crashes_of_its_paths_and_no_others,
                                       set_up),
                cmocka_unit_test_setup(test_all_can_be_lifted, set_up),
                cmocka_unit_test_setup(test_one_is_enough_where_it_is_said_so_but_not_for_a_route, set_up),
                cmocka_unit_test_setup(test_off_refuses_nothing_but_what_was_put_in_by_hand, set_up),
                cmocka_unit_test_setup(test_by_hand_it_lasts_as_long_as_was_said, set_up),
                cmocka_unit_test_setup(test_entries_are_listed_as_they_began, set_up),
                cmocka_unit_test_setup(test_a_full_table_gives_up_what_ends_first, set_up),
                cmocka_unit_test_setup(test_a_flood_of_crashes_keeps_its_bounds, set_up),
                cmocka_unit_test_setup(test_long_and_odd_texts_are_cut, set_up),
                cmocka_unit_test_setup(test_numbers_that_run_out_begin_at_one, set_up),
                cmocka_unit_test_setup(test_the_page_shows_what_is_in_the_table, set_up),
                cmocka_unit_test_setup(test_what_is_saved_goes_on_in_another_master, set_up),
                cmocka_unit_test_setup(test_an_empty_one_is_saved_too, set_up),
                cmocka_unit_test_setup(test_what_could_not_have_been_saved_is_refused_whole, set_up),
                cmocka_unit_test_setup(test_the_wrong_size_is_refused, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
