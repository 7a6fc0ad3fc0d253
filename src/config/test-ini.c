/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/ini.h"
#include "util/fd.h"

/* Reads bytes as a file. The report's name for it is cut off, so that "LINE: …" is left. */
static int read_bytes(struct ini *ini, const char *bytes, size_t size, struct config_report *report) {
        char path[] = "/tmp/muster-test-ini.XXXXXX";
        _cleanup_fd_ int fd = mkstemp(path);
        int r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), (ssize_t) size);
        r = ini_read(ini, path, report);
        assert_int_equal(unlink(path), 0);
        for (size_t i = 0; i < report->n_lines; i++) {
                assert_true(startswith(report->lines[i].text, path));
                memmove(report->lines[i].text, report->lines[i].text + strlen(path) + 1,
                        strlen(report->lines[i].text + strlen(path) + 1) + 1);
        }
        return r;
}

/* One value of section "s". */
static void assert_reads(const char *line, const char *value) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;
        char text[2048];
        int n;

        n = snprintf(text, sizeof(text), "[s]\n%s", line);
        assert_int_equal(read_bytes(&ini, text, (size_t) n, &report), 0);
        assert_int_equal(ini.n_entries, 2);
        assert_string_equal(ini.entries[1].section, "s");
        assert_string_equal(ini.entries[1].key, "k");
        assert_int_equal(ini.entries[1].line, 2);
        assert_string_equal(ini.entries[1].value, value);
}

static void assert_refuses_bytes(const char *bytes, size_t size, const char *complaint) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;

        assert_int_equal(read_bytes(&ini, bytes, size, &report), -EINVAL);
        assert_int_equal(report.n_errors, 1);
        assert_non_null(strstr(report.lines[0].text, complaint));
}

static void assert_refuses(const char *text, const char *complaint) {
        assert_refuses_bytes(text, strlen(text), complaint);
}

static void comments_end_values_unless_they_are_quoted(void **state) {
        assert_reads("k = v ; comment\n", "v");
        assert_reads("k = v # comment\n", "v");
        assert_reads("k = v;w\n", "v");
        assert_reads("k = \"v;w#x\" ; comment\n", "v;w#x");
        assert_reads("k = 'v;w' # \"x\"\n", "v;w");
        assert_reads("k = ;\n", "");
        assert_reads("k = #x\n", "");
}

static void quotes_keep_blanks_and_the_other_quote(void **state) {
        assert_reads("k = \"  v  \"\n", "  v  ");
        assert_reads("k = \"it's\"\n", "it's");
        assert_reads("k = 'a \"b\"'\n", "a \"b\"");
        assert_reads("k = \"\"\n", "");
        assert_reads("k = ''  ; none\n", "");
        assert_reads("k = v \"w\"\n", "v \"w\"");
}

static void blanks_equals_signs_and_case_are_as_one_expects(void **state) {
        assert_reads("k=v\n", "v");
        assert_reads("\t K \t=\t v w \t\n", "v w");
        assert_reads("k = a=b = c\n", "a=b = c");
        assert_reads("k =\n", "");
        assert_reads("k = v", "v"); /* no newline at the end */
        assert_reads("k = Vv\r\n", "Vv");
        assert_reads("k = \xc3\xa4\n", "\xc3\xa4");
}

static void a_backslash_joins_the_next_line(void **state) {
        assert_reads("k = a \\\n b\n", "a  b");
        assert_reads("k = a \\\r\n b\r\n", "a  b");
        assert_reads("k = a \\\n\n", "a");
        assert_reads("k = \\\nv\n", "v");
        assert_reads("k = c:\\x\n", "c:\\x");
}

static void sections_may_have_a_colon_and_come_twice(void **state) {
        static const char text[] =
                "[ Schedule:Nightly ]\ncron = 0 3 * * *\n[s]\n[schedule:nightly]\ntype = all\n";
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;

        assert_int_equal(read_bytes(&ini, text, strlen(text), &report), 0);
        assert_int_equal(ini.n_entries, 5);
        assert_string_equal(ini.entries[0].section, "schedule:nightly");
        assert_null(ini.entries[0].key);
        assert_string_equal(ini.entries[1].value, "0 3 * * *");
        assert_string_equal(ini.entries[4].section, "schedule:nightly");
        assert_int_equal(ini.entries[4].line, 5);
}

static void a_key_named_as_its_section_is_an_ordinary_key(void **state) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;
        static const char text[] = "[http]\nhttp = yes\n[empty]\n";

        assert_int_equal(read_bytes(&ini, text, strlen(text), &report), 0);
        assert_int_equal(ini.n_entries, 3);
        assert_string_equal(ini.entries[1].key, "http");
        assert_string_equal(ini.entries[1].value, "yes");
        assert_null(ini.entries[2].value);
}

