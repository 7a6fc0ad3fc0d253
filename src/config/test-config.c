/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/table.h"

static char directory[] = "/tmp/muster-test-config.XXXXXX";
static char main_file[128];
static struct config_report report;
static struct config *config;

static int setup(void **state) {
        (void) stpcpy(directory + strlen(directory) - 6, "XXXXXX");
        if (!mkdtemp(directory))
                return -1;
        (void) snprintf(main_file, sizeof(main_file), "%s/hello.conf", directory);
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        config = config_free(config);
        config_report_deinit(&report);
        return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes DIRECTORY/NAME. */
static void put(const char *name, const char *text) {
        char path[256];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/%s", directory, name);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void make_drop_in_directory(void) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s.d", main_file);
        assert_int_equal(mkdir(path, 0700), 0);
}

static int load(const char *const *overrides) {
        return config_load(&config, main_file, NULL, overrides, &report);
}

/* The report's lines with the directory cut off. */
static void assert_reported(size_t i, const char *expected) {
        const char *text;

        assert_in_range(i + 1, 1, report.n_lines);
        text = report.lines[i].text;
        if (startswith(text, directory))
                text += strlen(directory) + 1;
        assert_string_equal(text, expected);
}

static void assert_origin(const char *section, const char *key, const char *expected) {
        const char *origin = config_origin(config, section, key);

        assert_non_null(origin);
        if (startswith(origin, directory))
                origin += strlen(directory) + 1;
        assert_string_equal(origin, expected);
}

static void later_sources_win_key_by_key(void **state) {
        static const char *const overrides[] = { "http.max_header=16K", "app.Colour=red # as it is", NULL };

        put("hello.conf",
            "[muster]\nmodule = hello\n[http]\nmax_body = 2M\nmax_header = 4K\n[app]\nName = A\ncolour = blue\n");
        make_drop_in_directory();
        put("hello.conf.d/20.conf", "[http]\nmax_body = 4M\n");
        put("hello.conf.d/10.conf", "[http]\nmax_body = 3M\nidle_timeout = 5s\n");
        put("hello.conf.d/B.conf", "[app]\nname = B\n");
        put("hello.conf.d/30.conf~", "nonsense");
        put("hello.conf.d/.hidden.conf", "nonsense");
        put("hello.conf.d/README", "nonsense");

        assert_int_equal(load(overrides), 0);
        assert_int_equal(report.n_lines, 0);
        assert_string_equal(config->instance, "hello");
        assert_string_equal(config->muster.module, "hello");
        assert_int_equal(config->http.max_body, 4 << 20);
        assert_int_equal(config->http.idle_timeout, 5 * USEC_PER_SEC);
        assert_int_equal(config->http.max_header, 16 << 10);
        assert_string_equal(config_app(config, "NAME"), "B");
        assert_string_equal(config_app(config, "colour"), "red # as it is");
        assert_null(config_app(config, "size"));
        assert_int_equal(config->n_app, 2);
}

static void each_value_knows_where_it_came_from(void **state) {
        static const char *const overrides[] = { "http.max_header=16K", NULL };
        _cleanup_free_ char *text = NULL;

        put("hello.conf", "[muster]\nmodule = hello\n[app]\nx = 1\n");
        assert_int_equal(load(overrides), 0);
        assert_origin("muster", "module", "hello.conf:2");
        assert_origin("app", "X", "hello.conf:4");
        assert_origin("http", "max_header", "-o");
        assert_origin("http", "max_body", "default");
        assert_null(config_origin(config, "http", "nonsense"));
        assert_null(config_origin(config, "app", "y"));
        assert_int_equal(config_get_text(config, "http", "max_header", &text), 0);
        assert_string_equal(text, "16K");
        assert_int_equal(config_get_text(config, "http", "nonsense", &text), -ENOENT);
}

