/* SPDX-License-Identifier: MIT */

/*
 * The upgrade in place: the master becomes the program that is installed now, with the same pid, sockets,
 * children and state, and then has every process replaced by one of the new version.
 *
 * exec cannot be taken back, so everything that can fail is tried before. The state is written down
 * (handover.c), and the new program is run as a child and given it to read (trial.c): one that does not start, is of a version
 * that speaks differently, or does not know a setting, says so or fails there, and the old master goes on as if
 * nothing had been asked. The loop waits for the answer as for any other event, and not for long. exec itself may
 * still fail, and then returns; and it only comes when no signal that was taken from the kernel is left to be handled.
 * What comes later is kept by the kernel for whoever runs: messages, ends of children, signals. Messages that are on their way
 * to a process leave first: nothing more is read, and for a second exec waits until those who should get them have
 * taken them.
 *
 * The new master (takeover.c) goes on serving with the old processes and rolls them as a reload does, with
 * the configuration there is: what an operator may be editing meanwhile was not asked for. If that fails, the old
 * processes serve on, and the result says so.
 *
 * During a start or a reload the upgrade waits for its end, and one that is asked for during the trial comes first,
 * too. A service that stops is not upgraded.
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "master/handover.h"
#include "master/service.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/log-id.h"
#include "util/nofile.h"
#include "util/text.h"

#define SETTLE_MAX    USEC_PER_SEC
#define SETTLE_PERIOD (5 * USEC_PER_MSEC)

void upgrade_deinit(struct upgrade *upgrade) {
        trial_end(&upgrade->trial);
        sd_event_source_disable_unref(upgrade->exec_source);
        free(upgrade->failure);
        free(upgrade->from);
        *upgrade = (struct upgrade) UPGRADE_NULL;
}

bool upgrade_is_near(const struct service *service) {
        return service->upgrade.state == UPGRADE_TRIAL || service->upgrade.state == UPGRADE_EXEC;
}

/* ---- How it ends ---- */

static void end(struct service *service, const char *failure) {
        const char *const fields[] = { LOG_FIELD_ID(LOG_ID_UPGRADE), NULL };
        struct upgrade *upgrade = &service->upgrade;

        upgrade->exec_source = sd_event_source_disable_unref(upgrade->exec_source);
        route_resume(service);
        compute_proceed(service);
        upgrade->state = UPGRADE_NONE;
        free(upgrade->failure);
        upgrade->failure = failure ? text_make_utf8(text_fold(strdup(failure))) : NULL;
        if (!failure)
                log_info("Upgraded from %s to " PACKAGE_VERSION ": the master and all processes",
                         upgrade->from);
        else if (upgrade->taken_over)
                (void) log_fields(LOG_ERR, 0, fields,
                                  "The master was upgraded to " PACKAGE_VERSION
                                  ", but the old workers serve on: %s",
                                  failure);
        else
                (void) log_fields(LOG_ERR, 0, fields,
                                  "Upgrade failed, version " PACKAGE_VERSION " serves on: %s", failure);
        control_upgrade_finished(service);
}

/* Ends it before the program was replaced, and lets go on what has waited for it. */
static void fail(struct service *service, const char *reason) {
        end(service, reason);
        if (service_is_stopping(service))
                return;
        status_running(service);
        if (service->reload_again) {
                service->reload_again = false;
                reload_begin(service);
        }
}

/* A reload that was asked for meanwhile comes first: whoever waits for its end can only be told by the master that was
 * asked. */
static bool gives_way(struct service *service) {
        if (!service->reload_again || service_is_stopping(service))
                return false;
        service->reload_again = false;
        service->upgrade.exec_source = sd_event_source_disable_unref(service->upgrade.exec_source);
        route_resume(service);
        compute_proceed(service);
        service->upgrade.state = UPGRADE_WAITING;
        reload_begin(service);
        return true;
}

/* ---- The state, written down ---- */

/* What was written must be what can be read: better to find out here. */
static int check_text(struct handover *ret, const char *text, size_t size, char **ret_reason) {
        struct service scratch = {};
        int r;

        r = handover_read(ret, &scratch, text, size, ret_reason);
        handover_forget(&scratch);
        return r;
}

static int write_text(const struct service *service, char **ret_text, size_t *ret_size) {
        FILE *file;
        int r;

        file = open_memstream(ret_text, ret_size);
        if (!file)
                return -ENOMEM;
        r = handover_write(service, file);
        if (ferror(file) && r >= 0)
                r = -ENOMEM;
        if (fclose(file) != 0 && r >= 0)
                r = -ENOMEM;
        return r;
}

/* Returns the memfd. */
static int make_handover(struct service *service, struct handover *ret, char **ret_reason) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        r = compute_store(service);
        r = r < 0 ? r : write_text(service, &text, &size);
        r = r < 0 ? r : check_text(ret, text, size, ret_reason);
        return r < 0 ? r : fd_memfd_sealed("muster-handover", text, size);
}

/* ---- The exec ---- */

static bool is_same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The command line of the service, and where the handover is. */
static char **make_arguments(const struct service *service, char *fd) {
        const struct master_arguments *arguments = service->arguments;
        char **argv;
        size_t n = 0;

        argv = (char **) calloc(2 * arguments->n_overrides + 8, sizeof(*argv));
        if (!argv)
                return NULL;
        argv[n++] = service->master_program;
        argv[n++] = (char *) "--config";
        argv[n++] = (char *) arguments->config;
        argv[n++] = (char *) "--instance";
        argv[n++] = (char *) arguments->instance;
        for (size_t i = 0; i < arguments->n_overrides; i++) {
                argv[n++] = (char *) "-o";
                argv[n++] = (char *) arguments->overrides[i];
        }
        argv[n++] = (char *) "--take-over";
        argv[n++] = fd;
        return argv;
}