static void slips_of_form_are_refused_with_their_line(void **state) {
        assert_refuses("[s]\nnonsense\n", "2: neither [section] nor key = value: nonsense");
        assert_refuses("k = v\n[s]\n", "1: k stands before any section");
        assert_refuses("[s]\nk = 1\nx = 2\nK = 3\n", "4: [s] k is set twice, first in line 2");
        assert_refuses("[s]\nk = 1\n[t]\n[s]\nk = 1\n", "5: [s] k is set twice, first in line 2");
        assert_refuses("[s\nk = v\n[t]\n", "1: a section's line must end with ]");
        assert_refuses("[s] ; comment\n", "1: a section's line must end with ]");
        assert_refuses("[s]t]\n", "1: [s]t]: a section's name is made of");
        assert_refuses("[]\n", "a section's name is made of");
        assert_refuses("[a.b]\n", "a section's name is made of");
        assert_refuses("[s]\n= v\n", "2: a key's name is made of");
        assert_refuses("[s]\na:b = v\n", "2: a key's name is made of");
        assert_refuses("[s]\nmax body = v\n", "2: a key's name is made of");
}

static void quotes_that_versions_read_differently_are_refused(void **state) {
        assert_refuses("[s]\nk = \"v\n", "2: the quote is not closed");
        assert_refuses("[s]\nk = 'it''s'\n", "2: there is text behind the closing quote");
        assert_refuses("[s]\nk = \"v\" w\n", "2: there is text behind the closing quote");
        assert_refuses("[s]\nk = \"a\\\"b\"\n", "2: a backslash cannot stand within quotes");
}

static void a_backslash_that_would_swallow_a_line_is_refused(void **state) {
        assert_refuses("[s]\n# c:\\dir\\\nk = v\n", "2: only a value can go on");
        assert_refuses("[s]\n# a = b \\\nk = v\n", "2: only a value can go on");
        assert_refuses("[s] \\\nk = v\n", "1: only a value can go on");
        assert_refuses("[s]\n\\\nk = v\n", "2: only a value can go on");
        assert_refuses("[s]\nk = v \\\n", "2: the file ends in a line that is continued");
}

static void bytes_that_are_no_text_are_refused(void **state) {
        assert_refuses("\xef\xbb\xbf[s]\n", "1: the file begins with a byte order mark");
        assert_refuses_bytes("[s]\nk = a\0b\n", 12, "2: a control byte (0x00) in column 6");
        assert_refuses("[s]\nk = a\x1b[0m\n", "2: a control byte (0x1b)");
        assert_refuses("[s]\rk = v\r", "1: a control byte (0x0d)");
}

/* iniparser's buffer has 1024 bytes. */
static void a_line_over_the_limit_is_refused_and_one_at_it_is_read(void **state) {
        char value[1100], line[2048], text[4096];

        memset(value, 'x', sizeof(value));
        value[INI_LINE_MAX - 4] = '\0';
        (void) snprintf(line, sizeof(line), "k = %s\n", value);
        assert_reads(line, value);
        (void) snprintf(text, sizeof(text), "[s]\nk = %sx\n", value);
        assert_refuses(text, "2: a line may have 1000 bytes");
        (void) snprintf(text, sizeof(text), "[s]\nk = %.600s \\\n%.600s\n", value, value);
        assert_refuses(text, "3: a line may have 1000 bytes");
        (void) snprintf(text, sizeof(text), "[s]\n# %sxxx\nk = v\n", value);
        assert_refuses(text, "2: a line may have 1000 bytes");
}

static void every_slip_of_a_file_is_reported(void **state) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;
        static const char text[] = "a = 1\n[s]\nb\nc = 'x\nd = 1\nd = 2\n";

        assert_int_equal(read_bytes(&ini, text, strlen(text), &report), -EINVAL);
        assert_int_equal(report.n_errors, 4);
        assert_true(startswith(report.lines[0].text, "1: "));
        assert_true(startswith(report.lines[1].text, "3: "));
        assert_true(startswith(report.lines[2].text, "4: "));
        assert_true(startswith(report.lines[3].text, "6: "));
}

static void an_empty_file_says_nothing(void **state) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;

        assert_int_equal(read_bytes(&ini, "", 0, &report), 0);
        assert_int_equal(ini.n_entries, 0);
}

static void a_directory_and_a_missing_file_are_refused(void **state) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_ini_ struct ini ini = INI_NULL;

        assert_int_equal(ini_read(&ini, "/tmp", &report), -EINVAL);
        assert_string_equal(report.lines[0].text, "/tmp: Is a directory");
        assert_int_equal(ini_read(&ini, "/tmp/muster-test-ini.none", &report), -EINVAL);
        assert_string_equal(report.lines[1].text, "/tmp/muster-test-ini.none: No such file or directory");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(comments_end_values_unless_they_are_quoted),
                cmocka_unit_test(quotes_keep_blanks_and_the_other_quote),
                cmocka_unit_test(blanks_equals_signs_and_case_are_as_one_expects),
                cmocka_unit_test(a_backslash_joins_the_next_line),
                cmocka_unit_test(sections_may_have_a_colon_and_come_twice),
                cmocka_unit_test(a_key_named_as_its_section_is_an_ordinary_key),
                cmocka_unit_test(slips_of_form_are_refused_with_their_line),
                cmocka_unit_test(quotes_that_versions_read_differently_are_refused),
                cmocka_unit_test(a_backslash_that_would_swallow_a_line_is_refused),
                cmocka_unit_test(bytes_that_are_no_text_are_refused),
                cmocka_unit_test(a_line_over_the_limit_is_refused_and_one_at_it_is_read),
                cmocka_unit_test(every_slip_of_a_file_is_reported),
                cmocka_unit_test(an_empty_file_says_nothing),
                cmocka_unit_test(a_directory_and_a_missing_file_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
