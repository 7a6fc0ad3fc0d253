/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <muster/app.h>

#include "app/target.h"
#include "ipc/scoreboard.h"
#include "util/macro.h"

#define ROUTER_PARAMS_MAX 16

/* A route as the application declared it, and how it is called in the log. */
struct route {
        const struct muster_route *declared;
        char label[SCOREBOARD_ROUTE_SIZE]; /* "GET /items/{id}", zero-padded, cut to fit */
        size_t n_params;
        const char *params[ROUTER_PARAMS_MAX]; /* their names, in the order of the path */
        struct route *next;                    /* another method of the same path */
};

/* What a request matches. Without a route, `status` is the answer: 404; 405, and 204 to OPTIONS, with
 * `allow`. */
struct router_match {
        const struct route *route;
        unsigned int status;
        const char *allow;                     /* in the arena */
        const char *params[ROUTER_PARAMS_MAX]; /* the values, pointing into the target */
};

struct router;

/* Compiles a table (NULL: empty) into a matcher. -EINVAL for a bad path or method, -EEXIST for two rows that
 * can't be told apart, and then *ret_reason is a line that says which row and why (the caller frees it). */
int router_new(struct router **ret, const struct muster_route *routes, char **ret_reason);
struct router *router_free(struct router *router);
DEFINE_CLEANUP(struct router *, router_free);

/* Finds the route for a method and a path. Returns 0, or -ENOMEM. */
int router_match(const struct router *router, const char *method, const struct target *target,
                 struct arena *arena, struct router_match *ret);
