/* SPDX-License-Identifier: MIT */

/*
 * musterctl logs: journalctl, which knows everything about showing logs, with the match that finds those of an instance.
 *
 * The unit is matched and not MUSTER_INSTANCE=, so that what systemd says about the service is there too, and
 * the application's own lines on standard error.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/instance.h"
#include "cli/verb.h"

static int run_journalctl(const char *instance, char *const *words, int n_words) {
        _cleanup_free_ char **argv = NULL;
        _cleanup_free_ char *unit = NULL;
        size_t n = 0;

        if (asprintf(&unit, "--unit=muster@%s.service", instance) < 0)
                unit = NULL;
        argv = (char **) calloc((size_t) n_words + 3, sizeof(*argv));
        if (!unit || !argv) {
                (void) fputs("musterctl: Out of memory\n", stderr);
                return EXIT_FAILED;
        }
        argv[n++] = (char *) "journalctl";
        argv[n++] = unit;
        for (int i = 0; i < n_words; i++)
                argv[n++] = words[i];
        (void) execvp(argv[0], argv);
        (void) fprintf(stderr, "musterctl: Cannot run journalctl: %s\n", strerror(errno));
        return EXIT_FAILED;
}

int verb_logs(const struct arguments *arguments) {
        _cleanup_instances_ struct instances instances = INSTANCES_NULL;
        const struct instance *only;
        char *const *words = arguments->words;
        int n_words = arguments->n_words;

        if (arguments->instance)
                return run_journalctl(arguments->instance, words, n_words);
        if (n_words > 0 && words[0][0] != '-')
                return run_journalctl(words[0], words + 1, n_words - 1);
        only = instances_find(&instances) < 0 ? NULL : instances_only(&instances);
        if (!only) {
                (void) fputs("musterctl: Name the instance: musterctl logs NAME\n", stderr);
                return EXIT_USAGE;
        }
        return run_journalctl(only->name, words, n_words);
}
