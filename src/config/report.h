/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/macro.h"

struct config_report_line {
        bool error; /* or only a warning */
        char *text; /* readable, one line, no newline */
};

/* Everything that was found wrong, in the order it was found. */
struct config_report {
        struct config_report_line *lines;
        size_t n_lines;
        size_t n_errors;
};

#define CONFIG_REPORT_NULL                                                                                  \
        { 0 }

/* Add a line: return 0 or -ENOMEM. */
int config_report_error(struct config_report *report, const char *format, ...) _printf_(2, 3);
int config_report_warning(struct config_report *report, const char *format, ...) _printf_(2, 3);

void config_report_deinit(struct config_report *report);

#define _cleanup_report_ _cleanup_(config_report_deinit)
