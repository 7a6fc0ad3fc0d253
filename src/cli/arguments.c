/* SPDX-License-Identifier: MIT */

/*
 * The command line: musterctl [OPTIONS] VERB [NAME] [WORDS].
 *
 * The name may be left out where only one instance is meant anyway. So that `restart 2` and `restart hello` are told
 * apart, a number that stands where a word of the verb may stand is that word. An instance whose name is a number is
 * named by --instance, or with all words present. Options may stand anywhere, but for `logs`, whose words
 * belong to journalctl as they are.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "cli/arguments.h"
#include "util/macro.h"
#include "util/parse.h"

#define DELAY_DEFAULT (2 * USEC_PER_SEC)
#define DELAY_MIN     (100 * USEC_PER_MSEC)

enum {
        OPTION_JSON = 256,
        OPTION_VERSION,
        OPTION_LIFT,
        OPTION_ADD,
        OPTION_ADD_ROUTE,
        OPTION_TIME,
        OPTION_TO,
        OPTION_ACTION,
};

static const struct option options[] = {
        { "instance", required_argument, NULL, 'i' },
        { "json", no_argument, NULL, OPTION_JSON },
        { "batch", no_argument, NULL, 'b' },
        { "delay", required_argument, NULL, 'd' },
        { "iterations", required_argument, NULL, 'n' },
        { "lift", required_argument, NULL, OPTION_LIFT },
        { "add", required_argument, NULL, OPTION_ADD },
        { "add-route", required_argument, NULL, OPTION_ADD_ROUTE },
        { "time", required_argument, NULL, OPTION_TIME },
        { "to", required_argument, NULL, OPTION_TO },
        { "action", required_argument, NULL, OPTION_ACTION },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        {},
};

static int complain(const char *what, const char *text) {
        (void) fprintf(stderr, "musterctl: %s: %s\n", text, what);
        return -EINVAL;
}

static bool is_target(const char *word) {
        static const char *const targets[] = { "app", "agent", "all", "random" };

        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                if (streq(word, targets[i]))
                        return true;
        return argument_is_number(word);
}

static int take_option(struct arguments *arguments, int option) {
        switch (option) {
        case 'i':
                arguments->instance = optarg;
                return 0;
        case OPTION_JSON:
                arguments->json = true;
                return 0;
        case 'b':
                arguments->batch = true;
                return 0;
        case 'd':
                if (usec_parse(optarg, &arguments->delay) < 0 || arguments->delay < DELAY_MIN)
                        return complain("no span of at least 100ms", optarg);
                return 0;
        case 'n':
                if (parse_uint64(optarg, &arguments->iterations) < 0 || arguments->iterations == 0)
                        return complain("no number from 1", optarg);
                return 0;
        case OPTION_LIFT:
                arguments->lift = optarg;
                return argument_is_number(optarg) || streq(optarg, "all")
                               ? 0
                               : complain("neither a number nor \"all\"", optarg);
        case OPTION_ADD:
        case OPTION_ADD_ROUTE:
                arguments->add = optarg;
                arguments->add_route = option == OPTION_ADD_ROUTE;
                return 0;
        case OPTION_TIME:
                if (usec_parse(optarg, &arguments->time) < 0 || arguments->time == 0)
                        return complain("no span of time", optarg);
                return 0;
        case OPTION_TO:
                arguments->to = optarg;
                return is_target(optarg) ? 0 : complain("neither app, agent, all, random nor a pid", optarg);
        case OPTION_ACTION:
                arguments->pattern = optarg;
                return 0;
        case 'h':
                arguments->help = true;
                return 0;
        case OPTION_VERSION:
                arguments->version = true;
                return 0;
        default:
                return -EINVAL; /* getopt has said it */
        }
}

int arguments_parse(struct arguments *ret, int argc, char **argv) {
        struct arguments arguments = { .delay = DELAY_DEFAULT };
        char *program = argv[0];
        int option, r;

        /* Up to the verb, and then the rest, wherever it stands */
        optind = 0;
        for (;;) {
                const char *form = arguments.verb ? "i:bd:n:h" : "+i:bd:n:h";

                while ((option = getopt_long(argc, argv, form, options, NULL)) >= 0) {
                        r = take_option(&arguments, option);
                        if (r < 0)
                                return r;
                }
                if (arguments.verb || optind >= argc)
                        break;
                arguments.verb = argv[optind];
                argv += optind;
                argc -= optind;
                argv[0] = program; /* who getopt says it is */
                optind = streq(arguments.verb, "logs") ? 1 : 0;
                if (optind > 0)
                        break;
        }
        if (arguments.verb) {
                arguments.words = argv + optind;
                arguments.n_words = argc - optind;
        }
        *ret = arguments;
        return 0;
}

bool argument_is_number(const char *word) {
        return *word && strspn(word, "0123456789") == strlen(word);
}

static void take_first_word(struct arguments *arguments) {
        arguments->instance = arguments->words[0];
        arguments->words++;
        arguments->n_words--;
}

void arguments_take_instance(struct arguments *arguments, int most) {
        if (arguments->instance || arguments->n_words == 0)
                return;
        if (arguments->n_words <= most && argument_is_number(arguments->words[0]))
                return;
        take_first_word(arguments);
}

void arguments_take_known_instance(struct arguments *arguments, int most,
                                   const struct instances *instances) {
        if (arguments->instance || arguments->n_words == 0)
                return;
        if (arguments->n_words > most || instances_know(instances, arguments->words[0]))
                take_first_word(arguments);
}

static bool is_one_of(const char *word, const char *const *actions) {
        while (*actions && !streq(*actions, word))
                actions++;
        return *actions;
}

void arguments_take_instance_before(struct arguments *arguments, const char *const *actions) {
        if (arguments->instance || arguments->n_words == 0)
                return;
        if (is_one_of(arguments->words[0], actions) &&
            (arguments->n_words == 1 || !is_one_of(arguments->words[1], actions)))
                return;
        arguments->instance = arguments->words[0];
        arguments->words++;
        arguments->n_words--;
}
