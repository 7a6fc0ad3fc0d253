/* SPDX-License-Identifier: MIT */
#pragma once

#include <microhttpd.h>

struct exchange;
struct response;

/* Makes the answer for a file, after the request's conditions and range. Takes the descriptor out of the
 * response. NULL when there is no memory. */
struct MHD_Response *file_answer(struct exchange *exchange, struct response *response,
                                 unsigned int *ret_status);
