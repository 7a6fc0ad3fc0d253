/* SPDX-License-Identifier: MIT */

/*
 * A generation: one reading of the configuration, with the sealed copy that all its processes get, and the sockets it
 * names.
 */

#include <errno.h>

#include "config/table.h"
#include "master/service.h"
#include "util/cpu.h"
#include "util/fd.h"
#include "util/log.h"

int generation_new(struct generation **ret, uint64_t number, struct config *config) {
        _cleanup_free_ char *text = NULL;
        struct generation *generation;
        size_t size;
        int r;

        generation = calloc(1, sizeof(*generation));
        if (!generation)
                return -ENOMEM;
        *generation = (struct generation){
                .number = number,
                .config_fd = -1,
                .sockets = SOCKETS_NULL,
                .bounds = scale_bounds(config->worker.workers, config->worker.min_workers,
                                       config->worker.max_workers, cpu_available()),
        };
        generation->n_workers = generation->bounds.start;
        r = config_serialize(config, &text, &size);
        if (r >= 0)
                r = generation->config_fd = fd_memfd_sealed("muster-config", text, size);
        if (r < 0) {
                generation_free(generation, NULL);
                return r;
        }
        generation->config = config;
        *ret = generation;
        return 0;
}

struct generation *generation_free(struct generation *generation, const struct generation *heir) {
        if (!generation)
                return NULL;
        sockets_deinit(&generation->sockets, heir ? &heir->sockets : NULL);
        fd_close(generation->config_fd);
        config_free(generation->config);
        free(generation);
        return NULL;
}

static void keep(const struct config_key *key, const struct config *current, struct config *next) {
        _cleanup_free_ char *before = NULL, *after = NULL;

        if (config_key_get(key, current, &before) < 0 || config_key_get(key, next, &after) < 0 ||
            streq(before, after))
                return;
        log_warning(0, "[%s] %s has changed: that takes effect when the service is restarted", key->section,
                    key->name);
        (void) config_key_set(key, next, before);
}

void generation_keep_fixed(const struct config *current, struct config *next) {
        for (size_t i = 0; i < config_table_size; i++)
                if (!config_table[i].reloadable)
                        keep(&config_table[i], current, next);
}
