/* SPDX-License-Identifier: MIT */

/*
 * Which row of the route table a request is for.
 *
 * The paths form a tree with a level for each segment. A node has its literal children in order, so that
 * they are found by halving, at most one child for `{name}`, and at most one end for `{name...}`. A request
 * walks down the literal child first, then the `{name}` child, then the `{name...}`: the first end that has
 * a row for the method wins. Since every node has one way to it, a request visits each node once at worst,
 * however the patterns overlap.
 *
 * Both the path and the method decide: where the more specific path has no row for the method, a less
 * specific one that has is taken. Only when none has, the answer is 405, and its Allow lists what all of the
 * paths that fit offer.
 *
 * An ordinary match allocates nothing and copies nothing: parameters point into the target.
 */

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "app/router.h"
#include "util/macro.h"

struct node {
        char *segment;         /* NULL for {name} and for the root */
        struct node *literals; /* in order */
        size_t n_literals;
        struct node *param;
        struct route *here; /* the rows that end at this node */
        struct route *rest; /* the rows that end here with {name...} */
};

struct router {
        struct node root;
};

static const char token_marks[] = "!#$%&'*+-.^_`|~";

static bool is_method(const char *text) {
        if (!text || !*text)
                return false;
        for (; *text; text++)
                if (!(*text >= 'A' && *text <= 'Z') && !(*text >= 'a' && *text <= 'z') &&
                    !(*text >= '0' && *text <= '9') && !strchr(token_marks, *text))
                        return false;
        return true;
}

/* ---- Making the tree ---- */

static struct route *routes_free(struct route *route) {
        while (route) {
                struct route *next = route->next;

                for (size_t i = 0; i < route->n_params; i++)
                        free((char *) route->params[i]);
                free(route);
                route = next;
        }
        return NULL;
}

static void node_deinit(struct node *node) {
        for (size_t i = 0; i < node->n_literals; i++)
                node_deinit(&node->literals[i]);
        if (node->param)
                node_deinit(node->param);
        free(node->param);
        free(node->literals);
        free(node->segment);
        routes_free(node->here);
        routes_free(node->rest);
}