static void errors_name_place_value_and_what_is_allowed(void **state) {
        put("hello.conf", "[muster]\nmodule = hello\n[http]\nmax_bodi = 12\nworkers = 3\nzebra = 1\n"
                          "[worker]\nworkers = 9999\ndrain = 12abc\nkill_timeout = -5s\n"
                          "[htpp]\nx = 1\n[fleet]\nname = x\n[log]\nlevel = loud\n");
        assert_int_equal(load(NULL), -EINVAL);
        assert_null(config);
        assert_int_equal(report.n_errors, 9);
        assert_reported(0, "hello.conf:4: [http] max_bodi = 12: unknown key, did you mean max_body?");
        assert_reported(1, "hello.conf:5: [http] workers = 3: unknown key, it belongs in [worker]");
        assert_reported(2, "hello.conf:6: [http] zebra = 1: unknown key");
        assert_reported(3,
                        "hello.conf:8: [worker] workers = 9999: out of range, allowed are 1 to 256 or auto");
        assert_reported(4, "hello.conf:9: [worker] drain = 12abc: not a valid bool, allowed are yes or no");
        assert_reported(
                5,
                "hello.conf:10: [worker] kill_timeout = -5s: not a valid duration, allowed are 10ms to 10min");
        assert_reported(6, "hello.conf:11: [htpp]: unknown section, did you mean [http]?");
        assert_reported(7, "hello.conf:13: [fleet]: unknown section");
        assert_reported(8, "hello.conf:16: [log] level = loud: not a valid word, allowed are "
                           "emerg, alert, crit, err, warning, notice, info or debug");
}

static void problems_of_all_files_and_of_the_command_line_are_collected(void **state) {
        static const char *const overrides[] = { "nonsense",  "http.max_body", ".x=1",
                                                 "http.=1",   "htp.x=1",       "http.max_body=x",
                                                 "app.a b=1", "app.x=a\nb",    NULL };

        put("hello.conf", "[muster]\nmodul = hello\n");
        make_drop_in_directory();
        put("hello.conf.d/1.conf", "[worker]\nworkers = 0\n");
        assert_int_equal(load(overrides), -EINVAL);
        assert_int_equal(report.n_errors, 11);
        assert_reported(0, "hello.conf:2: [muster] modul = hello: unknown key, did you mean module?");
        assert_reported(
                1,
                "hello.conf.d/1.conf:2: [worker] workers = 0: out of range, allowed are 1 to 256 or auto");
        assert_reported(2, "-o: nonsense: not of the form SECTION.KEY=VALUE");
        assert_reported(3, "-o: http.max_body: not of the form SECTION.KEY=VALUE");
        assert_reported(6, "-o: [htp]: unknown section, did you mean [http]?");
        assert_reported(7, "-o: [http] max_body = x: not a valid size, allowed are 0 to 1T");
        assert_reported(8, "-o: [app] a b: a key's name is made of letters, digits, _, - and .");
        assert_reported(9, "-o: [app] x: a control byte in the value");
        assert_reported(10,
                        "hello.conf: [muster] module: must be set, to the name or path of an application");
}

static void a_missing_file_is_one_error_and_not_two(void **state) {
        assert_int_equal(load(NULL), -EINVAL);
        assert_int_equal(report.n_lines, 1);
        assert_reported(0, "hello.conf: No such file or directory");
}

static void a_drop_in_that_is_a_directory_is_an_error(void **state) {
        char path[256];

        put("hello.conf", "[muster]\nmodule = hello\n");
        make_drop_in_directory();
        (void) snprintf(path, sizeof(path), "%s.d/x.conf", main_file);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(load(NULL), -EINVAL);
        assert_reported(0, "hello.conf.d/x.conf: Is a directory");
}

static void what_is_only_doubtful_is_a_warning(void **state) {
        put("hello.conf", "[muster]\nmodule = hello\nstop_timeout = 1s\n[log]\nslow = 2min\n");
        assert_int_equal(load(NULL), 0);
        assert_int_equal(report.n_errors, 0);
        assert_int_equal(report.n_lines, 2);
        assert_false(report.lines[0].error);
        assert_non_null(strstr(report.lines[0].text, "stop_timeout is shorter than [worker] drain_timeout"));
        assert_non_null(strstr(report.lines[1].text, "slow is longer"));
}

static void an_instance_cannot_lead_out_of_its_directory(void **state) {
        put("hello.conf", "[muster]\nmodule = hello\n");
        assert_int_equal(config_load(&config, main_file, "../x", NULL, &report), -EINVAL);
        assert_int_equal(config_load(&config, main_file, "", NULL, &report), -EINVAL);
        config_report_deinit(&report);
        assert_int_equal(config_load(&config, main_file, "a-b_c.d", NULL, &report), 0);
        assert_string_equal(config->instance, "a-b_c.d");
}

static char *serialized(const struct config *c) {
        char *text = NULL;
        size_t size = 0;

        assert_int_equal(config_serialize(c, &text, &size), 0);
        assert_int_equal(size, strlen(text));
        return text;
}

