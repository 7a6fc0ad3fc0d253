/* SPDX-License-Identifier: MIT */

/*
 * The configuration from any file: it is loaded or refused with a reason, and what was loaded survives the way
 * to a child unchanged. The copy that children get is tried as any text too.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "util/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool promise) {
        if (!promise)
                abort();
}

static void try_round_trip(const struct config *config) {
        _cleanup_free_ char *text = NULL, *again = NULL;
        _cleanup_config_ struct config *copy = NULL;
        size_t size, size_again;

        if (config_serialize(config, &text, &size) < 0)
                return;
        require(config_deserialize(&copy, text, size) == 0);
        require(config_serialize(copy, &again, &size_again) == 0);
        require(size == size_again && memcmp(text, again, size) == 0);
}

static void try_file(const uint8_t *bytes, size_t size) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        _cleanup_config_ struct config *config = NULL;
        _cleanup_fd_ int fd = -1;
        char path[64];
        int r;

        fd = fd_memfd_sealed("fuzz", bytes, size);
        if (fd < 0)
                return;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        r = config_load(&config, path, "fuzz", NULL, &report);
        if (r == 0)
                try_round_trip(config);
        else
                require(report.n_errors > 0 && config == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        _cleanup_config_ struct config *config = NULL;

        if (size > 8192)
                return 0;
        if (config_deserialize(&config, (const char *) bytes, size) == 0)
                try_round_trip(config);
        try_file(bytes, size);
        return 0;
}
