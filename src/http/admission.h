/* SPDX-License-Identifier: MIT */
#pragma once

struct exchange;

/* The request line is there, and the target still in libmicrohttpd's buffer. */
void admission_begin(struct exchange *exchange, const char *target);

/* The header is there. Returns 0 for a request that is let in, and its route or planned status are set; or the status
 * that answers it at once. */
unsigned int admission_decide(struct exchange *exchange, const char *method, const char *version);