static void children_get_every_value_as_it_is(void **state) {
        static const char *const overrides[] = { "app.path=c:\\new\\\\dir",
                                                 "app.empty=",
                                                 "app.eq==a=b ; c",
                                                 "http.server_header=",
                                                 "log.slow=1min 30s",
                                                 "http.listen=80 @x /run/y",
                                                 NULL };
        _cleanup_config_ struct config *copy = NULL;
        _cleanup_free_ char *first = NULL, *second = NULL;

        put("hello.conf",
            "[muster]\nmodule = ./x y.so\n[worker]\nworkers = 7\n[restart]\non_limit = exit\n");
        assert_int_equal(load(overrides), 0);
        first = serialized(config);
        assert_int_equal(config_deserialize(&copy, first, strlen(first)), 0);
        second = serialized(copy);
        assert_string_equal(first, second);

        assert_string_equal(copy->instance, "hello");
        assert_string_equal(copy->muster.module, "./x y.so");
        assert_string_equal(config_app(copy, "path"), "c:\\new\\\\dir");
        assert_string_equal(config_app(copy, "empty"), "");
        assert_string_equal(config_app(copy, "eq"), "=a=b ; c");
        assert_string_equal(copy->http.server_header, "");
        assert_int_equal(copy->log.slow, 90 * USEC_PER_SEC);
        assert_string_equal(copy->http.listen[2], "/run/y");
        assert_int_equal(copy->worker.workers, 7);
        assert_int_equal(copy->restart.on_limit, CONFIG_ON_LIMIT_EXIT);
}

static void a_configuration_without_a_module_is_not_handed_on(void **state) {
        _cleanup_config_ struct config *defaults = NULL;
        char *text = NULL;

        assert_int_equal(config_new(&defaults), 0);
        assert_int_equal(config_serialize(defaults, &text, NULL), -EINVAL);
}

static void assert_bad(const char *text, size_t size) {
        struct config *copy = NULL;

        assert_int_equal(config_deserialize(&copy, text, size), -EBADMSG);
        assert_null(copy);
}

/* Replaces the first `from` by `to`. */
static void assert_bad_with(const char *text, const char *from, const char *to) {
        _cleanup_free_ char *changed = NULL;
        const char *at = strstr(text, from);

        assert_non_null(at);
        assert_true(asprintf(&changed, "%.*s%s%s", (int) (at - text), text, to, at + strlen(from)) > 0);
        assert_bad(changed, strlen(changed));
}

static void what_the_master_would_not_write_is_refused(void **state) {
        static const char *const overrides[] = { "app.x=a\\b", NULL };
        _cleanup_free_ char *text = NULL;

        put("hello.conf", "[muster]\nmodule = hello\n");
        assert_int_equal(load(overrides), 0);
        text = serialized(config);
        for (size_t size = 0; size < strlen(text); size++)
                if (size == 0 || size != (size_t) (strstr(text, "app.x=") - text))
                        assert_bad(text, size);
        assert_bad(text, strlen(text) + 1); /* the NUL */

        assert_bad_with(text, "instance=hello", "instance=../x");
        assert_bad_with(text, "http.max_body=1M", "http.max_body=12abc");
        assert_bad_with(text, "http.max_body=1M", "http.max_body=1024K"); /* another spelling */
        assert_bad_with(text, "worker.workers=auto", "worker.workers=9999");
        assert_bad_with(text, "worker.drain=yes\n", "");
        assert_bad_with(text, "worker.drain=yes\n", "worker.drain=yes\nworker.drain=yes\n");
        assert_bad_with(text, "muster.module=hello", "muster.module=");
        assert_bad_with(text, "a\\\\b", "a\\b");
        assert_bad_with(text, "a\\\\b", "a\\");
        assert_bad_with(text, "app.x", "app.X");
        assert_bad_with(text, "app.x", "app.");
        assert_bad_with(text, "app.x", "apps.x");
        assert_bad_with(text, "app.x=", "app.x=1\napp.x=");
}

#define IN_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                IN_DIRECTORY(later_sources_win_key_by_key),
                IN_DIRECTORY(each_value_knows_where_it_came_from),
                IN_DIRECTORY(errors_name_place_value_and_what_is_allowed),
                IN_DIRECTORY(problems_of_all_files_and_of_the_command_line_are_collected),
                IN_DIRECTORY(a_missing_file_is_one_error_and_not_two),
                IN_DIRECTORY(a_drop_in_that_is_a_directory_is_an_error),
                IN_DIRECTORY(what_is_only_doubtful_is_a_warning),
                IN_DIRECTORY(an_instance_cannot_lead_out_of_its_directory),
                IN_DIRECTORY(children_get_every_value_as_it_is),
                IN_DIRECTORY(what_the_master_would_not_write_is_refused),
                cmocka_unit_test(a_configuration_without_a_module_is_not_handed_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
