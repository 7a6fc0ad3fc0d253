/* SPDX-License-Identifier: MIT */

/*
 * The memory in which the state of a service outlives its master.
 *
 * It is written in place while the master runs, since nobody asks a master that is killed for its last words. So a write
 * may be broken off anywhere. There are two banks: a write goes to the one that is not valid or older, and makes it
 * valid last, so that the other still holds when it does not come that far. Each bank has a sequence number, by which
 * the newer is known, and a checksum of all that it says, so that damage is seen and not believed.
 *
 * The content is a row of records, each with its type and size. A reader takes those it knows: an older muster reads
 * what a newer one has written, and the other way round, as long as the version of the whole stays.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "master/state-file.h"
#include "util/macro.h"

#define MAGIC "muster\n\x1a"

struct header {
        char magic[8];
        uint32_t version;
        uint32_t size; /* of the whole */
};

struct bank {
        uint64_t sequence; /* 0: not valid */
        uint64_t checksum;
        uint64_t size;
        unsigned char content[STATE_CONTENT_MAX];
};

struct file {
        struct header header;
        struct bank banks[2];
};

struct record {
        uint32_t type;
        uint32_t size;
};

_Static_assert(sizeof(struct file) <= STATE_FILE_SIZE, "the state does not fit its file");

/* FNV-1a of 64 bits: any change of one byte changes it, and nobody here wants to forge one. */
static uint64_t hash(uint64_t start, const void *bytes, size_t size) {
        uint64_t value = start;

        for (const unsigned char *p = bytes; size > 0; p++, size--)
                value = (value ^ *p) * UINT64_C(0x100000001b3);
        return value;
}

static uint64_t checksum(const struct bank *bank, uint64_t sequence) {
        uint64_t value = UINT64_C(0xcbf29ce484222325);

        value = hash(value, &sequence, sizeof(sequence));
        value = hash(value, &bank->size, sizeof(bank->size));
        return hash(value, bank->content, bank->size);
}

static bool is_valid(const struct bank *bank) {
        return bank->sequence > 0 && bank->size <= STATE_CONTENT_MAX &&
               bank->checksum == checksum(bank, bank->sequence);
}

/* The newer of those that are valid, or NULL. */
static const struct bank *newest(const struct file *file) {
        const struct bank *found = NULL;

        for (size_t i = 0; i < ELEMENTSOF(file->banks); i++)
                if (is_valid(&file->banks[i]) && (!found || file->banks[i].sequence > found->sequence))
                        found = &file->banks[i];
        return found;
}

void state_file_format(void *memory) {
        struct file *file = memory;

        memset(file, 0, sizeof(*file));
        memcpy(file->header.magic, MAGIC, sizeof(file->header.magic));
        file->header.version = STATE_FILE_VERSION;
        file->header.size = (uint32_t) STATE_FILE_SIZE;
        (void) state_file_write(memory, NULL, 0);
}

int state_file_read(const void *memory, const void **ret, size_t *ret_size) {
        const struct file *file = memory;
        const struct bank *bank;

        if (memcmp(file->header.magic, MAGIC, sizeof(file->header.magic)) != 0)
                return -EBADMSG;
        if (file->header.version != STATE_FILE_VERSION)
                return -EPROTONOSUPPORT;
        if (file->header.size != STATE_FILE_SIZE)
                return -EBADMSG;
        bank = newest(file);
        if (!bank)
                return -EBADMSG;
        *ret = bank->content;
        *ret_size = bank->size;
        return 0;
}

int state_file_write(void *memory, const void *content, size_t size) {
        struct file *file = memory;
        const struct bank *current = newest(file);
        struct bank *bank = &file->banks[current == &file->banks[0] ? 1 : 0];
        uint64_t sequence = current ? current->sequence + 1 : 1;

        if (size > STATE_CONTENT_MAX)
                return -EFBIG;
        __atomic_store_n(&bank->sequence, 0, __ATOMIC_SEQ_CST);
        bank->size = size;
        if (size > 0)
                memcpy(bank->content, content, size);
        bank->checksum = checksum(bank, sequence);
        __atomic_store_n(&bank->sequence, sequence, __ATOMIC_SEQ_CST);
        return 0;
}

/* ---- Records ---- */

/* Records begin at multiples of eight bytes. */
static size_t padded(size_t size) {
        return (size + 7) & ~(size_t) 7;
}

int state_record_add(void *content, size_t room, size_t *size, uint32_t type, const void *bytes, size_t n) {
        struct record record = { .type = type, .size = (uint32_t) n };
        unsigned char *end = (unsigned char *) content + *size;

        if (n > room || room - *size < sizeof(record) + padded(n))
                return -ENOBUFS;
        memset(end, 0, sizeof(record) + padded(n));
        memcpy(end, &record, sizeof(record));
        if (n > 0)
                memcpy(end + sizeof(record), bytes, n);
        *size += sizeof(record) + padded(n);
        return 0;
}

int state_record_find(const void *content, size_t size, uint32_t type, const void **ret, size_t *ret_size) {
        const unsigned char *p = content;

        while (size > 0) {
                struct record record;

                if (size < sizeof(record))
                        return -EBADMSG;
                memcpy(&record, p, sizeof(record));
                p += sizeof(record);
                size -= sizeof(record);
                if (record.size > size || padded(record.size) > size)
                        return -EBADMSG;
                if (record.type == type) {
                        *ret = p;
                        *ret_size = record.size;
                        return 0;
                }
                p += padded(record.size);
                size -= padded(record.size);
        }
        return -ENOENT;
}

int state_totals_read(const void *bytes, size_t size, struct state_totals *ret) {
        struct state_totals totals = {};

        memcpy(&totals, bytes, MIN(size, sizeof(totals)));
        if (totals.since == 0)
                return -EBADMSG;
        *ret = totals;
        return 0;
}
