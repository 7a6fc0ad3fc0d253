/* SPDX-License-Identifier: MIT */

/*
 * Prints when schedules come, for the test that compares it with other programs' answers. Each line of standard input is
 * COUNT, AFTER in seconds since 1970 and the expression, with tabs between; the answer is one line, with COUNT times or the
 * reason why the expression is refused. The zone is that of TZ. It is not installed.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/cron.h"
#include "util/macro.h"

static void answer(const char *text, usec_t after, unsigned long count) {
        char reason[CRON_REASON_MAX];
        struct cron cron;

        if (cron_parse(text, &cron, reason, sizeof(reason)) < 0) {
                (void) printf("refused: %s\n", reason);
                return;
        }
        for (unsigned long i = 0; i < count && after != USEC_NEVER; i++) {
                after = cron_next(&cron, after);
                if (after == USEC_NEVER)
                        (void) printf("%snever", i > 0 ? " " : "");
                else
                        (void) printf("%s%" PRIu64, i > 0 ? " " : "", after / USEC_PER_SEC);
        }
        (void) putchar('\n');
}

int main(void) {
        _cleanup_free_ char *line = NULL;
        size_t room = 0;
        ssize_t n;

        while ((n = getline(&line, &room, stdin)) > 0) {
                unsigned long count;
                char *after, *text;
                usec_t time;

                line[n - (line[n - 1] == '\n')] = '\0';
                count = strtoul(line, &after, 10);
                time = strtoull(after, &text, 10) * USEC_PER_SEC;
                answer(text + (*text == '\t'), time, count);
        }
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
