/* SPDX-License-Identifier: MIT */
#pragma once

/* The Content-Type for a file by its name's ending, application/octet-stream where that says nothing. */
const char *media_type_of(const char *path);
