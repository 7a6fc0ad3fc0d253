/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/ini.h"

/* Reads the form of a text, without the values: adds an entry for each section and key to `ini`.
 * `name` is the file's, for the report. Returns 0, -EINVAL when something was reported, -ENOMEM. */
int ini_scan(struct ini *ini, const char *name, const char *text, size_t size, struct config_report *report);
