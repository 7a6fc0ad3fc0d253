/* SPDX-License-Identifier: MIT */

/*
 * The scoreboard: a memfd with one slot for each process, by which the master and its children see each
 * other without a message.
 *
 * A slot is written by its owner alone, so there is no lock that a dying process could leave held. It takes
 * whole pages: a child maps all of it read-only and only its own slot writable, so that a wild pointer in
 * one worker cannot scribble over what another says. It maps it by a descriptor that can only be read, so that
 * not even mprotect() makes it writable, and keeps none. The size is sealed, so nobody's mapping can be cut
 * away.
 *
 * Behind each slot, in the same pages, is the table of its owner's counters (counters.c).
 *
 * Behind the slots, in the place of one more, is what the master tells all others without being asked: the page of
 * the quarantine.
 *
 * The master believes nothing in here: scoreboard_read() copies a slot and puts every field of the copy in
 * range before anyone looks at it. The crash record is written from a signal handler, in stages, each
 * announced when its fields are complete.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/counters.h"
#include "ipc/quarantine-page.h"
#include "ipc/scoreboard.h"
#include "util/fd.h"
#include "util/macro.h"

#define SLOT_SIZE     8192U
#define COUNTERS_SIZE (COUNTERS_MAX * sizeof(struct counter))

_Static_assert(sizeof(struct slot) <= SLOT_SIZE, "a slot must fit its pages");
_Static_assert(sizeof(struct quarantine_page) <= SLOT_SIZE, "so must the page of the quarantine");

/* Pages are larger than a slot on some machines. */
size_t scoreboard_stride(void) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);

        return (SLOT_SIZE + COUNTERS_SIZE + page - 1) / page * page;
}

/* Whole and writable. The descriptor is the scoreboard's from then on. */
static int map_all(struct scoreboard *scoreboard, int fd, size_t n_slots) {
        size_t stride = scoreboard_stride();
        void *memory;

        memory = mmap(NULL, (n_slots + 1) * stride, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        *scoreboard =
                (struct scoreboard){ .fd = fd, .n_slots = n_slots, .stride = stride, .memory = memory };
        return 0;
}

int scoreboard_create(struct scoreboard *scoreboard, size_t n_slots) {
        int fd, r;

        fd = fd_memfd_shared("muster-scoreboard", (n_slots + 1) * scoreboard_stride());
        if (fd < 0)
                return fd;
        r = map_all(scoreboard, fd, n_slots);
        if (r < 0)
                fd_close(fd);
        return r;
}

/* The number of slots in it; a size that is not sealed could be cut away under the mapping. */
static int count_slots(int fd, size_t *ret) {
        size_t stride = scoreboard_stride(), size;
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        size = (size_t) st.st_size;
        if (seals < 0 || !(seals & F_SEAL_SHRINK) || size < 2 * stride || size % stride != 0)
                return -EBADMSG;
        *ret = size / stride - 1;
        return 0;
}

int scoreboard_adopt(struct scoreboard *scoreboard, int fd) {
        size_t n_slots = 0;
        int r;

        r = count_slots(fd, &n_slots);
        r = r < 0 ? r : map_all(scoreboard, fd, n_slots);
        if (r < 0)
                fd_close(fd);
        return r;
}

/* By a descriptor of its own that was opened for reading: the mapping can't be made writable then. */
static int map_read_only(int fd, size_t size, void **ret) {
        _cleanup_fd_ int reading = -1;
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        reading = open(path, O_RDONLY | O_CLOEXEC);
        if (reading < 0)
                return -errno;
        *ret = mmap(NULL, size, PROT_READ, MAP_SHARED, reading, 0);
        return *ret == MAP_FAILED ? -errno : 0;
}

static int attach_memory(struct scoreboard *scoreboard, int fd, size_t own) {
        struct stat st;
        size_t stride = scoreboard_stride(), size;
        void *memory = NULL, *page;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        size = (size_t) st.st_size;
        if (size < 2 * stride || size % stride != 0 || own >= size / stride - 1)
                return -EBADMSG;

        r = map_read_only(fd, size, &memory);
        if (r < 0)
                return r;
        page = mmap(NULL, stride, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t) (own * stride));
        if (page == MAP_FAILED) {
                r = -errno;
                (void) munmap(memory, size);
                return r;
        }

        *scoreboard = (struct scoreboard){
                .fd = -1,
                .n_slots = size / stride - 1,
                .stride = stride,
                .memory = memory,
                .own = page,
        };
        return 0;
}

