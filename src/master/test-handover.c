/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config/build.h"
#include "config/table.h"
#include "ipc/message.h"
#include "master/handover.h"
#include "master/service.h"

/* A service with a bit of everything, made of data alone. */
struct fixture {
        struct generation generation;
        struct position positions[3], computes[2];
        struct service service;
        struct process processes[4];
        struct compute_job waiting, running;
        int fds[2];
        char *names[2], *addresses[2];
        char *text;
        size_t size;
};

static char http_name[] = "http", admin_name[] = "admin", address[] = "127.0.0.1:8080";
static char why[] = "Cannot open a\nb", reload_why[] = "x.conf:3: no";

static void set_up_processes(struct fixture *f) {
        static const struct process processes[] = {
                { .role = PROCESS_AGENT, .state = PROCESS_READY, .number = -1, .slot = 1, .pid = 101 },
                { .role = PROCESS_WORKER,
                  .state = PROCESS_LEAVING,
                  .number = 2,
                  .slot = 7,
                  .pid = 102,
                  .said_leaving = true,
                  .announced = true,
                  .reported = true,
                  .overdue = true,
                  .killed = true,
                  .crash_delay = 20000,
                  .leave_timeout = USEC_NEVER },
                { .role = PROCESS_WORKER,
                  .state = PROCESS_STARTING,
                  .number = 0,
                  .slot = 3,
                  .pid = 103,
                  .asked = true,
                  .misbehaved = true,
                  .failure = why,
                  .cgroup = "worker-0-2-9",
                  .memory.oom_kills = 3,
                  .oom_kills_said = 2,
                  .started = 5,
                  .ready_timeout = 6,
                  .kill_timeout = 7 },
                { .role = PROCESS_COMPUTE,
                  .state = PROCESS_READY,
                  .number = 1,
                  .slot = 4,
                  .pid = 104,
                  .dismissed = true,
                  .jobs_given = 9 },
        };

        for (size_t i = 0; i < ELEMENTSOF(processes); i++) {
                f->processes[i] = processes[i];
                f->processes[i].generation = MAX(4 - i, 2U);
                list_append(&f->service.processes, &f->processes[i].node);
        }
}

static void set_up_jobs(struct fixture *f) {
        f->waiting = (struct compute_job){
                .client = 103,
                .generation = 2,
                .deadline = 77,
                .fd = 30,
                .call = { .id = 8,
                          .size = 3000,
                          .timeout = 5,
                          .request_id = 6,
                          .task = "sum",
                          .route = "GET /" },
        };
        f->running = (struct compute_job){
                .client = 102,
                .runs_on = 104,
                .attempts = 1,
                .fd = -1,
                .call = { .id = 9, .timeout = 5, .task = "sum", .request = "GET /x" },
        };
        list_init(&f->waiting.node);
        list_init(&f->running.node);
        compute_queue_init(&f->service.compute.queue);
        assert_int_equal(compute_queue_restore(&f->service.compute.queue, &f->waiting), 0);
        assert_int_equal(compute_queue_restore(&f->service.compute.queue, &f->running), 0);
}

static void set_up_config(struct config **ret) {
        const struct config_key *module = config_key_find("muster", "module");

        assert_int_equal(config_new(ret), 0);
        assert_int_equal(config_set_instance(*ret, "test"), 0);
        assert_int_equal(config_key_set(module, *ret, "hello"), 0);
        assert_int_equal(config_set_origin(*ret, module, "test.conf:2"), 0);
        assert_int_equal(config_set_app(*ret, "key", "a\nb", "test.conf:9"), 0);
}

static void spend(struct pool_budget *budget, unsigned int limit, unsigned int n) {
        bool over;

        assert_int_equal(pool_budget_init(budget, limit, 60 * USEC_PER_SEC), 0);
        for (unsigned int i = 0; i < n; i++)
                (void) pool_budget_spend(budget, 1000 * USEC_PER_SEC + i, &over);
}

