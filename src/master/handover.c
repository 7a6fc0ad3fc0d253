/* SPDX-License-Identifier: MIT */

/*
 * The handover: all that a master knows, in a form that the next one can begin with.
 *
 * What is written is what would be lost by exec: numbers and texts of the service, the generation that serves
 * with its configuration, the budgets with their history, the starts that wait, and each process with its
 * descriptor. What the kernel keeps is not: unread messages stay in the channels, ends of processes wait for
 * whoever asks, signals are pending. Monotonic times mean the same in both programs. There is only ever one
 * generation to describe, because an upgrade waits for a reload to end.
 *
 * The processes go on with the old programs until they are rolled. So the reader must speak what they speak: the
 * versions of message and slot are compared, and a difference is a reason to refuse.
 *
 * A member that matters gets a line in a table here; written and read it is by that. No I/O.
 */

#include <errno.h>

#include "ipc/counters.h"
#include "ipc/message.h"
#include "ipc/quarantine-page.h"
#include "ipc/scoreboard.h"
#include "master/handover.h"
#include "master/record.h"
#include "master/schedule-record.h"
#include "master/service.h"
#include "util/log.h"

#define TITLE                "muster-handover"

#define ROLE(type, member)   RECORD_RANGE("role", type, member, 0, PROCESS_COMPUTE)
#define NUMBER(type, member) RECORD_RANGE("number", type, member, -1, CONFIG_WORKERS_MAX - 1)

static const struct record_field program_fields[] = {
        RECORD_FIELD("version", struct handover_program, version),
        RECORD_FIELD("message", struct handover_program, message),
        RECORD_FIELD("scoreboard", struct handover_program, scoreboard),
        RECORD_FIELD("stride", struct handover_program, stride),
        RECORD_FIELD("slot", struct handover_program, slot),
        RECORD_FIELD("page", struct handover_program, page),
        RECORD_FIELD("counter", struct handover_program, counter),
};

static const struct record_field service_fields[] = {
        RECORD_FIELD("started", struct service, started),
        RECORD_FIELD("worker_was_ready", struct service, worker_was_ready),
        RECORD_FIELD("compute_was_ready", struct service, compute.was_ready),
        RECORD_FIELD("jobs_done", struct service, compute.counts.done),
        RECORD_FIELD("jobs_crashed", struct service, compute.counts.crashed),
        RECORD_FIELD("jobs_late", struct service, compute.counts.late),
        RECORD_FIELD("jobs_refused", struct service, compute.counts.refused),
        RECORD_FIELD("jobs_cancelled", struct service, compute.counts.cancelled),
        RECORD_FIELD("restarts", struct service, restarts),
        RECORD_FIELD("requests_gone", struct service, requests_gone),
        RECORD_FIELD("refused_gone", struct service, refused_gone),
        RECORD_FIELD("requests_shown", struct service, requests_shown),
        RECORD_FIELD("shown_at", struct service, shown_at),
        RECORD_FIELD("rate", struct service, rate),
        RECORD_FIELD("reloads", struct service, n_reloads),
        RECORD_FIELD("reload_again", struct service, reload_again),
        RECORD_FIELD("reload_ended", struct service, reload_ended),
        RECORD_FIELD("reload_took", struct service, reload_took),
        RECORD_FIELD("reload_failure", struct service, reload_failure),
        RECORD_FIELD("cgroup_failed", struct service, cgroup_failed),
        RECORD_FIELD("unlimited", struct service, unlimited),
        RECORD_FIELD("upgrades", struct service, upgrade.n),
        RECORD_FIELD("messages", struct service, route.messages),
        RECORD_FIELD("messages_relayed", struct service, route.relayed),
        RECORD_FIELD("messages_dropped", struct service, route.dropped),
};

static const struct record_field generation_fields[] = {
        RECORD_FIELD("number", struct handover_generation, number),
        RECORD_RANGE("workers", struct handover_generation, n_workers, 1, CONFIG_WORKERS_MAX),
        RECORD_RANGE("positions", struct handover_generation, n_positions, 1, CONFIG_WORKERS_MAX),
        RECORD_RANGE("computes", struct handover_generation, n_computes, 0, CONFIG_COMPUTE_MAX),
        RECORD_RANGE("compute_positions", struct handover_generation, n_compute_positions, 0,
                     CONFIG_COMPUTE_MAX),
        RECORD_FIELD("config", struct handover_generation, config),
};

static const struct record_field scoreboard_fields[] = {
        RECORD_DESCRIPTOR("fd", struct handover, scoreboard_fd),
};

