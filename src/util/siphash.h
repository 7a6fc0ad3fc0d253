/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4: a hash that nobody can aim without the key. Async-signal-safe. */
uint64_t siphash24(const uint64_t key[2], const void *bytes, size_t size);
