/* SPDX-License-Identifier: MIT */

/* What is said of memory while a process lives, and of limits that can't be set. Its cgroup is a directory of plain files. */

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/macro.h"

#define NAME "worker-0-1-1"

static const struct position agent = { .role = PROCESS_AGENT, .number = -1 };
static const struct position workers[] = { { .role = PROCESS_WORKER, .number = 0 },
                                           { .role = PROCESS_WORKER, .number = 1 } };
static const struct position compute = { .role = PROCESS_COMPUTE };

struct scene {
        char root[32];
        struct config *config;
        struct generation generation;
        struct service service;
        struct process process;
        int log;
        int standard_error;
};

static int set_up(void **state) {
        struct scene *scene = calloc(1, sizeof(*scene));

        if (!scene)
                return -1;
        (void) strcpy(scene->root, "/tmp/muster-limits.XXXXXX");
        if (!mkdtemp(scene->root) || config_new(&scene->config) < 0)
                return -1;
        scene->generation = (struct generation){ .number = 1, .config = scene->config };
        scene->process = (struct process){ .role = PROCESS_WORKER, .pid = 4711, .cgroup = NAME };
        list_init(&scene->service.processes);
        list_append(&scene->service.processes, &scene->process.node);
        scene->service.cgroup = (struct cgroup){
                .fd = open(scene->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                .memory = true,
        };
        list_init(&scene->service.cgroup.leaving);
        if (mkdirat(scene->service.cgroup.fd, NAME, 0700) < 0)
                return -1;
        scene->log = memfd_create("log", MFD_CLOEXEC);
        scene->standard_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        (void) dup2(scene->log, STDERR_FILENO);
        *state = scene;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int tear_down(void **state) {
        struct scene *scene = *state;
        int r;

        (void) dup2(scene->standard_error, STDERR_FILENO);
        fd_close(scene->standard_error);
        fd_close(scene->log);
        cgroup_deinit(&scene->service.cgroup);
        config_free(scene->config);
        r = nftw(scene->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        free(scene);
        return r;
}

static void put(struct scene *scene, const char *file, const char *text) {
        char path[128];
        FILE *stream;

        (void) snprintf(path, sizeof(path), "%s/" NAME "/%s", scene->root, file);
        stream = fopen(path, "we");
        assert_non_null(stream);
        assert_true(fputs(text, stream) >= 0);
        assert_int_equal(fclose(stream), 0);
}

/* How often words have been logged. */
static unsigned int times_said(struct scene *scene, const char *words) {
        _cleanup_free_ char *text = NULL;
        unsigned int n = 0;

        assert_int_equal(lseek(scene->log, 0, SEEK_SET), 0);
        assert_int_equal(fd_read(scene->log, 65536, &text, NULL), 0);
        for (const char *p = text; (p = strstr(p, words)); p++)
                n++;
        return n;
}

static void a_child_that_was_killed_for_memory_is_said_once(void **state) {
        struct scene *scene = *state;

        put(scene, "memory.events", "oom 0\noom_kill 0\n");
        limits_look(&scene->service);
        put(scene, "memory.events", "oom 1\noom_kill 1\n");
        limits_look(&scene->service);
        assert_int_equal(times_said(scene, "want of memory"), 0);
        limits_look(&scene->service);
        assert_int_equal(times_said(scene, "had started, 1 were killed for want of memory"), 1);
        limits_look(&scene->service);
        limits_look(&scene->service);
        assert_int_equal(times_said(scene, "want of memory"), 1);
        put(scene, "memory.events", "oom 4\noom_kill 4\n");
        limits_look(&scene->service);
        limits_look(&scene->service);
        assert_int_equal(times_said(scene, "had started, 3 were killed for want of memory"), 1);
}

static void one_that_is_still_dying_is_left_to_its_end(void **state) {
        struct scene *scene = *state;

        limits_look(&scene->service);
        put(scene, "memory.events", "oom 1\noom_kill 1\n");
        limits_look(&scene->service);
        limits_on_gone(&scene->service, &scene->process);
        assert_int_equal(scene->process.memory.oom_kills, 1);
        assert_int_equal(scene->process.oom_kills_said, 0);
        assert_int_equal(times_said(scene, "want of memory"), 0);
}

static void limits_that_do_not_hold_are_said_once(void **state) {
        struct scene *scene = *state;
        char name[CGROUP_NAME_MAX];

        scene->service.cgroup.memory = false;
        assert_int_equal(limits_prepare(&scene->service, &scene->generation, &workers[0], name), -1);
        assert_int_equal(times_said(scene, "do not hold"), 0);
        scene->config->worker.memory_max = 1U << 30;
        (void) limits_prepare(&scene->service, &scene->generation, &agent, name);
        (void) limits_prepare(&scene->service, &scene->generation, &compute, name);
        assert_int_equal(times_said(scene, "do not hold"), 0);
        (void) limits_prepare(&scene->service, &scene->generation, &workers[0], name);
        (void) limits_prepare(&scene->service, &scene->generation, &workers[1], name);
        assert_int_equal(times_said(scene, "do not hold"), 1);
}

static void a_limit_that_cannot_be_written_is_said_once(void **state) {
        struct scene *scene = *state;
        char name[CGROUP_NAME_MAX];

        scene->config->worker.memory_high = 1U << 30;
        (void) limits_prepare(&scene->service, &scene->generation, &workers[0], name);
        (void) limits_prepare(&scene->service, &scene->generation, &workers[1], name);
        assert_int_equal(times_said(scene, "Failed to set up the cgroup worker-0-1-2, ignoring"), 1);
        assert_int_equal(times_said(scene, "Failed"), 1);
}

static void one_that_has_not_entered_its_cgroup_is_said(void **state) {
        struct scene *scene = *state;

        put(scene, "cgroup.events", "populated 1\n");
        limits_on_ready(&scene->service, &scene->process);
        assert_int_equal(times_said(scene, "Failed"), 0);
        put(scene, "cgroup.events", "populated 0\n");
        limits_on_ready(&scene->service, &scene->process);
        assert_int_equal(times_said(scene, "Failed to set up the cgroup " NAME), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_child_that_was_killed_for_memory_is_said_once),
                TEST(one_that_is_still_dying_is_left_to_its_end),
                TEST(limits_that_do_not_hold_are_said_once),
                TEST(a_limit_that_cannot_be_written_is_said_once),
                TEST(one_that_has_not_entered_its_cgroup_is_said),
        };

        (void) log_setup("master", "test", -1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