static const struct record_field control_fields[] = {
        RECORD_DESCRIPTOR("fd", struct handover, control.fd),
        RECORD_FIELD("directory", struct handover, control.directory),
};

static const struct record_field state_fields[] = {
        RECORD_DESCRIPTOR("fd", struct handover, state_fd),
        RECORD_FIELD("requests", struct handover, requests_seen),
};

static const struct record_field leaving_fields[] = {
        RECORD_CHARS("name", struct handover_leaving, name),
        RECORD_RANGE("core_pid", struct handover_leaving, core_pid, 0, INT32_MAX),
};

static const struct record_field job_fields[] = {
        RECORD_RANGE("client", struct compute_job, client, 0, INT32_MAX),
        RECORD_FIELD("generation", struct compute_job, generation),
        RECORD_FIELD("deadline", struct compute_job, deadline),
        RECORD_FIELD("attempts", struct compute_job, attempts),
        RECORD_RANGE("runs_on", struct compute_job, runs_on, 0, INT32_MAX),
        RECORD_FIELD("id", struct compute_job, call.id),
        RECORD_FIELD("size", struct compute_job, call.size),
        RECORD_FIELD("timeout", struct compute_job, call.timeout),
        RECORD_FIELD("request_id", struct compute_job, call.request_id),
        RECORD_FIELD("route_id", struct compute_job, call.route_id),
        RECORD_CHARS("task", struct compute_job, call.task),
        RECORD_CHARS("route", struct compute_job, call.route),
        RECORD_CHARS("request", struct compute_job, call.request),
        RECORD_DESCRIPTOR("input", struct compute_job, fd),
};

static const struct record_field socket_fields[] = {
        RECORD_DESCRIPTOR("fd", struct handover_socket, fd),
        RECORD_FIELD("name", struct handover_socket, name),
        RECORD_FIELD("address", struct handover_socket, address),
};

static const struct record_field budget_fields[] = {
        ROLE(struct handover_budget, role),
        RECORD_FIELD("backoff", struct handover_budget, backoff),
        RECORD_FIELD("allowed", struct handover_budget, allowed),
        RECORD_FIELD("well", struct handover_budget, well),
};

static const struct record_field reposition_fields[] = {
        ROLE(struct handover_restart, role),
        RECORD_FIELD("when", struct handover_restart, when),
};

static const struct record_field position_fields[] = {
        ROLE(struct handover_position, role),
        NUMBER(struct handover_position, number),
        RECORD_FIELD("restarts", struct handover_position, restarts),
        RECORD_FIELD("stopped", struct handover_position, stopped),
        RECORD_FIELD("start", struct handover_position, start),
};

