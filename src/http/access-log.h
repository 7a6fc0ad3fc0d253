/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

struct exchange;

/* Logs an answer if `[log] access` or `[log] slow` wants it; costs nothing when both are off. */
void access_log(struct exchange *exchange, unsigned int status, uint64_t size);