static int set_up(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));
        FILE *file;

        assert_non_null(f);
        f->fds[0] = 20;
        f->fds[1] = 21;
        f->names[0] = http_name;
        f->names[1] = admin_name;
        f->addresses[0] = address;
        f->generation = (struct generation){
                .number = 3,
                .n_workers = 2,
                .n_computes = 2,
                .sockets = { .n = 2, .fds = f->fds, .names = f->names, .addresses = f->addresses },
        };
        set_up_config(&f->generation.config);
        f->service = (struct service){
                .current = &f->generation,
                .scoreboard = { .fd = 19 },
                .cgroup = CGROUP_NULL,
                .state = { .fd = 18, .requests_seen = 17 },
                .refused_gone = 16,
                .phase = PHASE_RUNNING,
                .workers = f->positions,
                .n_positions = 3,
                .computes = f->computes,
                .n_compute_positions = 2,
                .worker_was_ready = true,
                .compute = { .was_ready = true, .counts = { .done = 21, .cancelled = 22 } },
                .restarts = 11,
                .requests_gone = UINT64_MAX,
                .n_reloads = 4,
                .reload_failure = reload_why,
                .upgrade = { .n = 2 },
        };
        f->service.agent = (struct position){ .role = PROCESS_AGENT, .number = -1, .restarts = 6 };
        for (size_t i = 0; i < ELEMENTSOF(f->positions); i++)
                f->positions[i] = (struct position){ .role = PROCESS_WORKER, .number = (int) i };
        for (size_t i = 0; i < ELEMENTSOF(f->computes); i++)
                f->computes[i] = (struct position){ .role = PROCESS_COMPUTE, .number = (int) i };
        list_init(&f->service.processes);
        set_up_processes(f);
        set_up_jobs(f);
        spend(&f->service.budget[PROCESS_AGENT], 5, 3);
        spend(&f->service.budget[PROCESS_WORKER], 5, 8);

        file = open_memstream(&f->text, &f->size);
        assert_non_null(file);
        assert_int_equal(handover_write(&f->service, file), 0);
        assert_int_equal(fclose(file), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        compute_queue_remove(&f->service.compute.queue, &f->waiting);
        compute_queue_remove(&f->service.compute.queue, &f->running);
        for (size_t i = 0; i < ELEMENTSOF(f->service.budget); i++)
                pool_budget_deinit(&f->service.budget[i]);
        config_free(f->generation.config);
        free(f->text);
        free(f);
        return 0;
}

static int read_text(const char *text, size_t size, struct handover *handover, struct service *service,
                     char **ret_reason) {
        *service = (struct service){};
        return handover_read(handover, service, text, size, ret_reason);
}

static void the_service_comes_back_as_it_was(void **state) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL;
        struct fixture *f = *state;
        struct service service;

        assert_int_equal(read_text(f->text, f->size, &handover, &service, &reason), 0);
        assert_null(reason);
        assert_true(service.worker_was_ready);
        assert_int_equal(service.restarts, 11);
        assert_true(service.requests_gone == UINT64_MAX);
        assert_int_equal(service.n_reloads, 4);
        assert_int_equal(service.upgrade.n, 2);
        assert_string_equal(service.reload_failure, reload_why);
        assert_string_equal(handover.program.version, PACKAGE_VERSION);
        assert_int_equal(handover.generation.number, 3);
        assert_int_equal(handover.generation.n_workers, 2);
        assert_int_equal(handover.generation.n_positions, 3);
        assert_int_equal(handover.scoreboard_fd, 19);
        assert_int_equal(handover.state_fd, 18);
        assert_int_equal(handover.requests_seen, 17);
        assert_int_equal(service.refused_gone, 16);
        assert_string_equal(handover.config->muster.module, "hello");
        assert_string_equal(config_app(handover.config, "key"), "a\nb");
        assert_string_equal(config_origin(handover.config, "muster", "module"), "test.conf:2");
        handover_forget(&service);
        assert_null(service.reload_failure);
}

static void its_jobs_do_too(void **state) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL;
        const struct compute_job *jobs;
        struct fixture *f = *state;
        struct service service;

        assert_int_equal(read_text(f->text, f->size, &handover, &service, &reason), 0);
        assert_true(service.compute.was_ready);
        assert_int_equal(service.compute.counts.done, 21);
        assert_int_equal(service.compute.counts.cancelled, 22);
        assert_int_equal(handover.generation.n_computes, 2);
        assert_int_equal(handover.jobs.n, 2);
        jobs = handover.jobs.items;
        assert_int_equal(jobs[0].runs_on, 104);
        assert_int_equal(jobs[0].fd, -1);
        assert_string_equal(jobs[0].call.request, "GET /x");
        assert_int_equal(jobs[1].client, 103);
        assert_int_equal(jobs[1].fd, 30);
        assert_int_equal(jobs[1].deadline, 77);
        assert_memory_equal(&jobs[1].call, &f->waiting.call, sizeof(f->waiting.call));
        handover_forget(&service);
}