static const struct record_field process_fields[] = {
        ROLE(struct process_snapshot, process.role),
        NUMBER(struct process_snapshot, process.number),
        RECORD_RANGE("state", struct process_snapshot, process.state, 0, PROCESS_LEAVING),
        RECORD_FIELD("slot", struct process_snapshot, process.slot),
        RECORD_FIELD("generation", struct process_snapshot, process.generation),
        RECORD_RANGE("pid", struct process_snapshot, process.pid, 2, INT32_MAX),
        RECORD_FIELD("started", struct process_snapshot, process.started),
        RECORD_FIELD("was_ready", struct process_snapshot, process.was_ready),
        RECORD_FIELD("said_leaving", struct process_snapshot, process.said_leaving),
        RECORD_FIELD("asked", struct process_snapshot, process.asked),
        RECORD_FIELD("announced", struct process_snapshot, process.announced),
        RECORD_FIELD("reported", struct process_snapshot, process.reported),
        RECORD_FIELD("overdue", struct process_snapshot, process.overdue),
        RECORD_FIELD("killed", struct process_snapshot, process.killed),
        RECORD_FIELD("misbehaved", struct process_snapshot, process.misbehaved),
        RECORD_FIELD("faulted", struct process_snapshot, process.faulted),
        RECORD_FIELD("told_ready", struct process_snapshot, process.told_ready),
        RECORD_FIELD("retiring", struct process_snapshot, process.retiring),
        RECORD_FIELD("messages_sent", struct process_snapshot, process.messages.sent),
        RECORD_FIELD("messages_received", struct process_snapshot, process.messages.received),
        RECORD_FIELD("messages_dropped", struct process_snapshot, process.messages.dropped),
        RECORD_FIELD("dismissed", struct process_snapshot, process.dismissed),
        RECORD_FIELD("jobs_given", struct process_snapshot, process.jobs_given),
        RECORD_FIELD("failure", struct process_snapshot, process.failure),
        RECORD_CHARS("cgroup", struct process_snapshot, process.cgroup),
        RECORD_FIELD("oom_kills", struct process_snapshot, process.memory.oom_kills),
        RECORD_FIELD("oom_kills_said", struct process_snapshot, process.oom_kills_said),
        RECORD_FIELD("ready_timeout", struct process_snapshot, process.ready_timeout),
        RECORD_FIELD("leave_timeout", struct process_snapshot, process.leave_timeout),
        RECORD_FIELD("kill_timeout", struct process_snapshot, process.kill_timeout),
        RECORD_FIELD("hang_timeout", struct process_snapshot, process.hang_timeout),
        RECORD_FIELD("heartbeat", struct process_snapshot, process.pulse.heartbeat),
        RECORD_FIELD("no_heartbeat", struct process_snapshot, process.pulse.silent),
        RECORD_FIELD("hung", struct process_snapshot, process.pulse.hung),
        RECORD_FIELD("silent", struct process_snapshot, process.silent),
        RECORD_FIELD("replace_again", struct process_snapshot, process.replace_again),
        RECORD_FIELD("replace_wait", struct process_snapshot, process.replace_wait),
        RECORD_FIELD("rss_first", struct process_snapshot, process.usage.rss_first),
        RECORD_FIELD("crash_delay", struct process_snapshot, process.crash_delay),
        RECORD_FIELD("crash_open", struct process_snapshot, crash_open),
        RECORD_FIELD("deadline", struct process_snapshot, deadline),
        RECORD_FIELD("refused_answers", struct process_snapshot, process.refused.answers),
        RECORD_FIELD("refused_said", struct process_snapshot, process.refused.said[0]),
        RECORD_FIELD("refused_said_more", struct process_snapshot, process.refused.said[1]),
        RECORD_DESCRIPTOR("refused", struct process_snapshot, refused_fd),
        RECORD_DESCRIPTOR("channel", struct process_snapshot, channel_fd),
};

static const struct record_type program_type = RECORD_TYPE("program", program_fields);
static const struct record_type service_type = RECORD_TYPE("service", service_fields);
static const struct record_type generation_type = RECORD_TYPE("generation", generation_fields);
static const struct record_type scoreboard_type = RECORD_TYPE("scoreboard", scoreboard_fields);
static const struct record_type state_type = RECORD_TYPE("state", state_fields);
static const struct record_type leaving_type = RECORD_TYPE("leaving", leaving_fields);
static const struct record_type job_type = RECORD_TYPE("job", job_fields);
static const struct record_type control_type = RECORD_TYPE("control", control_fields);
static const struct record_type socket_type = RECORD_TYPE("socket", socket_fields);
static const struct record_type budget_type = RECORD_TYPE("budget", budget_fields);
static const struct record_type reposition_type = RECORD_TYPE("restart", reposition_fields);
static const struct record_type position_type = RECORD_TYPE("position", position_fields);
static const struct record_type process_type = RECORD_TYPE("process", process_fields);

/* ---- Writing ---- */

static void write_program(FILE *file) {
        char version[] = PACKAGE_VERSION;
        const struct handover_program program = {
                .version = version,
                .message = MESSAGE_VERSION,
                .scoreboard = SCOREBOARD_VERSION,
                .stride = scoreboard_stride(),
                .slot = sizeof(struct slot),
                .page = sizeof(struct quarantine_page),
                .counter = sizeof(struct counter),
        };

        record_write(file, &program_type, &program);
}

static int write_generation(FILE *file, const struct service *service) {
        const struct generation *generation = service->current;
        _cleanup_free_ char *config = NULL;
        struct handover_generation record = {
                .number = generation->number,
                .n_workers = generation->n_workers,
                .n_positions = service->n_positions,
                .n_computes = generation->n_computes,
                .n_compute_positions = service->n_compute_positions,
        };
        int r;

        r = config_save(generation->config, &config);
        if (r < 0)
                return r;
        record.config = config;
        record_write(file, &generation_type, &record);
        return 0;
}

static void write_sockets(FILE *file, const struct sockets *sockets) {
        for (size_t i = 0; i < sockets->n; i++) {
                const struct handover_socket record = {
                        .fd = sockets->fds[i],
                        .name = sockets->names[i],
                        .address = sockets->addresses[i],
                };

                record_write(file, &socket_type, &record);
        }
}

