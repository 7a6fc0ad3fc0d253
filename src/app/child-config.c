/* SPDX-License-Identifier: MIT */

/*
 * Where a child has its configuration from: its master, or, when it runs alone for debugging, the command line.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "app/child-config.h"
#include "util/fd.h"
#include "util/log.h"

#define CONFIG_SIZE_MAX ((size_t) 1024 * 1024)
#define OVERRIDES_MAX   64

int child_config_inherit(struct config **ret, struct heritage *heritage) {
        _cleanup_free_ char *text = NULL;
        char path[64];
        size_t size;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", heritage->config_fd);
        r = fd_read_file(path, CONFIG_SIZE_MAX, &text, &size);
        if (r < 0)
                return log_error(r, "Failed to read the inherited configuration: %m");
        heritage->config_fd = fd_close(heritage->config_fd);
        r = config_deserialize(ret, text, size);
        if (r < 0)
                return log_error(r, "The inherited configuration is damaged: %m");
        return 0;
}

int child_config_load(struct config **ret, struct heritage *heritage, int argc, char **argv) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "instance", required_argument, NULL, 'i' },
                {},
        };
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        const char *overrides[OVERRIDES_MAX + 1] = { NULL }, *path = NULL, *instance = NULL;
        size_t n_overrides = 0;
        int option, r;

        while ((option = getopt_long(argc, argv, "c:i:o:", options, NULL)) >= 0)
                if (option == 'c')
                        path = optarg;
                else if (option == 'i')
                        instance = optarg;
                else if (option == 'o' && n_overrides < OVERRIDES_MAX)
                        overrides[n_overrides++] = optarg;
                else
                        return -EINVAL;
        if (!path)
                return log_error(-EINVAL,
                                 "Started without a master: --config FILE is needed, and sockets from "
                                 "systemd-socket-activate");
        r = config_load(ret, path, instance, overrides, &report);
        for (size_t i = 0; i < report.n_lines; i++)
                log_full(report.lines[i].error ? LOG_ERR : LOG_WARNING, 0, "%s", report.lines[i].text);
        if (r < 0)
                return log_error(r, "Cannot use the configuration %s: %m", path);
        heritage->instance = strdup((*ret)->instance);
        return heritage->instance ? 0 : log_oom();
}
