/* SPDX-License-Identifier: MIT */

/*
 * muster-master: reads its command line and its configuration, then runs the service.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "config/config.h"
#include "master/master.h"
#include "master/upgrade.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/title.h"

static void print_help(void) {
        (void) puts("muster-master --config FILE [OPTIONS]\n"
                    "\n"
                    "Runs a C application as a crash-proof, multi-process HTTP service.\n"
                    "\n"
                    "  -c, --config FILE        the configuration; FILE.d/*.conf is read after it\n"
                    "  -i, --instance NAME      the name of the service, by default that of the file\n"
                    "  -o SECTION.KEY=VALUE     a setting that overrides the files; may be repeated\n"
                    "      --check              check the configuration and exit: 0 good, 1 bad\n"
                    "      --take-over FD       go on with the state in a descriptor, in an upgrade\n"
                    "  -h, --help               this text\n"
                    "      --version            the version\n"
                    "\n"
                    "See muster(7) and muster.conf(5).");
}

static bool parse_descriptor(const char *text, int *ret) {
        uint64_t fd;

        if (parse_uint64(text, &fd) < 0 || fd <= STDERR_FILENO || fd > INT32_MAX) {
                (void) log_error(0, "--take-over %s: not a descriptor", text);
                return false;
        }
        *ret = (int) fd;
        return true;
}

/* Returns 1 to go on, 0 when all is done, -EINVAL for a command line that makes no sense. */
static int parse_arguments(struct master_arguments *arguments, int argc, char **argv) {
        enum { OPTION_CHECK = 256, OPTION_VERSION, OPTION_TAKE_OVER };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "instance", required_argument, NULL, 'i' },
                { "check", no_argument, NULL, OPTION_CHECK },
                { "take-over", required_argument, NULL, OPTION_TAKE_OVER },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, OPTION_VERSION },
                {},
        };
        int option;

        while ((option = getopt_long(argc, argv, "c:i:o:h", options, NULL)) >= 0)
                switch (option) {
                case 'c':
                        arguments->config = optarg;
                        break;
                case 'i':
                        arguments->instance = optarg;
                        break;
                case 'o':
                        arguments->overrides[arguments->n_overrides++] = optarg;
                        break;
                case OPTION_CHECK:
                        arguments->check = true;
                        break;
                case OPTION_TAKE_OVER:
                        if (!parse_descriptor(optarg, &arguments->handover_fd))
                                return -EINVAL;
                        break;
                case 'h':
                        print_help();
                        return 0;
                case OPTION_VERSION:
                        (void) puts("muster " PACKAGE_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc)
                (void) log_error(0, "%s: what is this? Only options are taken, see --help", argv[optind]);
        else if (!arguments->config)
                (void) log_error(0, "--config FILE is missing, see --help");
        else
                return 1;
        return -EINVAL;
}

/* The process title is written over the argument vector, so what is still needed of it later is copied. */
static int keep_arguments(struct master_arguments *arguments, const char *instance) {
        arguments->config = strdup(arguments->config);
        arguments->instance = strdup(instance);
        if (!arguments->config || !arguments->instance)
                return log_oom();
        for (size_t i = 0; i < arguments->n_overrides; i++) {
                arguments->overrides[i] = strdup(arguments->overrides[i]);
                if (!arguments->overrides[i])
                        return log_oom();
        }
        return 0;
}

/* The configuration is NULL where another master has left it. */
static int run(struct master_arguments *arguments, const char *instance, struct config *config,
               char **argv) {
        char title[128];
        int r;

        (void) log_setup("master", instance, -1);
        r = keep_arguments(arguments, instance);
        if (r < 0)
                return MASTER_EXIT_FAILURE;
        (void) snprintf(title, sizeof(title), "muster-master: %s", arguments->instance);
        r = title_set(argv, title);
        if (r < 0)
                log_warning(r, "Failed to set the process title, ignoring: %m");
        return master_run(arguments, config);
}

static int take_over(struct master_arguments *arguments, char **argv) {
        if (arguments->check)
                return takeover_check(arguments->handover_fd) < 0 ? MASTER_EXIT_FAILURE : EXIT_SUCCESS;
        if (!arguments->instance) {
                (void) log_error(0, "--take-over: --instance NAME is missing");
                return MASTER_EXIT_FAILURE;
        }
        return run(arguments, arguments->instance, NULL, argv);
}

int main(int argc, char **argv) {
        /* static: it lives as long as the process, and so does what it holds */
        static struct master_arguments arguments = { .handover_fd = -1 };
        _cleanup_free_ char *reason = NULL;
        struct config *config;
        int r;

        (void) log_setup("master", "?", -1);
        arguments.overrides = calloc((size_t) argc + 1, sizeof(*arguments.overrides));
        if (!arguments.overrides) {
                log_oom();
                return MASTER_EXIT_FAILURE;
        }
        r = parse_arguments(&arguments, argc, argv);
        if (r <= 0)
                return r < 0 ? MASTER_EXIT_FAILURE : EXIT_SUCCESS;
        if (arguments.handover_fd >= 0)
                return take_over(&arguments, argv);

        r = master_load_config(&arguments, &config, &reason);
        if (arguments.check) {
                if (r >= 0)
                        config_free(config);
                return r < 0 ? MASTER_EXIT_FAILURE : EXIT_SUCCESS;
        }
        if (r < 0) {
                (void) sd_notifyf(0, "STATUS=%s",
                                  reason ?: "out of memory"); /* what `systemctl status` shows */
                return MASTER_EXIT_CONFIG;
        }
        log_set_level(config->log.level);
        return run(&arguments, config->instance, config, argv);
}
