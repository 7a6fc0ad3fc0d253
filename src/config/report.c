/* SPDX-License-Identifier: MIT */

/*
 * The report: what is wrong with a configuration, all of it.
 *
 * Whoever mends a file wants to mend it once, so reading goes on after an error and every finding becomes
 * a line here. The lines are text, made where the most is known; `--check` prints them, the master logs
 * them, and a reload sends them back to whoever asked for it.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/report.h"

static int _printf_(3, 0)
        report_add(struct config_report *report, bool error, const char *format, va_list arguments) {
        struct config_report_line *lines;
        char *text;

        lines = reallocarray(report->lines, report->n_lines + 1, sizeof(*lines));
        if (!lines)
                return -ENOMEM;
        report->lines = lines;
        if (vasprintf(&text, format, arguments) < 0)
                return -ENOMEM;
        lines[report->n_lines++] = (struct config_report_line){ .error = error, .text = text };
        if (error)
                report->n_errors++;
        return 0;
}

int config_report_error(struct config_report *report, const char *format, ...) {
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = report_add(report, true, format, arguments);
        va_end(arguments);
        return r;
}

int config_report_warning(struct config_report *report, const char *format, ...) {
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = report_add(report, false, format, arguments);
        va_end(arguments);
        return r;
}

void config_report_deinit(struct config_report *report) {
        for (size_t i = 0; i < report->n_lines; i++)
                free(report->lines[i].text);
        free(report->lines);
        *report = (struct config_report) CONFIG_REPORT_NULL;
}