/* Where a literal is among the children, or would be. */
static size_t node_position(const struct node *node, const char *segment, bool *ret_found) {
        size_t low = 0, high = node->n_literals;

        *ret_found = false;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = strcmp(segment, node->literals[middle].segment);

                if (c == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (c < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

static struct node *node_literal(struct node *node, const char *text, size_t size) {
        _cleanup_free_ char *segment = strndup(text, size);
        struct node *larger;
        size_t at;
        bool found;

        if (!segment)
                return NULL;
        at = node_position(node, segment, &found);
        if (found)
                return &node->literals[at];

        larger = reallocarray(node->literals, node->n_literals + 1, sizeof(*larger));
        if (!larger)
                return NULL;
        node->literals = larger;
        memmove(larger + at + 1, larger + at, (node->n_literals - at) * sizeof(*larger));
        larger[at] = (struct node){ .segment = TAKE_PTR(segment) };
        node->n_literals++;
        return &larger[at];
}

static int add_param(struct route *route, const char *text, size_t size) {
        char *name;

        if (size == 0 || memchr(text, '{', size) || memchr(text, '}', size))
                return -EINVAL;
        if (route->n_params == ROUTER_PARAMS_MAX)
                return -E2BIG;
        name = strndup(text, size);
        if (!name)
                return -ENOMEM;
        for (size_t i = 0; i < route->n_params; i++)
                if (streq(route->params[i], name)) {
                        free(name);
                        return -EEXIST;
                }
        route->params[route->n_params++] = name;
        return 0;
}

/* Goes from a node to the one that a segment of a pattern leads to, making it if need be. *ret_rest is set
 * where the segment is a {name...}, which stays at its node. */
static int node_descend(struct node **node, struct route *route, const char *text, size_t size,
                        bool *ret_rest) {
        struct node *next;
        int r;

        *ret_rest = false;
        if (size >= 2 && text[0] == '{' && text[size - 1] == '}') {
                *ret_rest = size >= 5 && memcmp(text + size - 4, "...}", 4) == 0;
                r = add_param(route, text + 1, size - (*ret_rest ? 5 : 2));
                if (r < 0 || *ret_rest)
                        return r;
                if (!(*node)->param)
                        (*node)->param = calloc(1, sizeof(struct node));
                next = (*node)->param;
        } else {
                if (memchr(text, '{', size) || memchr(text, '}', size))
                        return -EINVAL;
                next = node_literal(*node, text, size);
        }
        if (!next)
                return -ENOMEM;
        *node = next;
        return 0;
}

/* Puts a row where its path ends, unless another row for the same method is there. The list keeps the
 * table's order, which is that of Allow. */
static int route_place(struct route **list, struct route *route) {
        for (; *list; list = &(*list)->next)
                if (streq((*list)->declared->method, route->declared->method))
                        return -ENOTUNIQ;
        *list = route;
        return 0;
}

static int route_insert(struct router *router, struct route *route) {
        const char *p = route->declared->path;
        struct node *node = &router->root;
        bool rest = false;
        int r;

        if (!p || *p != '/')
                return -EINVAL;
        while (*p == '/') {
                size_t size = strcspn(p + 1, "/");

                if (rest)
                        return -ENOTDIR; /* something follows a {name...} */
                r = node_descend(&node, route, p + 1, size, &rest);
                if (r < 0)
                        return r;
                p += 1 + size;
        }
        return route_place(rest ? &node->rest : &node->here, route);
}

static const char *refusal_text(int error) {
        switch (error) {
        case -ENOTUNIQ:
                return "another row takes the same method and the same path";
        case -EEXIST:
                return "a name stands twice in the path";
        case -E2BIG:
                return "too many names in the path";
        case -ENOTDIR:
                return "{name...} must be the last segment";
        default:
                return "the path must begin with a slash, and each segment be literal, {name} or, last, {name...}";
        }
}

/* Says what is wrong with a row. Returns the error the caller of router_new() is to see. */
static int refuse(const struct muster_route *row, size_t index, const char *why, int error,
                  char **ret_reason) {
        if (error == -ENOMEM)
                return error;
        if (asprintf(ret_reason, "Route %zu, %s %s: %s", index + 1,
                     row->method ? row->method : "(no method)", row->path ? row->path : "(no path)",
                     why) < 0)
                *ret_reason = NULL;
        return error == -ENOTUNIQ ? -EEXIST : -EINVAL;
}

static int add_row(struct router *router, const struct muster_route *row, size_t index, char **ret_reason) {
        struct route *route;
        int r;

        if (!is_method(row->method))
                return refuse(row, index, "the method must be a token such as GET, or *", -EINVAL,
                              ret_reason);
        if (!row->handler)
                return refuse(row, index, "it has no handler", -EINVAL, ret_reason);
        route = calloc(1, sizeof(*route));
        if (!route)
                return -ENOMEM;
        route->declared = row;
        r = route_insert(router, route);
        if (r < 0) {
                routes_free(route);
                return refuse(row, index, refusal_text(r), r, ret_reason);
        }
        (void) snprintf(route->label, sizeof(route->label), "%s %s", row->method, row->path);
        return 0;
}

int router_new(struct router **ret, const struct muster_route *routes, char **ret_reason) {
        _cleanup_(cleanup_router_free) struct router *router = NULL;
        int r;

        *ret_reason = NULL;
        router = calloc(1, sizeof(*router));
        if (!router)
                return -ENOMEM;
        for (size_t i = 0; routes && (routes[i].method || routes[i].path || routes[i].handler); i++) {
                r = add_row(router, &routes[i], i, ret_reason);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(router);
        return 0;
}

struct router *router_free(struct router *router) {
        if (!router)
                return NULL;
        node_deinit(&router->root);
        free(router);
        return NULL;
}

/* ---- Matching ---- */

struct walk {
        const char *method;
        const struct target *target;
        struct router_match *match;
        size_t depth; /* parameters taken on the way down */

        /* What paths that fit have offered instead of a row for the method. */
        const struct route *offers[8];
        size_t n_offers;
};

static const struct route *find_method(const struct route *list, const char *method) {
        for (; list; list = list->next)
                if (streq(list->declared->method, method))
                        return list;
        return NULL;
}

/* Takes the rows at the end of a path that fits, if one of them is for the method. */
static bool walk_end(struct walk *walk, const struct route *list) {
        const struct route *route = find_method(list, walk->method);

        if (!list)
                return false;
        if (!route && streq(walk->method, "HEAD"))
                route = find_method(list, "GET");
        if (!route)
                route = find_method(list, "*");
        if (!route && walk->n_offers < ELEMENTSOF(walk->offers))
                walk->offers[walk->n_offers++] = list;
        walk->match->route = route;
        return route != NULL;
}

static bool walk_node(struct walk *walk, const struct node *node, const char *segment) {
        const char *next = segment ? target_next(walk->target, segment) : NULL;
        size_t at;
        bool found;

        if (!segment)
                return walk_end(walk, node->here);
        at = node_position(node, segment, &found);
        if (found && walk_node(walk, &node->literals[at], next))
                return true;
        if (node->param && *segment) {
                walk->match->params[walk->depth++] = segment;
                if (walk_node(walk, node->param, next))
                        return true;
                walk->depth--;
        }
        if (node->rest) {
                walk->match->params[walk->depth] = target_rest(walk->target, segment);
                return walk_end(walk, node->rest);
        }
        return false;
}

/* Adds a method to the text of Allow unless it is there. Without a buffer it only measures. */
static size_t allow_add(char *allow, size_t size, size_t room, const char *method) {
        size_t length = strlen(method);

        for (const char *p = allow; p && size > 0 && (p = strstr(p, method)); p += length)
                if ((p == allow || p[-1] == ' ') && (p[length] == ',' || p[length] == '\0'))
                        return size;
        if (size + length + 3 > room)
                return size;
        return size + (size_t) snprintf(allow + size, room - size, "%s%s", size > 0 ? ", " : "", method);
}

static int make_allow(const struct walk *walk, struct arena *arena, const char **ret) {
        size_t room = sizeof("HEAD, OPTIONS, "), size = 0;
        char *allow;

        for (size_t i = 0; i < walk->n_offers; i++)
                for (const struct route *r = walk->offers[i]; r; r = r->next)
                        room += strlen(r->declared->method) + 2;
        allow = arena_alloc(arena, room);
        if (!allow)
                return -ENOMEM;
        *allow = '\0';
        for (size_t i = 0; i < walk->n_offers; i++)
                for (const struct route *r = walk->offers[i]; r; r = r->next) {
                        size = allow_add(allow, size, room, r->declared->method);
                        if (streq(r->declared->method, "GET"))
                                size = allow_add(allow, size, room, "HEAD");
                }
        (void) allow_add(allow, size, room, "OPTIONS");
        *ret = allow;
        return 0;
}

int router_match(const struct router *router, const char *method, const struct target *target,
                 struct arena *arena, struct router_match *ret) {
        struct walk walk = { .method = method, .target = target, .match = ret };

        ret->route = NULL;
        ret->allow = NULL;
        ret->status = 0;
        if (target->asterisk) { /* only OPTIONS may ask it, of the server as a whole */
                ret->status = 204;
                return 0;
        }
        if (walk_node(&walk, &router->root, target_first(target)))
                return 0;
        if (walk.n_offers == 0) {
                ret->status = 404;
                return 0;
        }
        ret->status = streq(method, "OPTIONS") ? 204 : 405;
        return make_allow(&walk, arena, &ret->allow);
}
