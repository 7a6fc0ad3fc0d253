/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "app/process.h"
#include "app/store.h"
#include "util/macro.h"

static struct muster *muster;
static char destroyed[64]; /* the first letters of what was, in order */

static int set_up(void **state) {
        destroyed[0] = '\0';
        return muster_process_new(&muster, MUSTER_ROLE_WORKER, "test", 0, NULL, NULL);
}

static int tear_down(void **state) {
        muster = muster_process_free(muster);
        return 0;
}

static void note(void *value) {
        (void) strncat(destroyed, value, 1);
}

static char a[] = "a", b[] = "b", c[] = "c";

static void test_a_value_is_found_under_its_key(void **state) {
        assert_null(muster_store_get(muster, "one"));
        assert_int_equal(muster_store_count(muster), 0);
        assert_int_equal(muster_store_set(muster, "one", a, NULL), 0);
        assert_int_equal(muster_store_set(muster, "", b, NULL), 0);
        assert_ptr_equal(muster_store_get(muster, "one"), a);
        assert_ptr_equal(muster_store_get(muster, ""), b);
        assert_null(muster_store_get(muster, "on"));
        assert_int_equal(muster_store_count(muster), 2);
}

static void test_the_key_is_copied(void **state) {
        char key[] = "one";

        assert_int_equal(muster_store_set(muster, key, a, NULL), 0);
        key[0] = 'x';
        assert_ptr_equal(muster_store_get(muster, "one"), a);
        assert_null(muster_store_get(muster, key));
}

static void test_what_is_replaced_is_destroyed_and_the_same_is_not(void **state) {
        assert_int_equal(muster_store_set(muster, "one", a, note), 0);
        assert_int_equal(muster_store_set(muster, "one", a, note), 0);
        assert_string_equal(destroyed, "");
        assert_int_equal(muster_store_set(muster, "one", b, NULL), 0);
        assert_string_equal(destroyed, "a");
        assert_int_equal(muster_store_set(muster, "one", c, note), 0);
        assert_string_equal(destroyed, "a");
        assert_ptr_equal(muster_store_get(muster, "one"), c);
        assert_int_equal(muster_store_count(muster), 1);
}

static void test_null_takes_a_value_away(void **state) {
        assert_int_equal(muster_store_set(muster, "none", NULL, note), 0);
        assert_int_equal(muster_store_set(muster, "one", a, note), 0);
        assert_int_equal(muster_store_set(muster, "one", NULL, NULL), 0);
        assert_string_equal(destroyed, "a");
        assert_null(muster_store_get(muster, "one"));
        assert_int_equal(muster_store_count(muster), 0);
}

static void test_at_the_end_the_newest_is_destroyed_first(void **state) {
        assert_int_equal(muster_store_set(muster, "one", a, note), 0);
        assert_int_equal(muster_store_set(muster, "two", b, note), 0);
        assert_int_equal(muster_store_set(muster, "three", c, note), 0);
        assert_int_equal(muster_store_set(muster, "one", b, note), 0);
        store_empty(muster->store);
        assert_string_equal(destroyed, "abcb");
        assert_int_equal(muster_store_count(muster), 0);
        store_empty(NULL);
}

static void test_without_an_orderly_end_nothing_is_destroyed(void **state) {
        assert_int_equal(muster_store_set(muster, "one", a, note), 0);
        muster = muster_process_free(muster);
        assert_string_equal(destroyed, "");
}

static void look(void *value) {
        assert_null(muster_store_get(muster, "one"));
        assert_int_equal(muster_store_set(muster, "two", NULL, NULL), 0);
        note(value);
}

static void test_a_destructor_may_use_the_store(void **state) {
        assert_int_equal(muster_store_set(muster, "two", b, note), 0);
        assert_int_equal(muster_store_set(muster, "one", a, look), 0);
        store_empty(muster->store);
        assert_string_equal(destroyed, "ba");
}

static void test_many_keys_are_all_found(void **state) {
        static char values[20000];
        char key[32];

        for (size_t i = 0; i < sizeof(values); i++) {
                (void) snprintf(key, sizeof(key), "key/%zu", i);
                assert_int_equal(muster_store_set(muster, key, &values[i], NULL), 0);
        }
        for (size_t i = 0; i < sizeof(values); i += 2) {
                (void) snprintf(key, sizeof(key), "key/%zu", i);
                assert_int_equal(muster_store_set(muster, key, NULL, NULL), 0);
        }
        for (size_t i = 0; i < sizeof(values); i++) {
                (void) snprintf(key, sizeof(key), "key/%zu", i);
                assert_ptr_equal(muster_store_get(muster, key), i % 2 ? &values[i] : NULL);
        }
        assert_int_equal(muster_store_count(muster), sizeof(values) / 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_value_is_found_under_its_key),
                TEST(test_the_key_is_copied),
                TEST(test_what_is_replaced_is_destroyed_and_the_same_is_not),
                TEST(test_null_takes_a_value_away),
                TEST(test_at_the_end_the_newest_is_destroyed_first),
                TEST(test_without_an_orderly_end_nothing_is_destroyed),
                TEST(test_a_destructor_may_use_the_store),
                TEST(test_many_keys_are_all_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