static void write_budget(FILE *file, enum process_role role, const struct pool_budget *budget) {
        const struct handover_budget record = {
                .role = role,
                .backoff = budget->backoff,
                .allowed = budget->allowed,
                .well = budget->well,
        };

        record_write(file, &budget_type, &record);
        for (size_t i = 0; i < budget->n_history; i++) {
                const struct handover_restart restart = { role, pool_budget_restart(budget, i) };

                record_write(file, &reposition_type, &restart);
        }
}

static void write_position(FILE *file, const struct position *position) {
        struct handover_position record = {
                .role = position->role,
                .number = position->number,
                .restarts = position->restarts,
                .stopped = position->stopped,
        };

        if (position->timer && sd_event_source_get_time(position->timer, &record.start) < 0)
                record.start = 0;
        record_write(file, &position_type, &record);
}

static void write_control(FILE *file, const struct control *control) {
        const struct handover record = { .control = { control->fd, control->directory } };

        record_write(file, &control_type, &record);
}

static void write_process(FILE *file, const struct process *process) {
        struct process_snapshot snapshot;

        process_snapshot(process, &snapshot);
        record_write(file, &process_type, &snapshot);
}

static void write_leaving(const char *name, pid_t core_pid, void *userdata) {
        struct handover_leaving record = { .core_pid = core_pid };

        (void) stpncpy(record.name, name, sizeof(record.name) - 1);
        record_write(userdata, &leaving_type, &record);
}

static void write_job(struct compute_job *job, void *userdata) {
        record_write(userdata, &job_type, job);
}

static void write_shared(FILE *file, const struct service *service) {
        const struct handover record = {
                .scoreboard_fd = service->scoreboard.fd,
                .state_fd = service->state.fd,
                .requests_seen = service->state.requests_seen,
        };

        record_write(file, &scoreboard_type, &record);
        record_write(file, &state_type, &record);
        cgroup_each_leaving(&service->cgroup, write_leaving, file);
}

int handover_write(const struct service *service, FILE *file) {
        int r;

        record_begin(file, TITLE, HANDOVER_VERSION);
        write_program(file);
        record_write(file, &service_type, service);
        r = write_generation(file, service);
        if (r < 0)
                return r;
        write_shared(file, service);
        if (service->control)
                write_control(file, service->control);
        write_sockets(file, &service->current->sockets);
        for (size_t i = 0; i < ELEMENTSOF(service->budget); i++)
                write_budget(file, (enum process_role) i, &service->budget[i]);
        write_position(file, &service->agent);
        for (size_t i = 0; i < service->n_positions; i++)
                write_position(file, &service->workers[i]);
        schedules_write(&service->schedules, file);
        for (size_t i = 0; i < service->n_compute_positions; i++)
                write_position(file, &service->computes[i]);
        LIST_FOREACH(node, &service->processes)
                write_process(file, container_of(node, struct process, node));
        compute_queue_each(&service->compute.queue, write_job, file);
        record_end(file);
        return 0;
}

/* ---- Reading ---- */

/* A kind of which there may be many: where they are collected, and what one is before it is read. */
struct many {
        const struct record_type *type;
        struct handover_array *array;
        size_t size;
        const void *empty;
};

static int append(struct record_reader *reader, const struct many *many) {
        struct handover_array *array = many->array;
        char *items;

        items = reallocarray(array->items, array->n + 1, many->size);
        if (!items)
                return -ENOMEM;
        array->items = items;
        items += array->n++ * many->size;
        memcpy(items, many->empty, many->size);
        return record_read(reader, many->type, items);
}

static int read_one(struct record_reader *reader, const char *name, struct handover *handover,
                    struct service *service) {
        static const struct handover_socket socket = { .fd = -1 };
        static const struct handover_budget budget = { .role = PROCESS_AGENT };
        static const struct handover_restart restart = { .role = PROCESS_AGENT };
        static const struct handover_position position = { .number = -1 };
        static const struct handover_leaving leaving = { .core_pid = 0 };
        static const struct schedule schedule = { .n_runs = 0 };
        static const struct schedule_tick tick = { .serial = 0 };
        static const struct schedule_run run = { .worker = -1 };
        static const struct compute_job job = { .fd = -1 };
        static const struct process_snapshot process = { .channel_fd = -1,
                                                         .refused_fd = -1,
                                                         .process.number = -1 };
        const struct many many[] = {
                { &socket_type, &handover->sockets, sizeof(socket), &socket },
                { &budget_type, &handover->budgets, sizeof(budget), &budget },
                { &reposition_type, &handover->restarts, sizeof(restart), &restart },
                { &position_type, &handover->positions, sizeof(position), &position },
                { &process_type, &handover->processes, sizeof(process), &process },
                { &leaving_type, &handover->leaving, sizeof(leaving), &leaving },
                { &schedule_type, &handover->schedules, sizeof(schedule), &schedule },
                { &schedule_tick_type, &handover->ticks, sizeof(tick), &tick },
                { &schedule_run_type, &handover->runs, sizeof(run), &run },
                { &job_type, &handover->jobs, sizeof(job), &job },
        };
        const struct {
                const struct record_type *type;
                void *object;
        } single[] = {
                { &program_type, &handover->program },
                { &service_type, service },
                { &generation_type, &handover->generation },
                { &scoreboard_type, handover },
                { &control_type, handover },
                { &state_type, handover },
        };

        for (size_t i = 0; i < ELEMENTSOF(single); i++)
                if (streq(name, single[i].type->name))
                        return record_read(reader, single[i].type, single[i].object);
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                if (streq(name, many[i].type->name))
                        return append(reader, &many[i]);
        (void) snprintf(reader->problem, sizeof(reader->problem), "[%.40s] is not known", name);
        return -EBADMSG;
}

