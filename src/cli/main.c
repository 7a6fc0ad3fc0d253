/* SPDX-License-Identifier: MIT */

/*
 * musterctl: the operator's hand on a running service.
 */

#include <stdio.h>

#include "cli/instance.h"
#include "cli/verb.h"

#define HEAD_WIDTH 34 /* of the verbs in the help */

struct verb {
        const char *name;
        bool wants_instance;
        int least, most; /* words beside the instance, all numbers where there is an instance; -1: any */
        int (*run)(const struct arguments *arguments);
        const char *usage;
        const char *help;
        const char *const *actions; /* what the first word beside the instance is one of; NULL: see most */
};

/* The words are no numbers, and may be anything. */
static const char *const any_words[] = { NULL };

static const struct verb verbs[] = {
        { "status", true, 0, 0, verb_status, "[NAME]", "how a service is" },
        { "top", true, 0, 0, verb_top, "[NAME]", "the same from moment to moment" },
        { "list", false, 0, 0, verb_list, "", "all instances there are" },
        { "reload", true, 0, 0, verb_reload, "[NAME]",
          "read configuration and application again, and wait" },
        { "upgrade", true, 0, 0, verb_upgrade, "[NAME]", "go over to what is installed now, and wait" },
        { "restart", true, 0, 1, verb_restart, "[NAME] [WORKER]",
          "another worker in its place, one after another" },
        { "scale", true, 1, 1, verb_scale, "[NAME] N", "that many workers" },
        { "stop", true, 1, 1, verb_stop, "[NAME] WORKER", "let a worker finish and leave its place empty" },
        { "quarantine", true, 0, 0, verb_quarantine, "[NAME]", "what is refused since it crashes workers" },
        { "counters", true, 0, 0, verb_counters, "[NAME]", "what the application counts" },
        { "schedule", true, 0, 2, verb_schedule, "[NAME] [run|pause|resume SCHEDULE]",
          "what runs when, and how it went", schedule_actions },
        { "send", true, 1, 2, verb_send, "[NAME] ACTION [DATA] --to TARGET", "a message to the application",
          any_words },
        { "monitor", true, 0, 0, verb_monitor, "[NAME]", "the messages that pass, as they do" },
        { "config", true, 0, 0, verb_config, "[NAME]", "every setting, and where it comes from" },
        { "check", false, 0, 1, verb_check, "[NAME|FILE]", "whether a configuration is good" },
        { "logs", false, 0, -1, verb_logs, "[NAME] [JOURNALCTL OPTIONS]", "what the journal has of it" },
};

static void print_help(void) {
        (void) puts("musterctl [OPTIONS] VERB [NAME] …\n"
                    "\n"
                    "Looks at services that muster runs, and steers them.\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                char head[64];

                if (snprintf(head, sizeof(head), "%s %s", verbs[i].name, verbs[i].usage) > HEAD_WIDTH) {
                        (void) printf("  %s\n", head);
                        head[0] = '\0';
                }
                (void) printf("  %-*s %s\n", HEAD_WIDTH, head, verbs[i].help);
        }
        (void) puts(
                "\n"
                "NAME may be left out where only one instance runs.\n"
                "\n"
                "  -i, --instance NAME      the instance, also one whose name is a number\n"
                "      --json               the answer as JSON\n"
                "  -d, --delay SPAN         of top: how often, 2s\n"
                "  -n, --iterations N       of top, monitor: end after so many\n"
                "  -b, --batch              of top: one after the other, as text\n"
                "      --lift NUMBER|all    of quarantine: let it out\n"
                "      --add REQUEST        of quarantine: put in, such as \"GET /items/7\"\n"
                "      --add-route ROUTE    of quarantine: put in, such as \"GET /items/{id}\"\n"
                "      --time SPAN          of quarantine: for how long\n"
                "      --to TARGET          of send: app, agent, all, random or a pid\n"
                "      --action PATTERN     of monitor: only these, such as \"refresh*\"\n"
                "  -h, --help               this text\n"
                "      --version            the version\n"
                "\n"
                "Ends with 0 when all is well, 1 when something failed, 2 for a command line that makes no\n"
                "sense, 3 when the instance is not running, 4 when you may not, 5 when only the master was\n"
                "upgraded. See musterctl(1).");
}

static const struct verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}

static int usage(const struct verb *verb) {
        (void) fprintf(stderr, "musterctl: Usage: musterctl %s %s\n", verb->name, verb->usage);
        return EXIT_USAGE;
}

/* Nobody was named: is it clear who is meant? */
static int choose_instance(const struct instances *instances, struct arguments *arguments) {
        const struct instance *only = instances_only(instances);

        if (only) {
                arguments->instance = only->name;
                return EXIT_OK;
        }
        if (instances->n == 0) {
                (void) fputs("musterctl: No instance is running or configured\n", stderr);
                return EXIT_NOT_RUNNING;
        }
        (void) fputs("musterctl: Name one of:", stderr);
        for (size_t i = 0; i < instances->n; i++)
                (void) fprintf(stderr, " %s", instances->all[i].name);
        (void) fputc('\n', stderr);
        return EXIT_USAGE;
}

static int run_for_instance(const struct verb *verb, struct arguments *arguments) {
        _cleanup_instances_ struct instances instances = INSTANCES_NULL;
        int r;

        if (instances_find(&instances) < 0) {
                (void) fputs("musterctl: Out of memory\n", stderr);
                return EXIT_FAILED;
        }
        if (verb->actions == any_words)
                arguments_take_known_instance(arguments, verb->most, &instances);
        else if (verb->actions)
                arguments_take_instance_before(arguments, verb->actions);
        else
                arguments_take_instance(arguments, verb->most);
        if (arguments->n_words < verb->least || arguments->n_words > verb->most)
                return usage(verb);
        if (arguments->instance)
                return verb->run(arguments);
        r = choose_instance(&instances, arguments);
        return r == EXIT_OK ? verb->run(arguments) : r;
}

int main(int argc, char **argv) {
        struct arguments arguments;
        const struct verb *verb;

        if (arguments_parse(&arguments, argc, argv) < 0)
                return EXIT_USAGE;
        if (arguments.help) {
                print_help();
                return EXIT_OK;
        }
        if (arguments.version) {
                (void) puts("muster " PACKAGE_VERSION);
                return EXIT_OK;
        }
        if (!arguments.verb) {
                (void) fputs("musterctl: What shall be done? See musterctl --help\n", stderr);
                return EXIT_USAGE;
        }
        verb = find_verb(arguments.verb);
        if (!verb) {
                (void) fprintf(stderr, "musterctl: %s: no such verb, see musterctl --help\n",
                               arguments.verb);
                return EXIT_USAGE;
        }
        if (verb->wants_instance)
                return run_for_instance(verb, &arguments);
        if (verb->most >= 0 && arguments.n_words > verb->most)
                return usage(verb);
        return verb->run(&arguments);
}
