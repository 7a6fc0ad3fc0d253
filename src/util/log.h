/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>
#include <sys/uio.h>

#include "util/macro.h"
#include "util/time.h"

/* Where lines go: to the journal when standard error is the journal's (JOURNAL_STREAM), otherwise to
 * standard error as readable text, one line a message, fields in brackets behind it. */
int log_setup(const char *role, const char *instance, int worker);

/* What the journal did not take waits in memory: tries again, for as long as `patience`. To be called now and then, and at
 * the end. Returns whether nothing waits. */
bool log_flush(usec_t patience);

/* At the end of a process: the last lines may take this long. */
#define LOG_FLUSH_AT_END (200 * USEC_PER_MSEC)

/* Lines above this syslog level are not made. LOG_INFO at start. */
void log_set_level(int level);
int log_get_level(void);

/* One line. `error` is a negative errno for %m, or 0; errno itself is kept.
 * Returns `error`, so that `return log_error(r, "…: %m")` both says and passes it. */
int log_full(int level, int error, const char *format, ...) _printf_(3, 4);
int log_fullv(int level, int error, const char *format, va_list arguments) _printf_(3, 0);

/* One line with structured fields: `fields` is a NULL-terminated array of "KEY=value" strings. */
int log_fields(int level, int error, const char *const *fields, const char *format, ...) _printf_(4, 5);

#define log_debug(...)          log_full(LOG_DEBUG, 0, __VA_ARGS__)
#define log_info(...)           log_full(LOG_INFO, 0, __VA_ARGS__)
#define log_notice(...)         log_full(LOG_NOTICE, 0, __VA_ARGS__)
#define log_warning(error, ...) log_full(LOG_WARNING, error, __VA_ARGS__)
#define log_error(error, ...)   log_full(LOG_ERR, error, __VA_ARGS__)
#define log_oom()               log_full(LOG_ERR, -ENOMEM, "Out of memory")

/* The names "emerg" … "debug" of the levels; -EINVAL for another name. */
int log_level_parse(const char *name);
const char *log_level_name(int level);
