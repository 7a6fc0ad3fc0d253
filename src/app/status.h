/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* A short text that says a status, "404 Not Found\n". It never goes away. */
const char *status_text(unsigned int status, size_t *ret_size);