static int keep_open(int fd, void *userdata) {
        return fd_set_cloexec(fd, false);
}

static int keep_closed(int fd, void *userdata) {
        (void) fd_set_cloexec(fd, true);
        return 0;
}

/* Comes back only with an error. */
static int replace_program(const struct service *service, const struct handover *handover, int fd) {
        char text[16];
        char **argv;
        int r;

        (void) snprintf(text, sizeof(text), "%d", fd);
        argv = make_arguments(service, text);
        if (!argv)
                return -ENOMEM;
        (void) log_flush(0); /* what the journal does not take now is lost */
        r = handover_each_fd(handover, keep_open, NULL);
        r = r < 0 ? r : keep_open(fd, NULL);
        if (r >= 0) {
                nofile_restore();
                (void) execv(service->master_program, argv);
                r = -errno;
                nofile_raise();
        }
        (void) handover_each_fd(handover, keep_closed, NULL);
        free((void *) argv);
        return r;
}

static int try_exec(struct service *service, char **ret_reason) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        _cleanup_fd_ int fd = -1;
        struct stat now;
        int r;

        if (service_is_stopping(service))
                return handover_refuse(ret_reason, "the service is stopping");
        if (stat(service->master_program, &now) < 0 || !is_same_file(&now, &service->upgrade.tried))
                return handover_refuse(ret_reason, "%s was changed while it was tried",
                                       service->master_program);
        fd = make_handover(service, &handover, ret_reason);
        if (fd < 0)
                return fd;
        r = replace_program(service, &handover, fd);
        return handover_refuse(ret_reason, "Cannot execute %s: %s", service->master_program, strerror(-r));
}

/* Whether exec has to wait for messages; then it is tried again soon. */
static bool wait_for_messages(struct service *service, sd_event_source *source) {
        usec_t now = now_monotonic();

        /* Who stops does not exec: what waits goes on to wait. */
        if (service_is_stopping(service) || route_settle(service))
                return false;
        if (now >= service->upgrade.exec_until) {
                route_abandon(service);
                return false;
        }
        return sd_event_source_set_time(source, now + SETTLE_PERIOD) >= 0 &&
               sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0;
}

static int dispatch_exec(sd_event_source *source, uint64_t when, void *userdata) {
        struct service *service = userdata;
        _cleanup_free_ char *reason = NULL;
        int r;

        if (gives_way(service) || wait_for_messages(service, source))
                return 0;
        r = try_exec(service, &reason);
        fail(service, reason ?: strerror(-r));
        return 0;
}

/* A signal that was read from its descriptor and not dispatched would be lost: signals come first (master.c), so when this
 * is dispatched there is none. */
static int plan_exec(struct service *service) {
        struct upgrade *upgrade = &service->upgrade;

        upgrade->state = UPGRADE_EXEC;
        upgrade->exec_until = usec_add(now_monotonic(), SETTLE_MAX);
        return sd_event_add_time(service->event, &upgrade->exec_source, CLOCK_MONOTONIC, now_monotonic(), 0,
                                 dispatch_exec, service);
}

/* ---- The trial ---- */

static void on_tried(const char *reason, void *userdata) {
        struct service *service = userdata;
        int r;

        if (reason) {
                fail(service, reason);
                return;
        }
        if (gives_way(service))
                return;
        r = plan_exec(service);
        if (r < 0)
                fail(service, strerror(-r));
}

static int begin_trial(struct service *service, char **ret_reason) {
        _cleanup_(handover_deinit) struct handover handover = HANDOVER_NULL;
        struct upgrade *upgrade = &service->upgrade;
        _cleanup_fd_ int fd = -1;

        upgrade->state = UPGRADE_TRIAL;
        if (stat(service->master_program, &upgrade->tried) < 0)
                return handover_refuse(ret_reason, "Cannot execute %s: %s", service->master_program,
                                       strerror(errno));
        fd = make_handover(service, &handover, ret_reason);
        if (fd < 0)
                return fd;
        return trial_begin(&upgrade->trial, service->event, service->master_program,
                           service->arguments->config, fd, on_tried, service);
}

static int proceed(struct service *service, char **ret_reason) {
        int r;

        r = begin_trial(service, ret_reason);
        if (r >= 0)
                return 0;
        if (!*ret_reason)
                *ret_reason = strdup(strerror(-r));
        fail(service, *ret_reason ?: "out of memory");
        return r;
}

/* ---- What others call ---- */

int upgrade_begin(struct service *service, char **ret_reason) {
        struct upgrade *upgrade = &service->upgrade;

        *ret_reason = NULL;
        if (service_is_stopping(service)) {
                (void) handover_refuse(ret_reason, "the service is stopping");
                return -ESHUTDOWN;
        }
        if (upgrade->state != UPGRADE_NONE) {
                (void) handover_refuse(ret_reason, "an upgrade is under way already");
                return -EBUSY;
        }
        upgrade->n++;
        upgrade->taken_over = false;
        free(upgrade->failure);
        upgrade->failure = NULL;
        upgrade->state = UPGRADE_WAITING;
        log_info("Upgrading to what is installed as %s", service->master_program);
        if (service->phase != PHASE_RUNNING || service->next)
                return 0;
        return proceed(service, ret_reason);
}

void upgrade_proceed(struct service *service, const char *failure) {
        _cleanup_free_ char *reason = NULL;

        if (service->upgrade.state == UPGRADE_ROLLING)
                end(service, failure);
        else if (service->upgrade.state == UPGRADE_WAITING && !service->reload_again)
                (void) proceed(service, &reason);
}
