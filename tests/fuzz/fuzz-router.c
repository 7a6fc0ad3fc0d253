/* SPDX-License-Identifier: MIT */

/*
 * Targets and routes: any target against a table that has all kinds of patterns, and any table. What comes out
 * of a target never climbs; what a route says it matched is there.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "app/arena.h"
#include "app/router.h"
#include "app/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void handler(struct muster_request *request) {
}

static const struct muster_route routes[] = {
        { "GET", "/", handler },
        { "GET", "/items", handler },
        { "GET", "/items/{id}", handler },
        { "POST", "/items/{id}", handler },
        { "*", "/items/{id}/parts/{part}", handler },
        { "GET", "/items/new", handler },
        { "GET", "/files/{path...}", handler },
        { "DELETE", "/files/{path...}", handler },
        {},
};

static void require(bool promise) {
        if (!promise)
                abort();
}

static void check_path(const struct target *target) {
        require(strlen(target->path) == target->size);
        for (const char *s = target_first(target); s; s = target_next(target, s))
                require(!streq(s, ".") && !streq(s, ".."));
}

static void check_match(const struct router *router, struct arena *arena, const char *method,
                        const struct target *target) {
        struct router_match match;

        if (router_match(router, method, target, arena, &match) < 0)
                return;
        if (!match.route) {
                require(match.status == 404 || match.status == 405 || match.status == 204);
                require((match.status == 404 || target->asterisk) == (match.allow == NULL));
                return;
        }
        for (size_t i = 0; i < match.route->n_params; i++)
                require(match.params[i] != NULL);
}

/* Reads the rest as a table: a line is "METHOD PATH". */
static void try_table(char *text) {
        struct muster_route table[17] = {};
        struct router *router = NULL;
        char *reason = NULL, *save = NULL;
        size_t n = 0;

        for (char *line = strtok_r(text, "\n", &save); line && n < 16; line = strtok_r(NULL, "\n", &save)) {
                char *space = strchr(line, ' ');

                if (!space)
                        continue;
                *space = '\0';
                table[n++] = (struct muster_route){ line, space + 1, handler };
        }
        if (router_new(&router, table, &reason) < 0)
                require(router == NULL);
        router_free(router);
        free(reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        static struct router *router;
        static struct arena arena;
        char *text = malloc(size + 1), *reason = NULL, *line;
        struct target target;

        if (!text)
                return 0;
        if (!router)
                require(router_new(&router, routes, &reason) == 0);
        memcpy(text, bytes, size);
        text[size] = '\0';

        /* The first line is "METHOD TARGET". */
        line = strchr(text, '\n');
        if (line)
                *line = '\0';
        if (strchr(text, ' ')) {
                char *at = strchr(text, ' ');

                *at = '\0';
                if (target_parse(&target, &arena, at + 1) == 0) {
                        check_path(&target);
                        check_match(router, &arena, text, &target);
                }
        }
        if (line)
                try_table(line + 1);
        arena_reset(&arena);
        free(text);
        return 0;
}
