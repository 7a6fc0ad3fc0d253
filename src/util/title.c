/* SPDX-License-Identifier: MIT */

/*
 * The process title.
 *
 * What ps shows is the memory that the kernel put the arguments in, so a longer title needs the room
 * behind them, where the environment is. The environment is therefore copied away first; the copy lives
 * as long as the process, since anyone may hold a pointer into it. A title that does not fit is cut.
 * The kernel knows this trick: when the last byte of the arguments is overwritten it reads on into the
 * old environment, otherwise the zero bytes behind the title end it.
 */

#include <errno.h>
#include <unistd.h>

#include "util/macro.h"
#include "util/title.h"

/* Where the strings that begin right at `end` end, walking over neighbours only. */
static char *area_end(char *const *strings, char *end) {
        for (; *strings && *strings == end; strings++)
                end += strlen(*strings) + 1;
        return end;
}

/* The copy is one block, which stays known here: the pointers into it come and go with unsetenv(). */
static char *moved;

static int move_environment(void) {
        size_t n = 0, size = 0;
        char **copy, *end;

        while (environ[n])
                size += strlen(environ[n++]) + 1;
        copy = calloc(n + 1, sizeof(*copy));
        end = malloc(size + 1);
        if (!copy || !end) {
                free(copy);
                free(end);
                return -ENOMEM;
        }
        moved = end;
        for (size_t i = 0; i < n; i++) {
                copy[i] = end;
                end = stpcpy(end, environ[i]) + 1;
        }
        environ = copy;
        return 0;
}

int title_set(char **argv, const char *title) {
        char *start, *end;
        size_t length;
        int r;

        start = argv ? argv[0] : NULL;
        if (!start || !title)
                return -EINVAL;
        end = area_end(argv, start);
        if (environ) {
                end = area_end(environ, end);
                r = move_environment();
                if (r < 0)
                        return r;
        }

        length = MIN(strlen(title), (size_t) (end - start) - 1);
        memset(start, 0, (size_t) (end - start));
        memcpy(start, title, length);
        /* The other arguments are gone; whoever looks at argv again shall not read half a title. */
        argv[1] = NULL;
        return 0;
}
