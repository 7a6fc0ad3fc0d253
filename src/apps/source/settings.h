/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include <muster/app.h>

/* What [app] says. The texts are muster's. */
struct settings {
        const char *url;
        const char *subject; /* NULL for no push */
        const char *ca_file; /* NULL for the system's */
        uint64_t connect_timeout;
        uint64_t timeout;
        uint64_t max_size;
        uint64_t max_redirects;
        uint64_t spacing;
        uint64_t fresh_for;
        uint64_t first_wait;
};

/* 0, or a negative errno with the reason set as muster_fail() does. */
int settings_read(struct settings *settings, struct muster *muster);