static int read_all(struct handover *handover, struct service *service, const char *text, size_t size,
                    char **ret_reason) {
        struct record_reader reader;
        const char *name;
        int r;

        r = record_open(&reader, text, size, TITLE, HANDOVER_VERSION);
        while (r >= 0 && (name = record_next(&reader)))
                r = read_one(&reader, name, handover, service);
        if (r == -EBADMSG || r == -EPROTONOSUPPORT)
                r = handover_refuse(ret_reason, "cannot read the handover: %s", reader.problem);
        record_close(&reader);
        return r;
}

int handover_read(struct handover *ret, struct service *service, const char *text, size_t size,
                  char **ret_reason) {
        int r;

        *ret = (struct handover) HANDOVER_NULL;
        *ret_reason = NULL;
        r = read_all(ret, service, text, size, ret_reason);
        return r < 0 ? r : handover_check(ret, service, ret_reason);
}

/* ---- All of it ---- */

static int each_fd(const struct record_type *type, const struct handover_array *array, size_t size,
                   int (*function)(int fd, void *userdata), void *userdata) {
        int r = 0;

        for (size_t i = 0; i < array->n && r >= 0; i++)
                r = record_each_fd(type, (const char *) array->items + i * size, function, userdata);
        return r;
}

int handover_each_fd(const struct handover *handover, int (*function)(int fd, void *userdata),
                     void *userdata) {
        int r;

        r = record_each_fd(&scoreboard_type, handover, function, userdata);
        r = r < 0 ? r : record_each_fd(&control_type, handover, function, userdata);
        r = r < 0 ? r : record_each_fd(&state_type, handover, function, userdata);
        r = r < 0 ? r
                  : each_fd(&socket_type, &handover->sockets, sizeof(struct handover_socket), function,
                            userdata);
        r = r < 0 ? r : each_fd(&job_type, &handover->jobs, sizeof(struct compute_job), function, userdata);
        return r < 0 ? r
                     : each_fd(&process_type, &handover->processes, sizeof(struct process_snapshot),
                               function, userdata);
}

static void free_array(const struct record_type *type, struct handover_array *array, size_t size) {
        for (size_t i = 0; i < array->n; i++)
                record_free_texts(type, (char *) array->items + i * size);
        free(array->items);
}

void handover_deinit(struct handover *handover) {
        free_array(&socket_type, &handover->sockets, sizeof(struct handover_socket));
        free_array(&budget_type, &handover->budgets, sizeof(struct handover_budget));
        free_array(&reposition_type, &handover->restarts, sizeof(struct handover_restart));
        free_array(&position_type, &handover->positions, sizeof(struct handover_position));
        free_array(&process_type, &handover->processes, sizeof(struct process_snapshot));
        free_array(&leaving_type, &handover->leaving, sizeof(struct handover_leaving));
        free_array(&schedule_type, &handover->schedules, sizeof(struct schedule));
        free_array(&schedule_tick_type, &handover->ticks, sizeof(struct schedule_tick));
        free_array(&schedule_run_type, &handover->runs, sizeof(struct schedule_run));
        free_array(&job_type, &handover->jobs, sizeof(struct compute_job));
        record_free_texts(&control_type, handover);
        record_free_texts(&program_type, &handover->program);
        record_free_texts(&generation_type, &handover->generation);
        config_free(handover->config);
        *handover = (struct handover) HANDOVER_NULL;
}

void handover_forget(struct service *service) {
        record_free_texts(&service_type, service);
}