int scoreboard_attach(struct scoreboard *scoreboard, int fd, size_t own) {
        int r = attach_memory(scoreboard, fd, own);

        fd_close(fd);
        return r;
}

void scoreboard_deinit(struct scoreboard *scoreboard) {
        if (scoreboard->memory)
                (void) munmap(scoreboard->memory, (scoreboard->n_slots + 1) * scoreboard->stride);
        if (scoreboard->own)
                (void) munmap(scoreboard->own, scoreboard->stride);
        fd_close(scoreboard->fd);
        *scoreboard = (struct scoreboard) SCOREBOARD_NULL;
}

struct slot *scoreboard_slot(const struct scoreboard *scoreboard, size_t index) {
        if (index >= scoreboard->n_slots)
                return NULL;
        return (struct slot *) (void *) (scoreboard->memory + index * scoreboard->stride);
}

static struct counter *counters_behind(void *slot) {
        return (struct counter *) (void *) ((unsigned char *) slot + SLOT_SIZE);
}

struct counter *scoreboard_counters(const struct scoreboard *scoreboard, size_t index) {
        struct slot *slot = scoreboard_slot(scoreboard, index);

        return slot ? counters_behind(slot) : NULL;
}

struct counter *scoreboard_own_counters(const struct scoreboard *scoreboard) {
        return scoreboard->own ? counters_behind(scoreboard->own) : NULL;
}

/* The first is behind the master's slot, the other behind what it publishes. */
struct counter *scoreboard_kept_counters(const struct scoreboard *scoreboard, unsigned int which) {
        size_t index = which == 0 ? SCOREBOARD_MASTER : scoreboard->n_slots;

        return counters_behind(scoreboard->memory + index * scoreboard->stride);
}

struct quarantine_page *scoreboard_quarantine(const struct scoreboard *scoreboard) {
        if (!scoreboard->memory)
                return NULL;
        return (struct quarantine_page *) (void *) (scoreboard->memory +
                                                    scoreboard->n_slots * scoreboard->stride);
}

/* Ends a string that came from another process and replaces what would garble a log line. */
static void make_printable(char *text, size_t size) {
        text[size - 1] = '\0';
        for (; *text; text++)
                if ((unsigned char) *text < 0x20 || (unsigned char) *text >= 0x7f)
                        *text = '?';
}

static void make_crash_safe(struct crash_record *crash) {
        crash->n_frames = MIN(crash->n_frames, CRASH_FRAMES_MAX);
        make_printable(crash->route, sizeof(crash->route));
        make_printable(crash->target, sizeof(crash->target));
        make_printable(crash->request, sizeof(crash->request));
        if (crash->stage >= _CRASH_STAGE_MAX || crash->signal < 0 || crash->signal > 64)
                crash->stage = CRASH_NONE;
}

int scoreboard_read(const struct scoreboard *scoreboard, size_t index, struct slot *ret) {
        const struct slot *slot = scoreboard_slot(scoreboard, index);

        if (!slot)
                return -EINVAL;
        atomic_thread_fence(memory_order_acquire);
        memcpy(ret, slot, sizeof(*ret));
        if (ret->version != SCOREBOARD_VERSION || ret->state >= _SLOT_STATE_MAX)
                return -EBADMSG;

        make_printable(ret->route, sizeof(ret->route));
        make_crash_safe(&ret->crash);
        make_printable(ret->broker.server, sizeof(ret->broker.server));
        make_printable(ret->broker.reason, sizeof(ret->broker.reason));
        if (ret->broker.state >= _SLOT_BROKER_STATE_MAX)
                ret->broker.state = SLOT_BROKER_NONE;
        ret->n_maps = MIN(ret->n_maps, SLOT_MAPS_MAX);
        for (size_t i = 0; i < ret->n_maps; i++)
                make_printable(ret->maps[i].name, sizeof(ret->maps[i].name));
        return 0;
}

