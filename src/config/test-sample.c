/* SPDX-License-Identifier: MIT */

/*
 * The sample file and the manual page's part. The committed conf/muster.conf is named by the first
 * argument; `write-sample sample` makes it anew when this test says that it is old.
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/sample.h"
#include "config/table.h"
#include "util/fd.h"

static const char *committed;

static char *made(int (*write_it)(FILE *file)) {
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        assert_non_null(file);
        assert_int_equal(write_it(file), 0);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void the_committed_sample_is_what_the_table_makes(void **state) {
        _cleanup_free_ char *text = NULL, *sample = made(config_write_sample);

        assert_int_equal(fd_read_file(committed, 1048576, &text, NULL), 0);
        assert_string_equal(text, sample);
}

static void assert_has_key(const char *sample, const char *man, const char *name) {
        _cleanup_free_ char *in_sample = NULL, *in_man = NULL;
        char *p;

        assert_true(asprintf(&in_sample, "\n#%s =", name) > 0);
        assert_non_null(strstr(sample, in_sample));

        /* scdoc wants its underscores escaped. */
        in_man = malloc(strlen(name) * 2 + 8);
        assert_non_null(in_man);
        p = stpcpy(in_man, "\n*");
        for (const char *c = name; *c; c++) {
                if (*c == '_')
                        *p++ = '\\';
                *p++ = *c;
        }
        (void) stpcpy(p, "* = _");
        assert_non_null(strstr(man, in_man));
}

static void neither_lacks_a_key(void **state) {
        _cleanup_free_ char *sample = made(config_write_sample), *man = made(config_write_man);
        const char *schedules;

        for (size_t i = 0; i < config_table_size; i++)
                assert_has_key(sample, man, config_table[i].name);
        schedules = strstr(sample, "\n#[schedule:NAME]\n");
        assert_non_null(schedules);
        for (size_t i = 0; i < config_schedule_table_size; i++)
                assert_has_key(schedules, strstr(man, "\n## [schedule:NAME]\n"),
                               config_schedule_table[i].name);
}

static void lines_of_the_sample_are_not_too_wide(void **state) {
        _cleanup_free_ char *sample = made(config_write_sample);

        for (const char *line = sample; *line; line += strcspn(line, "\n") + 1)
                assert_in_range(strcspn(line, "\n"), 0, 79);
}

/* Every "#key = value" becomes "key = value". */
static void uncomment(const char *sample, FILE *file) {
        while (*sample) {
                size_t length = strcspn(sample, "\n");

                if (startswith(sample, "#module ="))
                        (void) fputs("module = hello\n", file);
                else
                        (void) fprintf(file, "%.*s\n", (int) length - (sample[0] == '#' && sample[1] != ' '),
                                       sample + (sample[0] == '#' && sample[1] != ' '));
                sample += length + 1;
        }
}

static void the_sample_uncommented_is_a_configuration_of_defaults(void **state) {
        _cleanup_config_ struct config *config = NULL, *defaults = NULL;
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_free_ char *sample = made(config_write_sample);
        char path[] = "/tmp/muster-test-sample.XXXXXX";
        int fd = mkstemp(path), r;
        FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

        assert_non_null(file);
        uncomment(sample, file);
        assert_int_equal(fclose(file), 0);
        r = config_load(&config, path, "x", NULL, &report);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(r, 0);
        assert_int_equal(report.n_lines, 0);

        assert_int_equal(config_new(&defaults), 0);
        for (size_t i = 0; i < config_table_size; i++) {
                _cleanup_free_ char *a = NULL, *b = NULL;

                assert_string_not_equal(config_origin(config, config_table[i].section, config_table[i].name),
                                        "default");
                assert_int_equal(config_key_get(&config_table[i], config, &a), 0);
                assert_int_equal(config_key_get(&config_table[i], defaults, &b), 0);
                if (config_table[i].fallback)
                        assert_string_equal(a, b);
        }
}

int main(int argc, char **argv) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_committed_sample_is_what_the_table_makes),
                cmocka_unit_test(neither_lacks_a_key),
                cmocka_unit_test(lines_of_the_sample_are_not_too_wide),
                cmocka_unit_test(the_sample_uncommented_is_a_configuration_of_defaults),
        };

        if (argc != 2) {
                (void) fprintf(stderr, "Usage: test-sample conf/muster.conf\n");
                return 2;
        }
        committed = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
