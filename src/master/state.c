/* SPDX-License-Identifier: MIT */

/*
 * What outlives the master: how often processes were restarted and have crashed, how many requests were answered, what
 * is in quarantine.
 *
 * It lives in a memfd (state-file.c says what is in it). systemd gets a copy of the descriptor at the first start
 * (FDSTORE=1) and passes it to each later one, with the listening sockets, under the name "muster-state". The memory
 * is the same all the time, so what the master writes is kept at that moment: nothing has to be done in time before
 * an end, be it `systemctl restart`, SIGKILL or a crash. systemd lets go of it when the service is stopped, and there
 * the counting ends.
 *
 * Requests are counted by the workers, and brought here with the status, every few seconds: a master that is killed
 * loses those since.
 *
 * What comes back is checked before it is believed. If it is no good, that is said, and the counting begins anew:
 * none of it is worth a service that does not start.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <systemd/sd-daemon.h>

#include "master/state.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/macro.h"
#include "util/time.h"

/* ---- The memory ---- */

static int map(struct state *state, int fd) {
        void *memory;

        state->content = malloc(STATE_CONTENT_MAX);
        if (!state->content)
                return -ENOMEM;
        memory = mmap(NULL, STATE_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        state->memory = memory;
        return 0;
}

static void unmap(struct state *state) {
        if (state->memory)
                (void) munmap(state->memory, STATE_FILE_SIZE);
        state->memory = NULL;
        free(TAKE_PTR(state->content));
        free(TAKE_PTR(state->quarantine));
}

/* A file that can be cut short would be a SIGBUS some day. */
static int check_file(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        if (seals < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!(seals & F_SEAL_SHRINK) || (size_t) st.st_size != STATE_FILE_SIZE)
                return -EBADMSG;
        return 0;
}

static int read_content(struct state *state, const void *content, size_t size) {
        const void *bytes;
        size_t n;
        int r;

        r = state_record_find(content, size, STATE_TOTALS, &bytes, &n);
        r = r < 0 ? r : state_totals_read(bytes, n, &state->totals);
        if (r < 0)
                return r;
        r = state_record_find(content, size, STATE_QUARANTINE, &bytes, &n);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        state->quarantine = malloc(n);
        if (!state->quarantine)
                return -ENOMEM;
        memcpy(state->quarantine, bytes, n);
        state->quarantine_size = n;
        return 0;
}

static int load(struct state *state, int fd) {
        const void *content;
        size_t size;
        int r;

        r = check_file(fd);
        r = r < 0 ? r : map(state, fd);
        r = r < 0 ? r : state_file_read(state->memory, &content, &size);
        r = r < 0 ? r : read_content(state, content, size);
        if (r < 0)
                unmap(state);
        return r;
}

static int create(struct state *state) {
        _cleanup_fd_ int fd = -1;
        int r;

        fd = fd_memfd_shared(STATE_FD_NAME, STATE_FILE_SIZE);
        if (fd < 0)
                return fd;
        r = map(state, fd);
        if (r < 0) {
                unmap(state);
                return r;
        }
        state_file_format(state->memory);
        state->fd = TAKE_FD(fd);
        return 0;
}

static void save(struct state *state) {
        size_t size = 0;
        int r;

        if (!state->memory)
                return;
        r = state_record_add(state->content, STATE_CONTENT_MAX, &size, STATE_TOTALS, &state->totals,
                             sizeof(state->totals));
        if (r >= 0 && state->quarantine)
                r = state_record_add(state->content, STATE_CONTENT_MAX, &size, STATE_QUARANTINE,
                                     state->quarantine, state->quarantine_size);
        if (r >= 0)
                r = state_file_write(state->memory, state->content, size);
        if (r < 0)
                log_warning(r, "Failed to keep the state, ignoring: %m");
}

/* ---- Where it comes from and goes to ---- */

/* The one that is no good makes room first, since the store may have room for one only. */
static void hand_to_manager(int fd, bool replace) {
        int r = 0;

        if (replace)
                (void) sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" STATE_FD_NAME);
        r = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" STATE_FD_NAME, &fd, 1);
        if (r < 0)
                log_warning(r, "Failed to hand the state to systemd, ignoring: %m");
}

static void begin_anew(struct state *state, bool replace) {
        int r;

        state->totals = (struct state_totals){ .since = now_realtime() };
        r = create(state);
        if (r < 0) {
                log_warning(r, "Failed to make memory for the state, ignoring: %m");
                return;
        }
        save(state);
        hand_to_manager(state->fd, replace);
}

static void format_since(struct state *state) {
        time_t seconds = (time_t) (state->totals.since / USEC_PER_SEC);
        struct tm when;

        if (!localtime_r(&seconds, &when) ||
            strftime(state->since, sizeof(state->since), "%Y-%m-%d %H:%M", &when) == 0)
                state->since[0] = '\0';
}

void state_open(struct state *state, int fd) {
        _cleanup_fd_ int given = fd;
        int r;

        *state = (struct state) STATE_NULL;
        r = given < 0 ? -ENOENT : load(state, given);
        if (r >= 0)
                state->fd = TAKE_FD(given);
        else {
                if (given >= 0)
                        log_warning(r, "The state that systemd has kept is no good, beginning anew: %m");
                begin_anew(state, given >= 0);
        }
        format_since(state);
        if (r >= 0)
                log_info("Since %s: %" PRIu64 " starts, %" PRIu64 " restarts of processes, %" PRIu64
                         " crashes, %" PRIu64 " requests",
                         state->since, state->totals.starts, state->totals.restarts, state->totals.crashes,
                         state->totals.requests);
}

void state_deinit(struct state *state) {
        unmap(state);
        fd_close(state->fd);
        *state = (struct state) STATE_NULL;
}

/* ---- Counting ---- */

void state_started(struct state *state) {
        state->totals.starts++;
        save(state);
}

void state_restarted(struct state *state) {
        state->totals.restarts++;
        save(state);
}

void state_crashed(struct state *state) {
        state->totals.crashes++;
        save(state);
}

/* Workers count in memory of their own, which a crash may have spoiled: what goes back, or ahead beyond all measure,
 * does not count. */
void state_served(struct state *state, uint64_t requests) {
        uint64_t more = requests - state->requests_seen;

        state->requests_seen = requests;
        if (more == 0 || more > UINT32_MAX)
                return;
        state->totals.requests += more;
        save(state);
}

void state_resume(struct state *state, uint64_t requests) {
        state->requests_seen = requests;
}

void state_keep_quarantine(struct state *state, const void *bytes, size_t size) {
        void *room;

        if (!state->memory)
                return;
        room = realloc(state->quarantine, MAX(size, 1U));
        if (!room) {
                log_oom();
                return;
        }
        state->quarantine = memcpy(room, bytes, size);
        state->quarantine_size = size;
        save(state);
}