void scoreboard_clear(struct scoreboard *scoreboard, size_t index) {
        struct slot *slot = scoreboard_slot(scoreboard, index);

        if (!slot)
                return;
        memset(slot, 0, sizeof(*slot));
        slot->version = SCOREBOARD_VERSION;
        slot->number = -1;
}

static const char *file_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* The executable's own name is not given by the dynamic linker. */
static const char *program_name(char *buffer, size_t size) {
        ssize_t n = readlink("/proc/self/exe", buffer, size - 1);

        if (n < 0)
                return "program";
        buffer[n] = '\0';
        return file_name(buffer);
}

static int record_map(struct dl_phdr_info *info, size_t size, void *userdata) {
        struct slot *slot = userdata;
        char path[256];

        for (size_t i = 0; i < info->dlpi_phnum && slot->n_maps < SLOT_MAPS_MAX; i++) {
                const ElfW(Phdr) *header = &info->dlpi_phdr[i];
                struct slot_map *map = &slot->maps[slot->n_maps];
                const char *name = info->dlpi_name;

                if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
                        continue;
                name = name && *name ? file_name(name) : program_name(path, sizeof(path));
                map->base = info->dlpi_addr;
                map->start = info->dlpi_addr + header->p_vaddr;
                map->end = map->start + header->p_memsz;
                (void) snprintf(map->name, sizeof(map->name), "%.*s", (int) sizeof(map->name) - 1, name);
                slot->n_maps++;
        }
        return 0;
}

void slot_record_maps(struct slot *slot) {
        slot->n_maps = 0;
        (void) dl_iterate_phdr(record_map, slot);
}

static const struct slot_map *find_map(const struct slot *slot, uint64_t address) {
        for (size_t i = 0; i < slot->n_maps; i++)
                if (address >= slot->maps[i].start && address < slot->maps[i].end)
                        return &slot->maps[i];
        return NULL;
}

char *slot_format_address(const struct slot *slot, uint64_t address, char *buffer, size_t size) {
        const struct slot_map *map = find_map(slot, address);

        if (map)
                (void) snprintf(buffer, size, "%s+0x%" PRIx64, map->name, address - map->base);
        else
                (void) snprintf(buffer, size, "0x%" PRIx64, address);
        return buffer;
}

/* abort() is always at the same place of these, and so is memcpy(): what tells one fault from another is who called. */
static bool is_c_library(const char *name) {
        static const char *const libraries[] = { "libc.so",     "libpthread.so", "ld-linux",  "libasan.so",
                                                 "libubsan.so", "libtsan.so",    "linux-vdso" };

        for (size_t i = 0; i < ELEMENTSOF(libraries); i++)
                if (startswith(name, libraries[i]))
                        return true;
        return false;
}

char *slot_format_place(const struct slot *slot, char *buffer, size_t size) {
        for (uint32_t i = 0; i < slot->crash.n_frames; i++) {
                const struct slot_map *map = find_map(slot, slot->crash.frames[i]);

                if (map && !is_c_library(map->name))
                        return slot_format_address(slot, slot->crash.frames[i], buffer, size);
        }
        buffer[0] = '\0';
        return buffer;
}

char *slot_format_backtrace(const struct slot *slot, char *buffer, size_t size) {
        size_t used = 0;

        buffer[0] = '\0';
        for (uint32_t i = 0; i < slot->crash.n_frames; i++) {
                char frame[80];
                int n;

                (void) slot_format_address(slot, slot->crash.frames[i], frame, sizeof(frame));
                n = snprintf(buffer + used, size - used, "%s%s", used ? " " : "", frame);
                if (n < 0 || (size_t) n >= size - used) {
                        buffer[used] = '\0';
                        break;
                }
                used += (size_t) n;
        }
        return buffer;
}