static void its_sockets_do_too(void **state) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL;
        const struct handover_socket *sockets;
        struct fixture *f = *state;
        struct service service;

        assert_int_equal(read_text(f->text, f->size, &handover, &service, &reason), 0);
        sockets = handover.sockets.items;
        assert_int_equal(handover.sockets.n, 2);
        assert_int_equal(sockets[0].fd, 20);
        assert_string_equal(sockets[0].name, "http");
        assert_string_equal(sockets[0].address, address);
        assert_int_equal(sockets[1].fd, 21);
        assert_null(sockets[1].address);
        handover_forget(&service);
}

static void its_processes_do_too(void **state) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL;
        struct fixture *f = *state;
        struct service service;

        assert_int_equal(read_text(f->text, f->size, &handover, &service, &reason), 0);
        assert_int_equal(handover.processes.n, ELEMENTSOF(f->processes));
        for (size_t i = 0; i < handover.processes.n; i++) {
                const struct process_snapshot *snapshot =
                        &((struct process_snapshot *) handover.processes.items)[i];
                const struct process *a = &f->processes[i], *b = &snapshot->process;

                assert_true(a->role == b->role && a->state == b->state && a->number == b->number);
                assert_true(a->slot == b->slot && a->generation == b->generation && a->pid == b->pid);
                assert_true(a->started == b->started && a->was_ready == b->was_ready);
                assert_true(a->said_leaving == b->said_leaving && a->asked == b->asked);
                assert_true(a->announced == b->announced && a->reported == b->reported);
                assert_true(a->overdue == b->overdue && a->killed == b->killed);
                assert_true(a->misbehaved == b->misbehaved && a->crash_delay == b->crash_delay);
                assert_true(a->ready_timeout == b->ready_timeout && a->kill_timeout == b->kill_timeout);
                assert_true(a->leave_timeout == b->leave_timeout);
                assert_true(a->dismissed == b->dismissed && a->jobs_given == b->jobs_given);
                assert_string_equal(a->cgroup, b->cgroup);
                assert_true(a->memory.oom_kills == b->memory.oom_kills);
                assert_true(a->oom_kills_said == b->oom_kills_said);
                assert_int_equal(snapshot->channel_fd, -1);
                if (a->failure)
                        assert_string_equal(a->failure, b->failure);
                else
                        assert_null(b->failure);
        }
        handover_forget(&service);
}

static void the_history_of_restarts_keeps_its_order(void **state) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL;
        const struct handover_restart *restarts;
        struct fixture *f = *state;
        struct service service;

        assert_int_equal(read_text(f->text, f->size, &handover, &service, &reason), 0);
        restarts = handover.restarts.items;
        assert_int_equal(handover.budgets.n, _PROCESS_ROLE_MAX);
        assert_int_equal(handover.restarts.n, 3 + 5);
        for (size_t i = 1; i < handover.restarts.n; i++)
                if (restarts[i].role == restarts[i - 1].role)
                        assert_true(restarts[i].when >= restarts[i - 1].when);
        handover_forget(&service);
}

static void one_that_is_cut_anywhere_is_refused(void **state) {
        struct fixture *f = *state;

        for (size_t i = 0; i < f->size; i++) {
                _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
                _cleanup_free_ char *reason = NULL;
                struct service service;

                assert_true(read_text(f->text, i, &handover, &service, &reason) < 0);
                assert_non_null(reason);
                handover_forget(&service);
        }
}

/* The text with one part replaced. */
static char *replaced(const char *text, const char *what, const char *with) {
        const char *at = strstr(text, what);
        char *result;

        assert_non_null(at);
        assert_true(asprintf(&result, "%.*s%s%s", (int) (at - text), text, with, at + strlen(what)) > 0);
        return result;
}

