/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "app/module.h"

/* Where the modules of the build are, the first argument. */
static const char *directory;

static void refused(const char *name, int error, const char *why) {
        struct module *module = NULL;
        char *reason = NULL;

        assert_int_equal(module_load(&module, name, &reason), error);
        assert_non_null(reason);
        if (!strstr(reason, why))
                fail_msg("\"%s\" does not say \"%s\"", reason, why);
        free(reason);
}

static void test_a_name_is_found_in_the_module_directory(void **state) {
        struct module *module;
        char *reason;

        assert_int_equal(setenv("MUSTER_MODULE_DIR", directory, 1), 0);
        assert_int_equal(module_load(&module, "hello", &reason), 0);
        assert_string_equal(module_application(module)->name, "hello");
        assert_non_null(module_application(module)->routes);
        assert_non_null(strstr(module_path(module), "/hello.so"));
        module_free(module);
}

static void test_a_path_is_taken_as_it_is(void **state) {
        char path[4096];
        struct module *module;
        char *reason;

        assert_int_equal(unsetenv("MUSTER_MODULE_DIR"), 0);
        (void) snprintf(path, sizeof(path), "%s/hello.so", directory);
        assert_int_equal(module_load(&module, path, &reason), 0);
        module_free(module);
}

static void test_what_is_not_there_is_refused_with_its_path(void **state) {
        refused("/nowhere/at/all.so", -ENOENT, "/nowhere/at/all.so: No such file");
}

static void test_what_is_no_shared_object_is_refused(void **state) {
        refused("/proc/self/maps", -ELIBBAD, "/proc/self/maps");
}

static void test_a_library_that_is_no_application_is_refused(void **state) {
        char path[4096];

        (void) snprintf(path, sizeof(path), "%s/not-an-application.so", directory);
        refused(path, -ELIBBAD, "MUSTER_APPLICATION");
}

static void test_another_version_of_the_interface_is_refused(void **state) {
        char path[4096];

        (void) snprintf(path, sizeof(path), "%s/another-version.so", directory);
        refused(path, -EPROTO, "build it again");
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_name_is_found_in_the_module_directory),
                cmocka_unit_test(test_a_path_is_taken_as_it_is),
                cmocka_unit_test(test_what_is_not_there_is_refused_with_its_path),
                cmocka_unit_test(test_what_is_no_shared_object_is_refused),
                cmocka_unit_test(test_a_library_that_is_no_application_is_refused),
                cmocka_unit_test(test_another_version_of_the_interface_is_refused),
        };

        if (argc < 2)
                return EXIT_FAILURE;
        directory = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
