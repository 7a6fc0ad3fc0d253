/* SPDX-License-Identifier: MIT */

/*
 * Writes what is made from the table of keys: `write-sample sample` conf/muster.conf, `write-sample man`
 * the part of muster.conf(5). Run by the build and by whoever adds a key; it is not installed.
 */

#include <stdio.h>
#include <stdlib.h>

#include "config/sample.h"
#include "util/macro.h"

int main(int argc, char **argv) {
        int r;

        if (argc == 2 && streq(argv[1], "sample"))
                r = config_write_sample(stdout);
        else if (argc == 2 && streq(argv[1], "man"))
                r = config_write_man(stdout);
        else {
                (void) fprintf(stderr, "Usage: write-sample sample|man\n");
                return 2;
        }
        if (r < 0 || fflush(stdout) != 0) {
                (void) fprintf(stderr, "Cannot write\n");
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