static void what_cannot_be_is_refused_and_says_why(void **state) {
        static const struct {
                const char *what, *with, *reason;
        } cases[] = {
                { "muster-handover=1", "muster-handover=2", "version 2 of muster-handover is not known" },
                { "[service]", "[surplus]", "[surplus] is not known" },
                { "restarts=11", "restats=11", "restats is not known" },
                { "version=" PACKAGE_VERSION "\n", "", "does not tell of which version" },
                { "message=", "message=9", "speak version 9" },
                { "scoreboard=", "scoreboard=9", "have another scoreboard (version 9" },
                { "page=", "page=9", "have another scoreboard" },
                { "counter=", "counter=9", "have another scoreboard" },
                { "[scoreboard]\nfd=19", "[scoreboard]", "is not complete" },
                { "[generation]\nnumber=3", "[generation]\nnumber=0", "is not complete" },
                { "workers=2", "workers=0", "out of range" },
                { "workers=2", "workers=257", "out of range" },
                { "positions=3", "positions=1", "is not complete" },
                { "instance=test", "instance=/", "cannot read the configuration" },
                { "muster.module=", "muster.modules=", "test.conf:2: it does not know [muster] modules" },
                { "module=hello", "module=", "test.conf:2: it does not allow [muster] module = " },
                { "fd=20\nname=http\n", "name=http\n", "a socket is not described" },
                { "fd=21\nname=admin\n", "fd=21\n", "a socket is not described" },
                { "fd=20", "fd=1", "out of range" },
                { "pid=102", "pid=101", "process 101 is there twice" },
                { "slot=7\n", "slot=1\n", "process 102 is there twice" },
                { "slot=7\n", "slot=0\n", "there can be no process 102" },
                { "pid=102", "pid=1", "out of range" },
                { "pid=102\n", "", "there can be no process 0" },
                { "number=2\nstate", "number=3\nstate", "there can be no process 102" },
                { "number=2\nstate", "number=-1\nstate", "there can be no process 102" },
                { "number=-1\nstate", "number=0\nstate", "there can be no process 101" },
                { "generation=2", "generation=99", "there can be no process 103" },
                { "generation=2", "generation=0", "there can be no process 103" },
                { "role=1", "role=3", "out of range" },
                { "computes=2", "computes=3", "is not complete" },
                { "task=sum\n", "", "a job is not described" },
                { "input=30\n", "", "a job is not described" },
                { "runs_on=104", "runs_on=-1", "out of range" },
                { "[end]\n", "[position]\nrole=2\nnumber=2\n[end]\n", "there is no position 2" },
                { "[end]\n", "[position]\nrole=1\nnumber=3\n[end]\n", "there is no position 3" },
                { "[end]\n", "[end]\n[end]\n", "[end] is not known" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
                _cleanup_free_ char *reason = NULL, *text = replaced(f->text, cases[i].what, cases[i].with);
                struct service service;

                assert_true(read_text(text, strlen(text), &handover, &service, &reason) < 0);
                assert_non_null(reason);
                if (!strstr(reason, cases[i].reason))
                        fail_msg("%s -> %s: \"%s\" does not say \"%s\"", cases[i].what, cases[i].with,
                                 reason, cases[i].reason);
                handover_forget(&service);
        }
}

static void without_any_socket_it_is_refused(void **state) {
        struct fixture *f = *state;
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL, *one = replaced(f->text, "[socket]\nfd=20\nname=http\n", ""),
                            *text = NULL;
        struct service service;

        /* What is left of the first is a line of the record before it, so that goes too. */
        text = replaced(one, "address=127.0.0.1:8080\n[socket]\nfd=21\nname=admin\n", "");
        assert_true(read_text(text, strlen(text), &handover, &service, &reason) < 0);
        assert_string_equal(reason, "there are no sockets");
        handover_forget(&service);
}

static void a_field_of_an_older_version_that_is_missing_has_its_default(void **state) {
        struct fixture *f = *state;
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_free_ char *reason = NULL, *text = replaced(f->text, "restarts=11\n", "");
        struct service service;

        assert_int_equal(read_text(text, strlen(text), &handover, &service, &reason), 0);
        assert_int_equal(service.restarts, 0);
        handover_forget(&service);
}

/* Every byte is changed in turn; what comes of it is for the sanitizers to say. */
static void no_byte_in_it_can_do_harm(void **state) {
        static const char bytes[] = { 'A', '0', '9', '-', '\n', '[', '=', '\\', '\xff', '\0' };
        struct fixture *f = *state;
        size_t n_refused = 0;

        for (size_t i = 0; i < f->size; i++)
                for (size_t j = 0; j < sizeof(bytes); j++) {
                        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
                        _cleanup_free_ char *reason = NULL;
                        struct service service;
                        char kept = f->text[i];

                        f->text[i] = bytes[j];
                        if (read_text(f->text, f->size, &handover, &service, &reason) < 0)
                                n_refused++;
                        f->text[i] = kept;
                        handover_forget(&service);
                }
        assert_true(n_refused > f->size);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(the_service_comes_back_as_it_was),
                TEST(its_jobs_do_too),
                TEST(its_sockets_do_too),
                TEST(its_processes_do_too),
                TEST(the_history_of_restarts_keeps_its_order),
                TEST(one_that_is_cut_anywhere_is_refused),
                TEST(what_cannot_be_is_refused_and_says_why),
                TEST(without_any_socket_it_is_refused),
                TEST(a_field_of_an_older_version_that_is_missing_has_its_default),
                TEST(no_byte_in_it_can_do_harm),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
