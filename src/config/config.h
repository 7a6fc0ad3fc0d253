/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/report.h"
#include "util/macro.h"
#include "util/time.h"

#define CONFIG_WORKERS_MAX          256U
#define CONFIG_QUARANTINE_AFTER_MAX 32U
#define CONFIG_SCHEDULES_MAX        64U
#define CONFIG_SCHEDULE_NAME_MAX    63U
#define CONFIG_SCHEDULE_KEYS        7U
#define CONFIG_BROKERS_MAX          16U
#define CONFIG_COMPUTE_MAX          CONFIG_WORKERS_MAX

/* What [restart] on_limit says. */
enum config_on_limit {
        CONFIG_ON_LIMIT_BACKOFF,
        CONFIG_ON_LIMIT_EXIT,
};

/* In the order of enum muster_schedule_type and enum muster_overlap. */
enum config_schedule_type {
        CONFIG_SCHEDULE_WORKER,
        CONFIG_SCHEDULE_ALL,
};

enum config_overlap {
        CONFIG_OVERLAP_SKIP,
        CONFIG_OVERLAP_QUEUE,
        CONFIG_OVERLAP_ALLOW,
};

/* A [schedule:NAME] section: what it says otherwise than the application. The name is in lower case. */
struct config_schedule {
        char *name;
        usec_t interval;
        char *cron;
        int type;    /* enum config_schedule_type */
        int overlap; /* enum config_overlap */
        bool immediate;
        usec_t jitter;
        bool disable;
        char *origins[CONFIG_SCHEDULE_KEYS]; /* by index in its table, NULL = not set */
};

/* One key of [app], which belongs to the application. Keys are in lower case. */
struct config_app {
        char *key;
        char *value;
        char *origin;
};

/* What the files and -o say, typed. One sub-struct a section; table.c says what each key means, its
 * default and its range. Everything is owned by the struct; strings are never NULL but where said. */
struct config {
        char *instance;

        struct {
                char *module; /* NULL only before loading */
                usec_t stop_timeout;
                usec_t exit_idle;    /* USEC_NEVER = off */
                unsigned int quorum; /* workers */
                bool sandbox;
        } muster;

        struct {
                char **listen; /* NULL-terminated, see config/address.h */
                uint64_t max_body;
                uint64_t max_header;
                usec_t header_timeout;
                usec_t idle_timeout;
                uint64_t min_body_rate; /* bytes a second, 0 = off */
                usec_t request_timeout; /* may be USEC_NEVER */
                unsigned int max_connections;
                char *server_header; /* empty = no header */
        } http;

        struct {
                unsigned int workers;      /* 0 = auto */
                unsigned int min_workers;  /* 0 = as workers says */
                unsigned int max_workers;  /* likewise */
                unsigned int max_requests; /* UINT_MAX = off */
                usec_t max_age;            /* USEC_NEVER = off */
                uint64_t max_rss;          /* UINT64_MAX = off */
                usec_t ready_timeout;
                usec_t drain_timeout;
                usec_t hang_timeout; /* may be USEC_NEVER */
                usec_t kill_timeout;
                bool drain;
                bool core;
                uint64_t memory_high; /* UINT64_MAX = none */
                uint64_t memory_max;  /* UINT64_MAX = none */
                bool children;
                char **read_paths; /* NULL-terminated; empty = everything */
                char **write_paths;
        } worker;

        struct {
                unsigned int fault_limit; /* faults a minute */
        } agent;

        struct {
                char **url;        /* NULL-terminated, see config/broker-url.h; empty = no broker */
                char *credentials; /* paths; "" = none */
                char *tls_ca;
                char *tls_certificate;
                char *tls_key;
                uint64_t queue; /* bytes */
        } broker;

        struct {
                unsigned int processes; /* UINT_MAX = auto */
                unsigned int queue;     /* jobs that wait */
                usec_t timeout;
                unsigned int nice;
                bool idle;
                unsigned int max_jobs; /* UINT_MAX = off */
                uint64_t max_rss;      /* UINT64_MAX = off */
                uint64_t memory_high;  /* UINT64_MAX = none */
                uint64_t memory_max;   /* UINT64_MAX = none */
                unsigned int threads;  /* of each worker */
        } compute;

        struct {
                unsigned int limit;
                usec_t interval;
                int on_limit;                  /* enum config_on_limit */
                unsigned int quarantine_after; /* crashes, 0 = off */
                usec_t quarantine_window;
                usec_t quarantine_time;
        } restart;

        struct {
                int level; /* LOG_EMERG … LOG_DEBUG */
                bool access;
                usec_t slow; /* USEC_NEVER = off */
        } log;

        struct config_schedule *schedules;
        size_t n_schedules;

        struct config_app *app;
        size_t n_app;

        char **origins; /* by index in the table, NULL = default; see config_origin() */
};

/* A configuration in which every key has its default. */
int config_new(struct config **ret);

/* Takes NULL, returns NULL. */
struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free);
#define _cleanup_config_ _cleanup_(cleanup_config_free)

/* Reads `path`, then every .conf file in `path`.d in the order of strcmp, then the overrides
 * ("SECTION.KEY=VALUE", NULL-terminated, may be NULL). `instance` NULL takes the file's name without
 * ".conf". Every problem of every file goes to the report, as errors or, where one can live with it,
 * warnings. Returns 0, -EINVAL when the report has errors, or another negative errno; *ret is set only with
 * 0. */
int config_load(struct config **ret, const char *path, const char *instance, const char *const *overrides,
                struct config_report *report);

/* The text that children get: one escaped "section.key=value" line for each key. The caller frees it. */
int config_serialize(const struct config *config, char **ret_text, size_t *ret_size);

/* The other way. Untrusted input: -EBADMSG for whatever config_serialize() would not have written. */
int config_deserialize(struct config **ret, const char *text, size_t size);

/* The text that a master leaves to the one that takes over from it, which may be another version: with the origins, and
 * read by name. *ret_reason tells what a struct of this version can't hold (the caller frees it). -EBADMSG for
 * what config_save() would not have written, -EINVAL for a key or a value this version does not know. */
int config_save(const struct config *config, char **ret_text);
int config_restore(struct config **ret, const char *text, char **ret_reason);

/* A key of [app] in any case, NULL when it is not set. To walk all: config->app[0 … n_app - 1]. */
const char *config_app(const struct config *config, const char *key);

/* What [schedule:NAME] says, the name in any case; NULL where there is no such section or nothing in it. */
const struct config_schedule *config_schedule(const struct config *config, const char *name);

/* Whether it sets a key. */
bool config_schedule_sets(const struct config_schedule *schedule, const char *key);

/* Whether a schedule may have that name: up to CONFIG_SCHEDULE_NAME_MAX letters, digits, _ and -. */
bool config_schedule_name_valid(const char *name);

/* Calls a function for every setting there is, section by section, until one returns less than 0. */
int config_each(const struct config *config,
                int (*each)(const char *section, const char *key, const char *value, const char *origin,
                            void *userdata),
                void *userdata);

/* Where a value came from: "default", "-o" or "FILE:LINE"; NULL for a key there is not. */
const char *config_origin(const struct config *config, const char *section, const char *key);

/* The value of a key as it would be written in a file; the caller frees it. -ENOENT for a key there is not.
 */
int config_get_text(const struct config *config, const char *section, const char *key, char **ret);
