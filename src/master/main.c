/* SPDX-License-Identifier: MIT */

/*
 * muster-master: reads its command line and its configuration, then runs the service.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include <systemd/sd-daemon.h>

#include "config/config.h"
#include "master/master.h"
#include "util/log.h"
#include "util/title.h"

struct arguments {
        const char *config;
        const char *instance;
        bool check;
        const char **overrides; /* NULL-terminated */
        size_t n_overrides;
};

static void print_help(void) {
        (void) puts("muster-master --config FILE [OPTIONS]\n"
                    "\n"
                    "Runs a C application as a crash-proof, multi-process HTTP service.\n"
                    "\n"
                    "  -c, --config FILE        the configuration; FILE.d/*.conf is read after it\n"
                    "  -i, --instance NAME      the name of the service, by default that of the file\n"
                    "  -o SECTION.KEY=VALUE     a setting that overrides the files; may be repeated\n"
                    "      --check              check the configuration and exit: 0 good, 1 bad\n"
                    "  -h, --help               this text\n"
                    "      --version            the version\n"
                    "\n"
                    "See muster(7) and muster.conf(5).");
}

/* Returns 1 to go on, 0 when all is done, -EINVAL for a command line that makes no sense. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv) {
        enum { OPTION_CHECK = 256, OPTION_VERSION };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "instance", required_argument, NULL, 'i' },
                { "check", no_argument, NULL, OPTION_CHECK },
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
                return log_error(-EINVAL, "%s: what is this? Only options are taken, see --help",
                                 argv[optind]);
        if (!arguments->config)
                return log_error(-EINVAL, "--config FILE is missing, see --help");
        return 1;
}

static void log_report(const struct config_report *report) {
        for (size_t i = 0; i < report->n_lines; i++)
                log_full(report->lines[i].error ? LOG_ERR : LOG_WARNING, 0, "%s", report->lines[i].text);
}

/* The first error is what `systemctl status` shows. */
static void notify_report(const struct config_report *report) {
        for (size_t i = 0; i < report->n_lines; i++)
                if (report->lines[i].error) {
                        (void) sd_notifyf(0, "STATUS=%s", report->lines[i].text);
                        return;
                }
}

static int load_config(const struct arguments *arguments, struct config **ret) {
        _cleanup_report_ struct config_report report = CONFIG_REPORT_NULL;
        int r;

        r = config_load(ret, arguments->config, arguments->instance, arguments->overrides, &report);
        log_report(&report);
        if (r < 0) {
                if (report.n_errors == 0)
                        (void) log_error(r, "Cannot read %s: %m", arguments->config);
                notify_report(&report);
        }
        return r;
}

static int run(const struct arguments *arguments, char **argv) {
        struct config *config;
        char title[128];
        int r;

        r = load_config(arguments, &config);
        if (arguments->check) {
                if (r >= 0)
                        config_free(config);
                return r < 0 ? MASTER_EXIT_FAILURE : EXIT_SUCCESS;
        }
        if (r < 0)
                return MASTER_EXIT_CONFIG;

        (void) log_setup("master", config->instance, -1);
        log_set_level(config->log.level);
        (void) snprintf(title, sizeof(title), "muster-master: %s", config->instance);
        r = title_set(argv, title);
        if (r < 0)
                log_warning(r, "Failed to set the process title, ignoring: %m");
        return master_run(config);
}

int main(int argc, char **argv) {
        _cleanup_free_ const char **overrides = NULL;
        struct arguments arguments = {};
        int r;

        (void) log_setup("master", "?", -1);
        overrides = calloc((size_t) argc + 1, sizeof(*overrides));
        if (!overrides) {
                log_oom();
                return MASTER_EXIT_FAILURE;
        }
        arguments.overrides = overrides;
        r = parse_arguments(&arguments, argc, argv);
        if (r <= 0)
                return r < 0 ? MASTER_EXIT_FAILURE : EXIT_SUCCESS;
        return run(&arguments, argv);
}
